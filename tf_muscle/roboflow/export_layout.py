"""Where the split folders of an export lie, in a folder or among the names in a zip."""

import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tf_muscle.errors import UserError, listed
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.roboflow.split_folder import (
    CLASS_LIST,
    COCO_FILE,
    EXPORT_AS,
    IMAGE_SUFFIXES,
    OTHER_SUFFIXES,
    split_of,
)

MAX_FOLDERS = 100_000  # that are searched, so that a home folder is not read to its end
ANNOTATIONS = (CLASS_LIST, COCO_FILE)


@dataclass(frozen=True)
class _SplitFolder:
    """A folder with a split's name."""

    parent: PurePosixPath  # from what the user gave
    annotated: bool  # it holds a class list or annotations
    photos: bool


def find_root(given: Path) -> Path:
    """Finds the folder that holds the split folders: the one given, or the only one below it.

    A folder with split folders inside an export is a part of that export, not another one.

    Raises:
        UserError: there is none, or more than one.
    """
    root = _only_root(list(_below(given)))
    if isinstance(root, PurePosixPath):
        return given / root
    if root:
        told = " or ".join(str(given / other) for other in root)
        raise UserError(f"{given} holds {len(root)} exports; give one of them, {told}.")
    if not any((given / file).is_file() for file in ANNOTATIONS):
        raise _no_export(given, sorted(path.name for path in given.iterdir()))
    fix = "move its files into a folder train inside it"
    if split_of(given.resolve().name):
        fix = f"give the folder above it, {given.resolve().parent}"
    raise UserError(f"No export found: {given} is itself a split; {fix}.")


def find_root_in_zip(names: Collection[PurePosixPath], path: Path) -> PurePosixPath:
    """As `find_root`, among the names of the files in the zip at `path`."""
    root = _only_root(
        [
            _SplitFolder(
                parent=PurePosixPath(*name.parts[:depth]),
                annotated=is_inside and name.name in ANNOTATIONS,
                photos=is_inside and _is_photo(name.name),
            )
            for name in names
            for depth, part in enumerate(name.parts[:-1])
            if split_of(part)
            for is_inside in [depth == len(name.parts) - 2]
        ]
    )
    if isinstance(root, PurePosixPath):
        return root
    if root:
        told = listed([str(other) for other in root])
        raise UserError(
            f"{path} holds {len(root)} exports, {told}; unpack it and give the folder of one of "
            "them."
        )
    if not any(str(name) in ANNOTATIONS for name in names):
        raise _no_export(path, sorted(names))
    raise UserError(
        f"No export found: {path} holds the files of one split without their folder; unpack it "
        "into a folder train, and give the folder above that."
    )


def split_folders(root: Path) -> dict[str, Path]:
    """Finds the split folders of an export under any of their names, in the order of `SPLITS`.

    Raises:
        UserError: two folders stand for one split.
    """
    names = sorted(path.name for path in root.iterdir() if split_of(path.name) and path.is_dir())
    return {split: root / name for split, name in name_splits(names).items()}


def name_splits(names: Iterable[str]) -> dict[str, str]:
    """The folder of each split, in the order of `SPLITS`, among names of split folders.

    Raises:
        UserError: two folders stand for one split.
    """
    found: dict[str, str] = {}
    for name in sorted(names):
        split = split_of(name)
        if split is None:
            continue
        if split in found:
            raise UserError(
                f"The folders {found[split]} and {name} both stand for the split {split}; merge "
                "them, or move one of them out of the export."
            )
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}


