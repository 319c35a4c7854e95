"""An export of which files are gone or damaged since a run was trained on it: the rest is read."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_muscle.errors import UserError
from tf_muscle.roboflow.coco_export import photo_paths, read_annotations
from tf_muscle.roboflow.export_layout import split_folders
from tf_muscle.roboflow.image_files import (
    MAX_PIXELS,
    LargeImageError,
    UnreadableImageError,
    decode_photo,
    open_image,
)
from tf_muscle.roboflow.mask_export import is_mask, pairing_stem
from tf_muscle.roboflow.readme import README
from tf_muscle.roboflow.records import Export
from tf_muscle.roboflow.split_folder import CLASS_LIST, COCO_FILE, image_files


@contextmanager
def readable_export(
    root: Path, read: Callable[[Path], Export]
) -> Iterator[tuple[Export, dict[str, str]]]:
    """Reads an export, without the photos that keep it from being read.

    Where there are such photos, the others lie in a temporary copy for the length of the block.

    Args:
        root: of the export.
        read: reads an export with this root, as `reader.read_export` does.

    Yields:
        The export; and by the name "train/X.jpg" of each photo that is left out, why.

    Raises:
        UserError: the export cannot be read for another reason than its single files.
    """
    try:
        export = read(root)
    except UserError as error:
        with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
            copy = Path(folder) / root.resolve().name
            left_out = _copy_readable(root, copy)
            if not left_out:
                raise error
            yield read(copy), left_out
    else:
        yield export, {}


def _copy_readable(root: Path, copy: Path) -> dict[str, str]:
    """Copies what can be read; why by the name of each photo that is left out."""
    left_out: dict[str, str] = {}
    for split, folder in split_folders(root).items():
        (copy / folder.name).mkdir(parents=True)
        part = _outlined if (folder / COCO_FILE).is_file() else _masked
        left_out |= {f"{split}/{name}": why for name, why in part(folder, copy / folder.name)}
    if (root / README).is_file():
        shutil.copyfile(root / README, copy / README)
    return left_out


def _masked(folder: Path, copy: Path) -> Iterator[tuple[str, str]]:
    """Copies photos with masks; yields the name of each that is left out, and why."""
    if (folder / CLASS_LIST).is_file():
        shutil.copyfile(folder / CLASS_LIST, copy / CLASS_LIST)
    files = image_files([folder])[folder]
    masks = {pairing_stem(path): path for path in files if is_mask(path)}
    photos = {pairing_stem(path): path for path in files if not is_mask(path)}
    for stem in sorted(masks.keys() | photos.keys()):
        photo, mask = photos.get(stem), masks.get(stem)
        if photo is None or mask is None:
            gone = "its photo" if photo is None else "its mask"
            yield (f"{stem}.jpg" if photo is None else photo.name), f"{gone} is gone"
        elif why := fault(photo) or fault(mask):
            yield photo.name, why
        else:
            shutil.copyfile(photo, copy / photo.name)
            shutil.copyfile(mask, copy / mask.name)


def _outlined(folder: Path, copy: Path) -> Iterator[tuple[str, str]]:
    """Copies photos with outlines; yields the name of each that is left out, and why."""
    file = read_annotations(folder / COCO_FILE)
    photos = photo_paths(file)
    kept = []
    for entry in file.images:
        photo = photos.get(entry["file_name"])
        if photo is None:
            yield entry["file_name"], "its photo is gone"
            continue
        name = photo.relative_to(folder).as_posix()
        if why := fault(photo):
            yield name, why
        else:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photo, copy / name)
            kept.append(entry)
    ids = {entry["id"] for entry in kept}
    annotations = [entry for entry in file.annotations if entry["image_id"] in ids]
    document = {**file.document, "images": kept, "annotations": annotations}
    text = json.dumps(document, ensure_ascii=False)
    (copy / COCO_FILE).write_text(text, encoding="utf-8")


def fault(path: Path) -> str | None:
    """Why a photo or mask cannot be decoded, in a few words; None if it can be."""
    try:
        if is_mask(path):
            with open_image(path) as image:
                image.load()
        else:
            decode_photo(path)
    except LargeImageError as error:
        return f"{path.name} has {error}, more than {MAX_PIXELS:,}"
    except UnreadableImageError as error:
        return f"{path.name} is damaged ({error})"
    return None
