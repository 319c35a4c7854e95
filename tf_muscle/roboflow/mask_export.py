"""Roboflow's "Semantic Segmentation Masks": X.jpg beside X_mask.png, classes in _classes.csv."""

import codecs
import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tf_muscle.errors import UserError, listed, shortened
from tf_muscle.roboflow.records import VOID, Example
from tf_muscle.roboflow.split_folder import (
    CLASS_LIST,
    EXPORT_AS,
    MAX_CLASSES,
    check_class_names,
    check_same_classes,
    image_files,
    shown,
    source_name,
)

HEADER = ("Pixel Value", "Class")
MAX_BYTES = 1_000_000  # of a class list; Roboflow writes a few hundred
EXPORT_AGAIN = 'export it from Roboflow as "Semantic Segmentation Masks" again'


def read_splits(
    folders: list[Path], ignore: int | None = None
) -> tuple[tuple[str, ...], dict[str, tuple[Example, ...]]]:
    """Reads the class list and pairs the images and masks of each split folder.

    Args:
        folders: one folder for each split.
        ignore: value of mask pixels that nobody labelled.

    Returns:
        The class names, which start with "background", and each split's examples by file name.

    Raises:
        UserError: a class list is missing or unusable, differs between splits or has `ignore` as
            a class, or an image and its mask are not both there, or two images share one.
    """
    paths = [folder / CLASS_LIST for folder in folders]
    missing = [shown(path) for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"Class lists that are missing while other splits have one: {listed(missing)}; "
            f"{EXPORT_AGAIN}."
        )
    class_lists = {path: read_class_list(path, ignore) for path in paths}
    check_same_classes({path: dict(enumerate(names)) for path, names in class_lists.items()})
    return class_lists[paths[0]], _pair(folders, ignore)


def write_class_list(path: Path, class_names: Iterable[str]) -> None:
    """Writes a _classes.csv as Roboflow does, and in quotes what could not be read back.

    Args:
        path: the _classes.csv.
        class_names: by class_id; blanks at their ends are lost.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        names = csv.writer(file, lineterminator="\n")
        file.write(", ".join(HEADER) + "\n")
        for class_id, name in enumerate(class_names):
            file.write(f"{class_id}, ")
            names.writerow([name])


def read_class_list(path: Path, ignore: int | None = None) -> tuple[str, ...]:
    """Reads a _classes.csv with the header "Pixel Value, Class", in UTF-8 or UTF-16.

    Args:
        path: the _classes.csv.
        ignore: value of mask pixels that nobody labelled; a row of it that stands apart from the
            classes 0, 1, 2, ... is left out.

    Returns:
        The class names by class_id, in NFC, without blanks at their ends.

    Raises:
        UserError: it is in another encoding or Roboflow's multi-label list, or its ids are not 0,
            1, 2, ... with background first, or names are missing or repeated.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{shown(path)} has more than {MAX_BYTES:,} bytes; {EXPORT_AGAIN}.")
    rows = _rows(path)
    header = rows[0] if rows else []
    if header and header[0].lower() == "filename":
        raise UserError(
            f'{shown(path)} is a multi-label class list ("{listed(header)}"), which tells what is '
            f"in a photo but not where; {EXPORT_AS}."
        )
    if [cell.lower() for cell in header] != [cell.lower() for cell in HEADER]:
        raise UserError(
            f'{shown(path)} starts with "{listed(header)}" in place of "{", ".join(HEADER)}"; '
            f"{EXPORT_AGAIN}."
        )
    ids = [row[0] for row in rows[1:]]
    names = {row[0]: ", ".join(row[1:]) for row in rows[1:]}  # Roboflow quotes no comma of a name
    if ignore is not None and ids.count(str(ignore)) == 1:
        if ignore < len(ids):
            raise UserError(
                f"--ignore {ignore} is the class {shortened(names[str(ignore)])} of {shown(path)}; "
                "give the value of pixels that nobody labelled, or leave --ignore out."
            )
        ids.remove(str(ignore))  # a name for the unlabelled pixels, such as 255, void
    wanted = [str(class_id) for class_id in range(len(ids))]
    if not ids or len(ids) > MAX_CLASSES or sorted(ids, key=lambda i: (len(i), i)) != wanted:
        fix = EXPORT_AGAIN
        if str(VOID) in ids:
            fix += f", or give --ignore {VOID} if that marks pixels that nobody labelled"
        raise UserError(
            f"{shown(path)} has the ids {listed(ids) or 'of no class'} in place of 0, 1, 2 "
            f"and so on, each once and up to {MAX_CLASSES - 1}; {fix}."
        )
    class_names = tuple(unicodedata.normalize("NFC", names[class_id]) for class_id in wanted)
    if class_names[0].lower() != "background":
        raise UserError(
            f'{shown(path)} calls class 0 "{shortened(class_names[0])}", but class 0 is '
            "scored as background; rename it to background if that is what it marks, else move it "
            "to an id of its own."
        )
    check_class_names(path, class_names)
    return ("background", *class_names[1:])


def _rows(path: Path) -> list[list[str]]:
    """The cells of a class list, without blanks around them, empty rows and empty last cells."""
    data = path.read_bytes()
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_utf_8(path) from error
    if "\0" in text:  # UTF-16 without the mark that tells so
        raise _no_utf_8(path)
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True):
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                rows.append(cells)
    except csv.Error as error:
        raise UserError(f"{shown(path)} is not a text table ({error}); {EXPORT_AGAIN}.") from error
    return rows


def _no_utf_8(path: Path) -> UserError:
    # Its bytes would be text in any of the old encodings, and other names in each of them.
    return UserError(
        f"{shown(path)} is not a text table in UTF-8; save it as UTF-8 in a text editor, or "
        f"{EXPORT_AGAIN}."
    )


def _pair(folders: list[Path], ignore: int | None) -> dict[str, tuple[Example, ...]]:
    splits = {}
    bare: list[str] = []  # images without a mask
    stray: list[str] = []  # masks without an image
    shared: list[str] = []  # files that claim one partner
    for folder, files in image_files(folders).items():
        images: dict[str, list[Path]] = defaultdict(list)
        masks: dict[str, list[Path]] = defaultdict(list)
        for path in files:
            (masks if is_mask(path) else images)[pairing_stem(path)].append(path)
        for paths in (*images.values(), *masks.values()):
            if len(paths) > 1:
                shared.append(" and ".join(map(shown, paths)))
        bare += [
            shown(path) for stem, paths in images.items() if stem not in masks for path in paths
        ]
        stray += [
            shown(path) for stem, paths in masks.items() if stem not in images for path in paths
        ]
        splits[folder.name] = tuple(
            Example(path.name, source_name(path.name), path, masks[stem][0], ignore=ignore)
            for stem, (path, *_) in images.items()
            if stem in masks
        )
    if shared:
        raise UserError(
            f"Images of one name but for the suffix that share one mask, or masks that share one "
            f"image ({len(shared)}): {listed(shared)}; keep one of them, or give each a name and a "
            "partner of its own."
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


def pairing_stem(path: Path) -> str:
    """What an image and its mask have in common; macOS may have decomposed the é of one of them."""
    stem = path.stem.removesuffix("_mask") if is_mask(path) else path.stem
    return unicodedata.normalize("NFC", stem)


def is_mask(path: Path) -> bool:
    """Whether a file has the name of a mask, X_mask.png."""
    return path.suffix.lower() == ".png" and path.stem.endswith("_mask")