def check_photos(folders: Sequence[Path]) -> None:
    """Looks for split folders without a photo; annotations may name photos that lie deeper.

    Raises:
        UserError: there are some; where their photos lie deeper, that place is named.
    """
    bare = [
        folder
        for folder in folders
        if not (folder / COCO_FILE).is_file() and not any(map(_is_image, _names(folder)))
    ]
    if not bare:
        return
    told = listed([folder.name for folder in bare])
    deeper = [
        below.relative_to(folder.parent).as_posix()
        for folder in bare
        for below, _, files in _walk(folder)
        if any(map(_is_image, files))
    ]
    if deeper:
        raise UserError(
            f"A split with no photo directly in it: {told}; photos and masks lie in "
            f"{listed(deeper)}, so move them up into the split's folder, beside its {CLASS_LIST}."
        )
    raise UserError(
        f"A split with no example: {told}; remove the folder to have photos held out from train, "
        "or export from Roboflow again with photos in it."
    )


def other_files(folders: Sequence[Path], used: Collection[Path]) -> list[str]:
    """Counts the files of split folders that nothing is read from: "2 .mp4", "1 without suffix".

    Args:
        folders: of the splits.
        used: the photos of the splits.
    """
    counts = Counter(
        Path(name).suffix or "without suffix"
        for folder in folders
        for name in _names(folder)
        if folder / name not in used
        and name not in ANNOTATIONS
        and not name.startswith((".", "README"))
        and not name.lower().endswith(IMAGE_SUFFIXES)
    )
    return [f"{count} {name}" for name, count in sorted(counts.items())]


def passed_over(root: Path, used: Collection[Path]) -> dict[str, int]:
    """Counts the photos of an export that belong to no split, by folder.

    Args:
        root: folder of the unpacked export.
        used: the photos and masks of its splits.

    Returns:
        Folder, relative to the root, -> photos in it; "." for the root itself.
    """
    splits = split_folders(root).values()
    counts = {}
    for folder, _, files in _walk(root):
        photos = [name for name in files if _is_photo(name) and folder / name not in used]
        if photos and folder not in splits:
            counts[folder.relative_to(root).as_posix()] = len(photos)
    return counts


def _below(given: Path) -> Iterator[_SplitFolder]:
    for folder, names, _ in itertools.islice(_walk(given), MAX_FOLDERS):
        found = [
            _SplitFolder(
                parent=PurePosixPath(folder.relative_to(given).as_posix()),
                annotated=any((folder / name / file).is_file() for file in ANNOTATIONS),
                photos=any(_is_photo(path.name) for path in _entries(folder / name)),
            )
            for name in names
            if split_of(name)
        ]
        yield from found
        if any(one.annotated or one.photos for one in found):
            names.clear()  # what lies deeper is a part of this export


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """os.walk without hidden folders and what macOS adds to zips; links are not followed."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith((".", "__MACOSX")))
        yield Path(folder), names, files


def _entries(folder: Path) -> Iterator[Path]:
    with suppress(OSError):  # a folder of somebody else's, below what the user gave
        yield from folder.iterdir()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


def _is_image(name: str) -> bool:
    return name.lower().endswith((*IMAGE_SUFFIXES, *OTHER_SUFFIXES)) and not name.startswith(".")


def _is_photo(name: str) -> bool:
    return _is_image(name) and not name.lower().endswith("_mask.png")


def _only_root(found: Sequence[_SplitFolder]) -> PurePosixPath | list[PurePosixPath]:
    """The root, or all that could be it."""
    likely = [one for one in found if one.annotated or one.photos] or found
    parents = {one.parent for one in likely}
    roots = {parent for parent in parents if not parents & set(parent.parents)}
    if len(roots) > 1:
        roots = roots & {one.parent for one in likely if one.annotated}
    return roots.pop() if len(roots) == 1 else sorted(roots)


def _no_export(given: Path, inside: Sequence[object] = ()) -> UserError:
    zips = [name for name in map(str, inside) if name.lower().endswith(".zip")]
    if zips:
        return UserError(
            f"No export found: {given} holds {listed(zips)} and no split folder; "
            f"{'give' if given.is_dir() else 'unpack it and give'} the .zip of the export itself."
        )
    return UserError(
        f"No export found: {given} has none of the folders {listed(SPLITS)}, nor has a folder in "
        f"it; {EXPORT_AS}."
    )
