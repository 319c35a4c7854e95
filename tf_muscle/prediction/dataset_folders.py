"""Photos with their predicted masks in Roboflow's layouts, to be imported and corrected there."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from tf_muscle.prediction.file_kinds import content_of_bytes
from tf_muscle.roboflow.mask_export import write_class_list
from tf_muscle.roboflow.split_folder import CLASS_LIST, COCO_FILE
from tf_muscle.runs.folder import write_json

LONGEST_STEM = 200  # bytes; file systems take 255, and _mask.png and more comes behind it


class UniqueNames:
    """Gives each photo a name that no other output has, on file systems without case, too.

    Args:
        taken: names that are given already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {plain(name) for name in taken}

    def add(self, stem: str, longest: int = LONGEST_STEM) -> str:
        """The stem itself, or with _2, _3, ... behind it; never X_mask, the name of X's mask.

        A stem of more than `longest` bytes is cut off, and what is not UTF-8 in it replaced.
        """
        stem = stem.encode("utf-8", "surrogateescape")[:longest].decode("utf-8", "replace")
        name, number = stem, 1
        while plain(name) in self._taken or plain(name).endswith("_mask"):
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(plain(name))
        return name


def plain(name: str) -> str:
    """What file systems and `tf_muscle.roboflow.mask_export` take for the same name."""
    return unicodedata.normalize("NFC", name).lower()


class MaskFolder:
    """Roboflow's "Semantic Segmentation Masks": X.jpg, X_mask.png, and the names in _classes.csv.

    Args:
        folder: the folder of one split; must not exist.
        class_names: K names.
    """

    def __init__(self, folder: Path, class_names: tuple[str, ...]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        write_class_list(folder / CLASS_LIST, class_names)

    def add(
        self, name: str, image: np.ndarray, class_ids: np.ndarray, original: bytes | None = None
    ) -> None:
        """Writes a photo and its mask.

        Args:
            name: without suffix, of `UniqueNames`.
            image: RGB, uint8 [H, W, 3], as it is shown.
            class_ids: uint8 [H, W].
            original: the photo's file, see `photos.Photo`; it is copied in place of the image.
        """
        _write_photo(self.folder, name, image, original)
        Image.fromarray(class_ids).save(self.folder / f"{name}_mask.png")

    def close(self) -> None:
        """Everything is written already."""


class CocoFolder:
    """Roboflow's "COCO Segmentation": the photos, and their outlines in _annotations.coco.json.

    A muscle is one annotation, run-length encoded and so the very mask; category ids are class ids,
    and category 0 is a placeholder as in Roboflow's own exports.

    Args:
        folder: the folder of one split; must not exist.
        class_names: K names.
    """

    def __init__(self, folder: Path, class_names: tuple[str, ...]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._categories = [
            {"id": i, "name": name if i else "muscles", "supercategory": "muscles" if i else "none"}
            for i, name in enumerate(class_names)
        ]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(
        self, name: str, image: np.ndarray, class_ids: np.ndarray, original: bytes | None = None
    ) -> None:
        """Writes a photo and keeps its outlines; see `MaskFolder.add`."""
        file_name = _write_photo(self.folder, name, image, original)
        height, width = class_ids.shape
        image_id = len(self._images)
        self._images.append(
            {"id": image_id, "file_name": file_name, "width": width, "height": height}
        )
        for class_id in np.unique(class_ids[class_ids > 0]).tolist():
            region = coco_mask.encode(np.asfortranarray(class_ids == class_id, np.uint8))
            self._annotations.append(
                {
                    "id": len(self._annotations),
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": coco_mask.toBbox(region).tolist(),
                    "area": int(coco_mask.area(region)),
                    "segmentation": {
                        "size": [height, width],
                        "counts": region["counts"].decode("ascii"),
                    },
                    "iscrowd": 0,
                }
            )

    def close(self) -> None:
        """Writes the outlines."""
        document = {
            "categories": self._categories,
            "images": self._images,
            "annotations": self._annotations,
        }
        write_json(self.folder / COCO_FILE, document)


def join_outlines(documents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One COCO document of several, as if one `CocoFolder` had written them all.

    Args:
        documents: of the same classes, at least one.
    """
    joined: dict[str, Any] = {"categories": [], "images": [], "annotations": []}
    for document in documents:
        first_image, first_annotation = len(joined["images"]), len(joined["annotations"])
        joined["categories"] = document["categories"]
        joined["images"] += [
            image | {"id": image["id"] + first_image} for image in document["images"]
        ]
        joined["annotations"] += [
            one | {"id": one["id"] + first_annotation, "image_id": one["image_id"] + first_image}
            for one in document["annotations"]
        ]
    return joined


def _write_photo(folder: Path, name: str, image: np.ndarray, original: bytes | None) -> str:
    """Writes or copies a photo under a name; returns the file's name."""
    if original is None:
        file_name = f"{name}.jpg"
        Image.fromarray(image).save(folder / file_name, quality=95, subsampling=0)
    else:
        file_name = f"{name}{'.png' if content_of_bytes(original) == 'PNG' else '.jpg'}"
        (folder / file_name).write_bytes(original)
    return file_name
