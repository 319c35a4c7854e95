"""Roboflow's "Semantic Segmentation Masks": X.jpg beside X_mask.png, classes in _classes.csv."""

import csv
from pathlib import Path

from tf_muscle.data.records import Example
from tf_muscle.data.split_folder import (
    CLASS_LIST,
    EXPORT_AS,
    check_class_names,
    check_same_classes,
    image_files,
    shown,
    source_name,
)
from tf_muscle.errors import UserError, listed, shortened

HEADER = ["pixel value", "class"]
MAX_BYTES = 1_000_000  # of a class list; Roboflow writes a few hundred
EXPORT_AGAIN = 'export it from Roboflow as "Semantic Segmentation Masks" again'


def read_splits(folders: list[Path]) -> tuple[tuple[str, ...], dict[str, tuple[Example, ...]]]:
    """Reads the class list and pairs the images and masks of each split folder.

    Returns:
        The class names, which start with "background", and each split's examples by file name.

    Raises:
        UserError: a class list is missing or unusable or differs between splits, or an image and
            its mask are not both there.
    """
    paths = [folder / CLASS_LIST for folder in folders]
    missing = [shown(path) for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"Class lists that are missing while other splits have one: {listed(missing)}; "
            f"{EXPORT_AGAIN}."
        )
    class_lists = {path: read_class_list(path) for path in paths}
    check_same_classes({path: dict(enumerate(names)) for path, names in class_lists.items()})
    return class_lists[paths[0]], _pair(folders)


def read_class_list(path: Path) -> tuple[str, ...]:
    """Reads a _classes.csv with the header "Pixel Value, Class".

    Returns:
        The class names by class_id.

    Raises:
        UserError: it is Roboflow's multi-label list, or its ids are not 0, 1, 2, ... with
            background first, or names are missing or repeated.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{shown(path)} has more than {MAX_BYTES:,} bytes; {EXPORT_AGAIN}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [
                [cell.strip() for cell in row]
                for row in csv.reader(file, skipinitialspace=True)
                if row
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{shown(path)} is not a text table ({error}); {EXPORT_AGAIN}.") from error
    header = rows[0] if rows else []
    if header and header[0].lower() == "filename":
        raise UserError(
            f'{shown(path)} is a multi-label class list ("{listed(header)}"), which tells what is '
            f"in a photo but not where; {EXPORT_AS}."
        )
    if [cell.lower() for cell in header] != HEADER:
        raise UserError(
            f'{shown(path)} starts with "{listed(header)}" in place of "Pixel Value, Class"; '
            f"{EXPORT_AGAIN}."
        )
    ids = [row[0] for row in rows[1:]]
    names = {row[0]: ", ".join(row[1:]) for row in rows[1:]}  # a name may contain a comma
    wanted = [str(class_id) for class_id in range(len(ids))]
    if not ids or len(ids) > 256 or sorted(ids, key=lambda i: (len(i), i)) != wanted:
        raise UserError(
            f"{shown(path)} has the ids {listed(ids) or 'of no class'} in place of 0, 1, 2 "
            f"and so on, each once and up to 255; {EXPORT_AGAIN}."
        )
    class_names = tuple(names[class_id] for class_id in wanted)
    if class_names[0].lower() != "background":
        raise UserError(
            f'{shown(path)} calls class 0 "{shortened(class_names[0])}", but class 0 is '
            "scored as background; rename it to background if that is what it marks, else move it "
            "to an id of its own."
        )
    check_class_names(path, class_names)
    return ("background", *class_names[1:])


def _pair(folders: list[Path]) -> dict[str, tuple[Example, ...]]:
    splits = {}
    bare: list[str] = []  # images without a mask
    stray: list[str] = []  # masks without an image
    for folder, files in image_files(folders).items():
        masks = {path.stem.removesuffix("_mask"): path for path in files if _is_mask(path)}
        images = [path for path in files if not _is_mask(path)]
        bare += [shown(path) for path in images if path.stem not in masks]
        stems = {path.stem for path in images}
        stray += [shown(path) for stem, path in masks.items() if stem not in stems]
        splits[folder.name] = tuple(
            Example(path.name, source_name(path.name), path, masks[path.stem])
            for path in images
            if path.stem in masks
        )
    if bare:
        raise UserError(
            f"Images without their mask X_mask.png beside them ({len(bare)}): {listed(bare)}; add "
            f"the masks, remove the images, or {EXPORT_AGAIN}."
        )
    if stray:
        raise UserError(
            f"Masks without their image beside them ({len(stray)}): {listed(stray)}; add the "
            f"images, remove the masks, or {EXPORT_AGAIN}."
        )
    return splits


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() == ".png" and path.stem.endswith("_mask")
