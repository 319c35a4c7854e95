"""Writes a copy of an export, or of a part of it, with another split: `--resplit`."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_muscle.atomic import replacing
from tf_muscle.inspection.project_name import DATASET_README
from tf_muscle.roboflow.coco_export import photo_paths, read_annotations
from tf_muscle.roboflow.export_layout import split_folders
from tf_muscle.roboflow.mask_export import is_mask, pairing_stem
from tf_muscle.roboflow.readme import README
from tf_muscle.roboflow.records import Export
from tf_muscle.roboflow.split_folder import CLASS_LIST, COCO_FILE


def write_resplit(folder: Path, export: Export, splits: Mapping[str, Sequence[Path]]) -> None:
    """Copies photos of an export with their annotation into a new folder, each into its new split.

    Files are copied byte by byte; only _annotations.coco.json is written anew, with its entries as
    they were but for their ids. A file whose name is taken in its new split gets the old split's
    name in front.

    Args:
        folder: to write, in one move; must not exist.
        export: the original, which stays as it is.
        splits: photos of the export by new split, at least one in each; others are left out.
    """
    with replacing(folder) as unfinished:
        for split, chosen in splits.items():
            (unfinished / split).mkdir(parents=True)
            new_names = _new_names(chosen)
            for path, name in new_names.items():
                shutil.copyfile(path, unfinished / split / name)
            if export.format == "masks":
                _copy_masks(new_names, unfinished / split)
            else:
                document = _annotations(new_names, export.root)
                text = json.dumps(document, ensure_ascii=False)
                (unfinished / split / COCO_FILE).write_text(text, encoding="utf-8")
        for name in (README, DATASET_README):
            if (export.root / name).is_file():
                shutil.copyfile(export.root / name, unfinished / name)


def _new_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each file, unique by its stem, since X.jpg and X.png would share X_mask.png."""
    names: dict[Path, str] = {}
    stems: set[str] = set()
    for path in paths:
        name = path.name
        while Path(name).stem in stems:
            name = f"{path.parent.name}_{name}"
        stems.add(Path(name).stem)
        names[path] = name
    return names


def _copy_masks(new_names: Mapping[Path, str], folder: Path) -> None:
    # Looked up, since a suffix may be .PNG, and Example.mask is no file where it was blank.
    masks = {
        (path.parent, pairing_stem(path)): path
        for parent in {path.parent for path in new_names}
        for path in sorted(parent.iterdir())
        if is_mask(path)
    }
    for path, name in new_names.items():
        mask = masks[path.parent, pairing_stem(path)]
        shutil.copyfile(mask, folder / f"{Path(name).stem}_mask.png")
    shutil.copyfile(next(iter(new_names)).with_name(CLASS_LIST), folder / CLASS_LIST)


def _annotations(new_names: Mapping[Path, str], root: Path) -> dict[str, Any]:
    """The COCO file of one new split; ids are counted anew, since every old split starts at 0."""
    files = [read_annotations(folder / COCO_FILE) for folder in split_folders(root).values()]
    merged = {**files[0].document, "images": [], "annotations": []}
    for file in files:
        photos = photo_paths(file)
        new_ids = {}
        for entry in file.images:
            name = new_names.get(photos[entry["file_name"]])
            if name is not None:
                new_ids[entry["id"]] = len(merged["images"])
                merged["images"].append({**entry, "id": len(merged["images"]), "file_name": name})
        for entry in file.annotations:
            if entry["image_id"] in new_ids:
                merged["annotations"].append(
                    {
                        **entry,
                        "id": len(merged["annotations"]),
                        "image_id": new_ids[entry["image_id"]],
                    }
                )
    return merged
