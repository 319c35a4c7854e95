"""Reading masks, and the checks for which image and mask files have to be opened."""

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.errors import UserError, listed
from tf_muscle.roboflow.bad_files import (
    LINE_ENDS,
    LISTED_SIZE,
    MASK_SIZE,
    NOT_IDS,
    NOT_PHOTO,
    TOO_LARGE,
    TURNED_OR_NOT,
    UNLISTED_IDS,
    UNREADABLE,
    BadFileError,
    check_each,
)
from tf_muscle.roboflow.image_files import (
    UPRIGHT,
    LargeImageError,
    UnreadableImageError,
    open_image,
)
from tf_muscle.roboflow.outlines import rasterise
from tf_muscle.roboflow.records import VOID, Example, Export, Outlines
from tf_muscle.roboflow.split_folder import shown
from tf_muscle.roboflow.stored_photos import photo_orientation

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB\x60\x82"  # the last chunk's name and checksum
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
LARGE = 16_000_000  # pixels; images above it are decoded one at a time, which bounds the memory

_one_large = threading.Lock()


@dataclass(frozen=True)
class _Header:
    """What an image file says of itself."""

    format: str | None
    size: tuple[int, int]  # (width, height) as stored
    kind: bytes  # of a PNG, bit depth and colour type
    orientation: int  # EXIF's

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) as viewers show it."""
        return self.size[::-1] if self.orientation in SIDEWAYS else self.size


def read_mask(example: Example) -> np.ndarray:
    """Reads or draws the mask of an example from an export that passed `read_export`.

    Returns:
        uint8 [H, W] class ids, as high and wide as `decode_photo` gives the photo, and `VOID` where
        nobody labelled it. A palette PNG gives its indices, never its colours.

    Raises:
        UserError: the mask is truncated or damaged.
    """
    mask = _stored_mask(example)
    if example.ignore is not None:
        mask = np.where(mask == example.ignore, np.uint8(VOID), mask)
    turn = UPRIGHT.get(example.mask_orientation)
    return mask if turn is None else np.array(Image.fromarray(mask).transpose(turn))


def _stored_mask(example: Example) -> np.ndarray:
    if isinstance(example.mask, Outlines):
        return rasterise(example.mask)
    return np.asarray(_decode(example.mask), np.uint8)


def check_headers(
    splits: Mapping[str, Sequence[Example]],
) -> tuple[dict[str, tuple[Example, ...]], list[str]]:
    """Compares formats and sizes of images and masks, and decodes only what seems odd.

    For a photo that nobody annotated, Roboflow writes an empty mask in the size of the upload
    though it has resized the photo. Such a mask is replaced by one of the photo's size.

    A mask may lie on a photo as viewers show it or on the picture as stored, which the photo's EXIF
    orientation then turns. Its size tells which, and `Example.mask_orientation` records it.

    Returns:
        The examples, and the names of the masks that were replaced.

    Raises:
        UserError: a file is no image at all, an image is neither JPEG nor PNG, a mask does not hold
            ids, a mask's size (or the size that the annotations name) is not its image's, or it
            does not tell whether the mask is to be turned.
    """
    checked = check_each(_check_header, splits)
    replaced = [
        shown(before.mask)
        for split, examples in splits.items()
        for before, after in zip(examples, checked[split], strict=True)
        if isinstance(before.mask, Path) and before.mask != after.mask
    ]
    return {split: tuple(examples) for split, examples in checked.items()}, replaced


def check_pixels(export: Export) -> dict[str, np.ndarray]:
    """Decodes every image and mask once.

    Returns:
        For each split, int64 [n_classes]: the pixels of each class; those of `VOID` are left out.

    Raises:
        UserError: a file is truncated or damaged, a mask holds an id that the class list does not,
            or the training masks hold background only.
    """
    count = partial(_count_pixels, n_classes=len(export.class_names))
    counts = {
        split: np.stack(per_image).sum(axis=0)
        for split, per_image in check_each(count, export.splits).items()
    }
    if len(counts) > 1 and not counts["train"][1:].any():  # one alone is only scored
        raise UserError(
            f"The {len(export.splits['train'])} training masks hold no class but background, so "
            "there is nothing to learn; annotate the photos in Roboflow and export them again."
        )
    return counts


def middle_aspect(export: Export) -> float:
    """Width over height half-way (in logarithms) between the narrowest and the widest photos.

    The frame of this shape wastes least on the photo that fits it worst: photos of one shape fill
    it, and portraits together with landscapes give about 1, whichever are more. The twentieth that
    is narrowest and the one that is widest are left out, so that an odd photo among 20 or more does
    not decide.

    Args:
        export: that passed `read_export`.

    Returns:
        0.1 to 10, of the upright photos, rounded to four digits.
    """
    logs = [
        math.log(width / height)
        for examples in export.splits.values()
        for width, height in (_read_header(example.image_path).upright for example in examples)
    ]
    middle = math.exp(np.quantile(logs, (0.05, 0.95)).mean())
    return round(min(max(middle, 0.1), 10.0), 4)


def _check_header(example: Example) -> Example:
    photo = _read_header(example.image_path)
    if photo.format not in ("JPEG", "MPO", "PNG"):  # MPO: a JPEG with a preview behind it
        raise BadFileError(NOT_PHOTO, f"{shown(example.image_path)} ({photo.format})")
    if isinstance(example.mask, Outlines):
        mask_size = example.mask.width, example.mask.height
    else:
        mask_size = _mask_size(example.mask)
    as_shown, as_stored = mask_size == photo.upright, mask_size == photo.size
    if as_shown and photo.orientation == 1:
        return example
    if (as_shown or as_stored or isinstance(example.mask, Path)) and _is_blank(example):
        width, height = photo.upright
        blank = Outlines(height=height, width=width, segments=())
        return example if as_shown else replace(example, mask=blank)
    if as_shown and as_stored:
        told = f"{shown(example.image_path)} (orientation {photo.orientation})"
        raise BadFileError(TURNED_OR_NOT, told)
    if as_shown:
        return example
    if as_stored:
        return replace(example, mask_orientation=photo.orientation)
    if isinstance(example.mask, Outlines):
        told = f"{shown(example.image_path)} ({_by(photo.size)}, listed as {_by(mask_size)})"
        raise BadFileError(LISTED_SIZE, told)
    told = f"{shown(example.mask)} ({_by(mask_size)}, image {_by(photo.size)})"
    raise BadFileError(MASK_SIZE, told)


def _is_blank(example: Example) -> bool:
    if isinstance(example.mask, Outlines):
        return not example.mask.segments
    return not _stored_mask(example).any()


def _mask_size(path: Path) -> tuple[int, int]:
    """(width, height) of a mask whose pixels are class ids."""
    mask = _read_header(path)
    if mask.format != "PNG":
        raise BadFileError(NOT_IDS, f"{shown(path)} ({mask.format})")
    # Pillow spreads 1-, 2- and 4-bit grey over 0 to 255, which would turn ids into grey levels.
    depth, colour = mask.kind
    if colour != 3 and (colour, depth) != (0, 8):
        raise BadFileError(NOT_IDS, f"{shown(path)} ({depth}-bit {PNG_COLOURS[colour]})")
    return mask.size


def _read_header(path: Path) -> _Header:
    with path.open("rb") as file:
        start = file.read(26)
        if start[1:4] == b"PNG" and not start.startswith(PNG_SIGNATURE):
            raise BadFileError(LINE_ENDS, shown(path))
        file.seek(0)
        try:
            with open_image(file) as image:
                if image.format == "PNG" and start[12:16] != b"IHDR":
                    raise OSError("another chunk is before the header")
                with _one_at_a_time(image):
                    turned = photo_orientation(image, path)
                return _Header(image.format, image.size, start[24:], turned)
        except UnreadableImageError as error:
            raise _bad_file(path, error) from error


def _count_pixels(example: Example, n_classes: int) -> np.ndarray:
    _decode(example.image_path)
    # np.bincount would take nine bytes for each pixel.
    counts = np.array(Image.fromarray(_stored_mask(example)).histogram())
    unlisted = [str(i) for i in np.flatnonzero(counts) if i >= n_classes and i != example.ignore]
    if unlisted and isinstance(example.mask, Path):
        raise BadFileError(UNLISTED_IDS, f"{shown(example.mask)} (id {listed(unlisted)})")
    return counts[:n_classes]


def _decode(path: Path) -> Image.Image:
    data = path.read_bytes()
    try:
        if data.startswith(PNG_SIGNATURE):
            # Pillow decodes PNGs with a wrong checksum or no end, which TensorFlow then refuses.
            with open_image(BytesIO(data)) as image:
                image.verify()
                if PNG_END not in data:
                    raise OSError("no IEND chunk")
        with open_image(BytesIO(data)) as image:
            with _one_at_a_time(image):
                image.load()
            return image
    except UnreadableImageError as error:
        raise _bad_file(path, error) from error


def _one_at_a_time(image: Image.Image) -> AbstractContextManager[object]:
    return _one_large if image.width * image.height > LARGE else nullcontext()


def _bad_file(path: Path, error: UnreadableImageError) -> BadFileError:
    if isinstance(error, LargeImageError):
        return BadFileError(TOO_LARGE, f"{shown(path)} ({error})")
    return BadFileError(UNREADABLE, shown(path))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
