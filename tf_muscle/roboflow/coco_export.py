"""Roboflow's "COCO Segmentation": the outlines of each split's images in _annotations.coco.json.

The format: https://cocodataset.org/#format-data. Roboflow's placeholder category 0 carries the
project's name and has no annotation.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_muscle.errors import UserError, listed, shortened
from tf_muscle.roboflow.coco_names import FoundFiles, find_files
from tf_muscle.roboflow.outlines import fault
from tf_muscle.roboflow.records import VOID, Example, Outlines, Segment
from tf_muscle.roboflow.split_folder import (
    COCO_FILE,
    check_class_names,
    check_same_classes,
    image_files,
    shown,
    source_name,
)

OUTSIDE_FIX = "put them beside it and name them without folders,"
EXPORT_AGAIN = 'export it from Roboflow as "COCO Segmentation" again'
MAX_BYTES = 500_000_000  # COCO's 118,000 photos take 450 million; read, up to 25 times as much
MAX_DRAWN = 10_000_000_000  # regions of an image times its pixels; drawn in some three seconds
# A whole number that a tool has written as 1.0 or "1"; "01" may be another name than "1".
WHOLE = re.compile(r"(-?(?:0|[1-9]\d{0,17}))(?:\.0+)?")
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "categories": {"id": (int,), "name": (str,)},
    "images": {"id": (int, str), "file_name": (str,), "width": (int,), "height": (int,)},
    "annotations": {"image_id": (int, str), "category_id": (int,)},
}


@dataclass(frozen=True)
class Annotations:
    """One split's file: the three lists of COCO, their fields checked, numbers as int."""

    path: Path
    document: dict[str, Any]  # all of the file, with the lists below
    categories: list[dict[str, Any]]
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]


