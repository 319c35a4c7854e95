"""What an export is read into: the records that are passed around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

SPLITS = ("train", "valid", "test")  # Roboflow's names and order
ALL = "all"  # in place of a split: the photos of every folder, to be divided anew
# The mask value of pixels that count neither in a loss nor in a score: what --ignore names, and the
# border around a photo that was padded to the network's square. 255 as in Pascal VOC.
VOID = 255


@dataclass(frozen=True)
class Segment:
    """One annotated region of a COCO export.

    Attributes:
        class_id: index into `Export.class_names`, or `VOID`.
        segmentation: as COCO has it: a list of polygons [x0, y0, x1, y1, ...] in pixels, or a
            run-length encoding {"size": [height, width], "counts": list or string}.
    """

    class_id: int
    segmentation: Any


@dataclass(frozen=True)
class Outlines:
    """All regions of one image, from which its mask is drawn; sizes in pixels."""

    height: int
    width: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Example:
    """One image and where its mask comes from.

    Attributes:
        file_name: "X.jpg", or "images/X.jpg" in a subfolder; unique within its split.
        source_name: the photo that Roboflow made this image from; augmented copies share it.
        image_path: JPEG or PNG as exported.
        mask: the PNG of class ids, or the outlines that the mask is drawn from; no outline stands
            for a mask of background.
        mask_orientation: 1 where the mask lies on the photo as it is shown; where it lies on the
            picture as stored, the EXIF orientation (2 to 8) that turns both upright.
        ignore: value of the PNG's pixels that nobody labelled; regions of a COCO export that nobody
            labelled have the class id `VOID`.
    """

    file_name: str
    source_name: str
    image_path: Path
    mask: Path | Outlines
    mask_orientation: int = 1
    ignore: int | None = None


@dataclass(frozen=True)
class Note:
    """Something that the user should know before trusting a score.

    Attributes:
        kind: what it is about; "leakage" of photos that was allowed, "frames" of one video in two
            splits, "readme" for what Roboflow says that it did to the photos.
        text: a sentence.
    """

    kind: Literal[
        "leakage", "blank_masks", "turned", "ignored", "passed_over", "held_out", "readme", "frames"
    ]
    text: str


@dataclass(frozen=True)
class Export:
    """A Roboflow export that has passed every check which needs no pixels.

    Attributes:
        root: the folder with the split folders.
        format: "masks" (Semantic Segmentation Masks) or "coco" (COCO Segmentation).
        class_names: the index is the class_id; class 0 is "background".
        splits: the examples of train, valid and test, or of the folders that were asked for, each
            sorted by file name, none empty.
        baked_augmentation: augmentation that Roboflow has already applied to the training images,
            by the names in `tf_muscle.roboflow.readme`.
        stretched: Roboflow has stretched its photos to a square, whatever their proportions were.
        notes: what the user should read before trusting a score.
    """

    root: Path
    format: Literal["masks", "coco"]
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[Example, ...]]
    baked_augmentation: tuple[str, ...]
    stretched: bool
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class DataInfo:
    """What is known of an export: TFDS's metadata, and `data` in environment.json.

    Attributes:
        fingerprint: of the export's content, 16 hex digits.
        format: "masks" or "coco".
        class_names: K names, [0] the background.
        num_examples: images by split.
        pixel_counts: pixels of each of the K classes by split, as exported.
        baked_augmentation: as of `Export`.
        stretched: as of `Export`.
        aspect: width over height of its photos, by `pixels.middle_aspect`; 1 in records from before
            it was measured.
        notes: sentences that the user should read before trusting a score.
    """

    fingerprint: str
    format: str = "masks"
    class_names: tuple[str, ...] = ()
    num_examples: Mapping[str, int] = field(default_factory=dict)
    pixel_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    baked_augmentation: tuple[str, ...] = ()
    stretched: bool = False
    aspect: float = 1.0
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "DataInfo":
        """Reads JSON's object; keys may be missing, as in older records, and others are left.

        Raises:
            TypeError: a list is something else.
        """
        lists = ("class_names", "baked_augmentation", "notes")
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in record.items() if name in known}
        values |= {name: tuple(values[name]) for name in lists if name in values}
        return cls(**{"fingerprint": ""} | values)
