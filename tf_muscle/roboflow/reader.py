"""Reads a Roboflow export: opened, checked, split, and described for whoever trains on it.

    export = read_export("muscles.v3.zip")
    pixel_counts = check_pixels(export)
    for example in export.splits["train"]:
        mask = read_mask(example)

"Semantic Segmentation Masks" and "COCO Segmentation" are read, told apart by what lies in the split
folders. Nothing here imports TensorFlow.
"""

import atexit
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from tf_muscle.errors import UserError, between, listed, printable
from tf_muscle.roboflow import coco_export, mask_export
from tf_muscle.roboflow.archive import export_path, fingerprint, open_export
from tf_muscle.roboflow.export_layout import (
    check_photos,
    other_files,
    passed_over,
    split_folders,
)
from tf_muscle.roboflow.pixels import check_headers, check_pixels, middle_aspect, read_mask
from tf_muscle.roboflow.readme import README, read_baked_augmentation, read_stretched
from tf_muscle.roboflow.records import ALL, SPLITS, VOID, Example, Export, Note
from tf_muscle.roboflow.split_folder import CLASS_LIST, COCO_FILE, EXPORT_AS, shown, split_of
from tf_muscle.roboflow.splitting import (
    hold_out,
    hold_out_note,
    leaking_frames,
    shared_sources,
)

__all__ = [
    "SPLITS",
    "Example",
    "Export",
    "check_pixels",
    "fingerprint",
    "middle_aspect",
    "open_export",
    "read_export",
    "read_mask",
]


def read_export(
    path: str | os.PathLike[str],
    *,
    split_seed: int = 0,
    allow_leakage: bool = False,
    ignore: int | None = None,
    split: str | None = None,
) -> Export:
    """Reads a Roboflow export and makes every check that needs no pixels.

    A .zip is unpacked into a temporary folder that stays until Python ends; `open_export` unpacks
    it for the time of a `with` block.

    Args:
        path: the folder or the .zip that Roboflow served, or "sample" for the bundled photos.
        split_seed: int, for valid and test where Roboflow made no split; 10 percent of the photos
            each.
        allow_leakage: bool, go on although copies of one photo are in two splits.
        ignore: int, 1 to 255, the value of mask pixels that nobody labelled, or the id of the COCO
            category that marks them; `read_mask` gives `VOID` there.
        split: "train", "valid" or "test": read this split's folder alone, whole, as a score of it
            needs no other. "all": read the folders that there are, as they are, for whoever divides
            the photos anew; a photo may be in two of them. By default all are read, and missing
            ones held out from train.

    Returns:
        `Export`: class names, and the examples of each split with the paths of photo and mask.

    Raises:
        UserError: there is no export, or it is of another kind, incomplete or inconsistent.

    Examples:
        >>> import tf_muscle
        >>> export = tf_muscle.read_export("muscles.zip")
        >>> export.class_names
        ('background', 'biceps', 'triceps', 'calf')
        >>> {split: len(examples) for split, examples in export.splits.items()}
        {'train': 12, 'valid': 4, 'test': 4}
        >>> example = export.splits["train"][0]
        >>> example.image_path.is_file()
        True
    """
    with ExitStack() as opened:
        root = opened.enter_context(open_export(export_path(path)))
        export = _read(root, split_seed, allow_leakage, ignore, split)
        atexit.register(opened.pop_all().close)
    return export


def _read(
    root: Path, split_seed: int, allow_leakage: bool, ignore: int | None, split: str | None
) -> Export:
    folders = split_folders(root)
    if split not in (None, ALL):
        if split not in folders:
            present = listed([folder.name for folder in folders.values()])
            raise UserError(
                f"{root.resolve().name} has no {split} folder, only {present}; ask for one of "
                "these."
            )
        folders = {split: folders[split]}
    _check_links(root, list(folders.values()))
    export_format = _recognise(list(folders.values()))
    check_photos(list(folders.values()))
    reader = mask_export if export_format == "masks" else coco_export
    if ignore is not None:
        between("ignore", ignore, 1, VOID)
    class_names, by_folder = reader.read_splits(list(folders.values()), ignore)
    _check_contents(class_names, by_folder, needs_train=split in (None, ALL))
    splits = {name: by_folder[folder.name] for name, folder in folders.items()}
    splits, blank = check_headers(splits)
    notes = [] if split == ALL else _leakage_notes(splits, allow_leakage)
    if blank:
        text = (
            f"Masks without annotation and of another size than their image ({len(blank)}), as "
            f"Roboflow writes them for photos that nobody annotated: {listed(blank)}; they are "
            "read as background."
        )
        notes.append(Note("blank_masks", text))
    notes += _turned_notes(splits)
    if ignore is not None:
        ignored = "mask pixels of that value" if export_format == "masks" else "regions of that id"
        text = f"Left out of the loss and of every score by --ignore {ignore}: {ignored}."
        notes.append(Note("ignored", text))
    video_notes = [] if split == ALL else _video_notes(splits)
    if split in (None, ALL):
        notes += _passed_over_notes(root, folders, splits)
    if split is None:
        splits, told = _with_missing_splits(splits, split_seed)
        notes += told
    baked_augmentation, quoted = read_baked_augmentation(root)
    notes += [Note("readme", text) for text in quoted] + video_notes
    return Export(
        root=root,
        format=export_format,
        class_names=class_names,
        splits=splits,
        baked_augmentation=baked_augmentation,
        stretched=read_stretched(root),
        notes=tuple(Note(note.kind, printable(note.text)) for note in notes),
    )