def read_splits(
    folders: list[Path], ignore: int | None = None
) -> tuple[tuple[str, ...], dict[str, tuple[Example, ...]]]:
    """Reads the classes, and the outlines of each split folder's images.

    Args:
        folders: one folder for each split.
        ignore: id of the category whose regions nobody labelled: they are `VOID`, and it is none of
            the classes.

    Returns:
        The class names, which start with "background", and each split's examples by file name.

    Raises:
        UserError: an annotation file is missing or unusable, the splits' categories differ, an
            image and its entry are not both there, or an annotation has no outline to draw.
    """
    files = [folder / COCO_FILE for folder in folders]
    missing = [shown(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(
            f"Annotations that are missing while other splits have them: {listed(missing)}; "
            f"{EXPORT_AGAIN}."
        )
    annotated = [read_annotations(path) for path in files]
    class_names, class_ids = _classes(annotated, ignore)
    photos = _photos(annotated)
    _check_segmentations(annotated)
    return class_names, {
        file.path.parent.name: _examples(file, class_ids, photos[file.path]) for file in annotated
    }


def read_annotations(path: Path) -> Annotations:
    """Reads one split's file.

    Raises:
        UserError: it is no COCO file, a field is missing or of another type, or an id or file name
            is there twice.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UserError(
            f"{shown(path)} has more than {MAX_BYTES:,} bytes; {EXPORT_AGAIN} in several versions."
        )
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)} is not valid JSON ({error}); {EXPORT_AGAIN}.") from error
    lists = {}
    for key, fields in FIELDS.items():
        entries = document.get(key) if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise UserError(f'{shown(path)} has no list "{key}", as COCO has; {EXPORT_AGAIN}.')
        for number, entry in enumerate(entries):
            for field, types in fields.items():
                value = entry.get(field) if isinstance(entry, dict) else None
                if int in types:
                    value = _whole(value)
                if not isinstance(value, types) or isinstance(value, bool):
                    told = json.dumps(value) if not isinstance(value, list | dict) else "a list"
                    raise UserError(
                        f'{shown(path)} has "{field}": {shortened(told)} in entry {number} of '
                        f'"{key}" in place of {" or ".join(t.__name__ for t in types)}; '
                        f"{EXPORT_AGAIN}."
                    )
                entry[field] = value
        lists[key] = entries
    file = Annotations(path, document, **lists)
    _check_unique(file)
    return file


def _whole(value: object) -> object:
    """1 for 1.0 and "1"; what is no whole number stays as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    match = WHOLE.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else value


def _check_unique(file: Annotations) -> None:
    for kind, entries, field in (
        ("category", file.categories, "id"),
        ("image", file.images, "id"),
        ("image", file.images, "file_name"),
    ):
        counts = Counter(entry[field] for entry in entries)
        repeated = [value for value, count in counts.items() if count > 1]
        if repeated:
            raise UserError(
                f"{shown(file.path)} gives the same {field} to more than one {kind} "
                f"({listed(repeated)}); {EXPORT_AGAIN}."
            )


def _classes(
    files: list[Annotations], ignore: int | None
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Numbers the categories of all splits: class names, and category id -> class_id."""
    by_file = {
        f.path: {e["id"]: unicodedata.normalize("NFC", e["name"].strip()) for e in f.categories}
        for f in files
    }
    check_same_classes(by_file)
    categories = by_file[files[0].path]
    for file in files:
        unknown = {entry["category_id"] for entry in file.annotations} - {*categories, ignore}
        if unknown:
            raise UserError(
                f"{shown(file.path)} annotates category ids that it does not list "
                f"({listed(sorted(unknown))}); {EXPORT_AGAIN}, or leave the regions of one id that "
                "nobody labelled out of training and scores by --ignore, such as --ignore 255."
            )
    used = {entry["category_id"] for file in files for entry in file.annotations}
    if ignore is not None and ignore not in used | categories.keys():
        raise UserError(
            f"--ignore {ignore} is the id of no category in {shown(files[0].path)}, which lists "
            f"{listed(sorted(categories))}; give the id of one whose regions nobody labelled, or "
            "leave --ignore out."
        )
    class_names, class_ids = ["background"], {} if ignore is None else {ignore: VOID}
    for category_id, name in sorted(categories.items()):
        if category_id == ignore:
            continue
        if name.lower() == "background":
            class_ids[category_id] = 0
        elif category_id != 0 or category_id in used:
            class_ids[category_id] = len(class_names)
            class_names.append(name)
    check_class_names(files[0].path, class_names)
    return tuple(class_names), class_ids


def photo_paths(file: Annotations) -> dict[str, Path]:
    """The photo of each entry that has one, by its file_name; see `coco_names`."""
    folder = file.path.parent
    return {
        name: folder / found for name, found in _found(file, _files_below(folder)).files.items()
    }


def _found(file: Annotations, below: Sequence[str]) -> FoundFiles:
    return find_files([entry["file_name"] for entry in file.images], below)


def _files_below(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [
        path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)
    ]


def _photos(files: list[Annotations]) -> dict[Path, dict[str, Path]]:
    """The photo of every entry, by file and file_name; no photo without entry, and none twice."""
    on_disk = image_files([file.path.parent for file in files])
    photos: dict[Path, dict[str, Path]] = {}
    absent: list[str] = []
    outside: list[str] = []
    ambiguous: list[str] = []
    twice: list[str] = []
    unlisted: list[str] = []
    for file in files:
        folder = file.path.parent
        found = _found(file, _files_below(folder))
        photos[file.path] = {name: folder / photo for name, photo in found.files.items()}
        absent += [f"{folder.name}/{name}" for name in sorted(found.absent)]
        outside += [f"{folder.name}/{name}" for name in sorted(found.outside)]
        ambiguous += [
            f"{folder.name}/{name} ({' or '.join(fitting)})"
            for name, fitting in found.ambiguous.items()
        ]
        counts = Counter(found.files.values())
        twice += [f"{folder.name}/{photo}" for photo, count in counts.items() if count > 1]
        known = {*found.files.values(), *(f for fs in found.ambiguous.values() for f in fs)}
        unlisted += [shown(path) for path in on_disk[folder] if path.name not in known]
        ids = {entry["id"] for entry in file.images}
        orphans = [e["image_id"] for e in file.annotations if e["image_id"] not in ids]
        if orphans:
            raise UserError(
                f"{shown(file.path)} annotates image ids that it does not list "
                f"({listed(list(dict.fromkeys(orphans)))}); {EXPORT_AGAIN}."
            )
    for names, told, fix in (
        (outside, f"whose names in {COCO_FILE} lead out of its folder", OUTSIDE_FIX),
        (absent, f"that {COCO_FILE} lists but that are not beside it", "put them there"),
        (ambiguous, f"whose names in {COCO_FILE} fit several files", "name one of these there"),
        (twice, f"that two entries of {COCO_FILE} beside them lead to", "remove one entry"),
        (unlisted, f"without an entry in {COCO_FILE} beside them", "remove them"),
    ):
        if names:
            raise UserError(
                f"Images {told} ({len(names)}): {listed(names)}; {fix} or {EXPORT_AGAIN}."
            )
    return photos


def _check_segmentations(files: list[Annotations]) -> None:
    boxes: list[str] = []  # the image of each annotation that has no outline
    faulty: list[str] = []
    for file in files:
        images = {entry["id"]: entry for entry in file.images}
        regions = Counter(annotation["image_id"] for annotation in file.annotations)
        for image_id, count in regions.items():
            image = images[image_id]
            if count * image["height"] * image["width"] > MAX_DRAWN:
                faulty.append(f"{file.path.parent.name}/{image['file_name']} ({count} outlines)")
        for annotation in file.annotations:
            image = images[annotation["image_id"]]
            name = f"{file.path.parent.name}/{image['file_name']}"
            segmentation = annotation.get("segmentation")
            if not segmentation:
                boxes.append(name)
            elif reason := fault(segmentation, image["height"], image["width"]):
                faulty.append(f"{name} ({reason})")
    names = list(dict.fromkeys(boxes))
    if boxes and len(boxes) == sum(len(file.annotations) for file in files):
        raise UserError(
            f"Boxes only and no outline in {listed([shown(file.path) for file in files])} "
            f"({len(names)} images with boxes); annotate with polygons or masks in Roboflow and "
            'export as "COCO Segmentation".'
        )
    if boxes:
        raise UserError(
            f"Images with a box that has no outline ({len(names)}): {listed(names)}; draw the "
            f"outlines in Roboflow and {EXPORT_AGAIN}."
        )
    if faulty:
        raise UserError(
            f"Outlines that cannot be drawn ({len(faulty)}): {listed(faulty)}; mend them in "
            f"Roboflow and {EXPORT_AGAIN}."
        )


def _examples(
    file: Annotations, class_ids: dict[int, int], photos: dict[str, Path]
) -> tuple[Example, ...]:
    segments = defaultdict(list)
    for annotation in file.annotations:
        class_id = class_ids[annotation["category_id"]]
        segments[annotation["image_id"]].append(Segment(class_id, annotation["segmentation"]))
    examples = []
    for image in file.images:
        path = photos[image["file_name"]]
        name = path.relative_to(file.path.parent).as_posix()
        outlines = Outlines(image["height"], image["width"], tuple(segments[image["id"]]))
        examples.append(Example(name, source_name(name), path, outlines))
    return tuple(sorted(examples, key=lambda example: example.file_name))