def _with_missing_splits(
    splits: dict[str, tuple[Example, ...]], seed: int
) -> tuple[dict[str, tuple[Example, ...]], list[Note]]:
    missing = [split for split in SPLITS if split not in splits]
    if not missing:
        return splits, []
    filled = splits | hold_out(splits["train"], missing, seed)
    filled = {split: filled[split] for split in SPLITS}
    sizes = ", ".join(f"{len(filled[split])} {split}" for split in SPLITS)
    told = hold_out_note(splits["train"], filled, missing)
    text = (
        f"The export has no {' and no '.join(missing)} folder: {told} by a hash with seed {seed} "
        f"({sizes} images)."
    )
    return filled, [Note("held_out", text)]


def _video_notes(splits: dict[str, tuple[Example, ...]]) -> list[Note]:
    leaking = leaking_frames(splits)
    if not leaking:
        return []
    text = (
        "Photos of valid and test with a neighbouring frame of the same video in another split "
        f"({len(leaking)}): {listed(leaking)}; scores of them are too good, and "
        "`python -m tf_muscle.inspect` with --resplit writes a copy in which frames stay together."
    )
    return [Note("frames", text)]


def _passed_over_notes(
    root: Path, folders: dict[str, Path], splits: dict[str, tuple[Example, ...]]
) -> list[Note]:
    used = {example.image_path for examples in splits.values() for example in examples}
    notes = []
    if others := other_files(list(folders.values()), used):
        text = (
            f"Files in the folders {listed(list(folders))} that are no photos are passed over: "
            f"{listed(others)}."
        )
        notes.append(Note("passed_over", text))
    counts = passed_over(root, used)
    if not counts:
        return notes
    named = [
        f"{'beside the split folders' if folder == '.' else folder} ({count})"
        for folder, count in counts.items()
    ]
    text = (
        f"Photos that do not belong to a split are passed over: {listed(named)}; move them into "
        f"one of the folders {listed(SPLITS)}, with their annotations, if they belong to the data "
        "set."
    )
    return [*notes, Note("passed_over", text)]


def _check_links(root: Path, folders: list[Path]) -> None:
    """What leads out of an export may be a private photo, which training would take along."""
    home = os.path.realpath(root)
    files = (path for folder in folders for path in folder.rglob("*"))
    outside = [
        path.relative_to(root).as_posix()
        for path in (root / README, *folders, *files)
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home)
    ]
    if outside:
        raise UserError(
            f"Symbolic links that lead out of the export ({len(outside)}): {listed(outside)}; put "
            "the files in their place if you trust them."
        )


def _recognise(folders: list[Path]) -> Literal["masks", "coco"]:
    masks = [folder for folder in folders if (folder / CLASS_LIST).is_file()]
    coco = [folder for folder in folders if (folder / COCO_FILE).is_file()]
    if masks and coco:
        raise UserError(
            f"Two kinds of export are mixed: {masks[0].name}/{CLASS_LIST} and "
            f"{coco[0].name}/{COCO_FILE}; keep one of them, or {EXPORT_AS} into an empty folder."
        )
    if not masks and not coco:
        raise UserError(
            f"No export found: {listed([folder.name for folder in folders])} of "
            f"{folders[0].resolve().parent.name} hold neither {CLASS_LIST} nor {COCO_FILE}; "
            f"{EXPORT_AS}."
        )
    return "masks" if masks else "coco"


def _check_contents(
    class_names: tuple[str, ...], splits: dict[str, tuple[Example, ...]], *, needs_train: bool
) -> None:
    """`splits` by the names of their folders."""
    empty = [split for split, examples in splits.items() if not examples]
    if empty:
        raise UserError(
            f"A split with no example: {listed(empty)}; remove the folder to have photos held out "
            "from train, or export from Roboflow again with photos in it."
        )
    if needs_train and "train" not in map(split_of, splits):
        raise UserError(
            f"The folder train is missing beside {listed(list(splits))}; export from Roboflow "
            "again with photos in the training set."
        )
    if len(class_names) == 1:
        raise UserError(
            f"The {listed(list(splits))} folders list no class but background; add classes in "
            "Roboflow, annotate the photos and export them again."
        )


def _leakage_notes(splits: dict[str, tuple[Example, ...]], allow_leakage: bool) -> list[Note]:
    shared = shared_sources(splits)
    if not shared:
        return []
    named = listed([f"{source} ({', '.join(names)})" for source, names in shared.items()])
    found = f"Source photos in more than one split ({len(shared)}): {named}"
    if not allow_leakage:
        raise UserError(
            f"{found}; scores on photos that were trained on are too high, so split the data set "
            "in Roboflow before augmenting it, or go on with --allow_leakage if these are "
            "different photos of one name."
        )
    return [Note("leakage", f"{found}; allowed by --allow_leakage, so scores may be too high.")]


def _turned_notes(splits: dict[str, tuple[Example, ...]]) -> list[Note]:
    turned = [
        shown(example.image_path)
        for examples in splits.values()
        for example in examples
        if example.mask_orientation != 1
    ]
    if not turned:
        return []
    text = (
        f"Photos that viewers turn by their EXIF orientation, with masks that fit them as stored "
        f"({len(turned)}): {listed(turned)}; the masks are turned with them."
    )
    return [Note("turned", text)]
