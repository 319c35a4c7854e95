"""The split folders: their files, the names these go by, and that the class lists agree."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tf_muscle.errors import UserError, listed, shortened
from tf_muscle.roboflow.records import VOID

CLASS_LIST = "_classes.csv"
COCO_FILE = "_annotations.coco.json"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png")
# Images by their names, but of a format that tf.io.decode_image does not read or reads as a film.
OTHER_SUFFIXES = (
    *(".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".apng"),
    *(".jp2", ".jxl", ".tga", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf"),
)
# Unicode's categories of control characters, half characters, ends of lines and of paragraphs.
NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
SPLIT_NAMES = {
    **{"train": "train", "training": "train"},
    **{"valid": "valid", "val": "valid", "validation": "valid"},
    **{"test": "test", "testing": "test"},
}
MAX_CLASSES = VOID  # with the background: the ids of an 8-bit mask but for the one that VOID takes
EXPORT_AS = 'export it from Roboflow as "Semantic Segmentation Masks" or "COCO Segmentation"'


def split_of(folder_name: str) -> str | None:
    """The split that a folder's name stands for, in any case: "valid" of "Val"; None if none."""
    return SPLIT_NAMES.get(folder_name.lower())


def shown(path: Path) -> str:
    """Names a file as the user knows it, "train/X.jpg", wherever the export was unpacked."""
    return path.relative_to(_split_folder(path).parent).as_posix()


def _split_folder(path: Path) -> Path:
    return next((folder for folder in path.parents if split_of(folder.name)), path.parent)


def source_name(file_name: str) -> str:
    """The photo that an image was made from: "arm_jpg" of "arm_jpg.rf.0f3c.jpg".

    Roboflow puts ".rf." and a hash of the version behind the name of the upload. A file without it
    is its own source.
    """
    file_name = unicodedata.normalize("NFC", file_name)
    source, marker, _ = file_name.rpartition(".rf.")
    if marker:
        return source
    return file_name.removesuffix(PurePosixPath(file_name).suffix)


def check_class_names(path: Path, class_names: Sequence[str]) -> None:
    """Checks names that go into tables, legends and the text files of TFDS, line by line.

    Raises:
        UserError: there are more than `MAX_CLASSES`, or one is empty, used twice, or has a line
            end or a control character in it.
    """
    if len(class_names) > MAX_CLASSES:
        raise UserError(
            f"{shown(path)} has {len(class_names)} classes with the background, and a mask has "
            f"room for {MAX_CLASSES} ({VOID} marks unlabelled pixels); merge classes in Roboflow "
            "and export again."
        )
    unusable = any(unicodedata.category(c) in NO_TEXT for name in class_names for c in name)
    if unusable or "" in class_names or len(set(class_names)) < len(class_names):
        raise UserError(
            f"{shown(path)} has a class without a name, a name twice or one with control "
            f"characters ({listed(class_names)}); rename the classes in Roboflow and export again."
        )


def check_same_classes(classes: Mapping[Path, Mapping[int, str]]) -> None:
    """Compares the class lists of all splits, given as file -> id -> name.

    Raises:
        UserError: two lists differ; the first id that they do not share is named.
    """
    (first, expected), *others = classes.items()
    for path, names in others:
        for class_id in sorted(expected.keys() | names.keys()):
            if names.get(class_id) != expected.get(class_id):
                raise UserError(
                    f"{shown(path)} has {shortened(names.get(class_id, 'nothing'))} as class "
                    f"{shortened(class_id)}, but {shown(first)} has "
                    f"{shortened(expected.get(class_id, 'nothing'))}; take all splits from "
                    "one version of the data set."
                )


def image_files(folders: list[Path]) -> dict[Path, list[Path]]:
    """Finds the JPEG and PNG files of each split folder, masks among them, sorted by name.

    Subfolders and hidden files (.DS_Store, the ._X that macOS leaves) are passed over.

    Raises:
        UserError: an image is in another format, or a name is not UTF-8, which TFDS requires.
    """
    files = {
        folder: sorted(
            path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()
        )
        for folder in folders
    }
    unprintable = [shown(path) for paths in files.values() for path in paths if not _is_text(path)]
    if unprintable:
        raise UserError(
            f"Files whose names are not UTF-8 ({len(unprintable)}): {listed(unprintable)}; rename "
            "them."
        )
    others = [
        shown(path)
        for paths in files.values()
        for path in paths
        if path.suffix.lower() in OTHER_SUFFIXES
    ]
    if others:
        raise UserError(
            f"Images that are neither JPEG nor PNG ({len(others)}): {listed(others)}; "
            "export them from Roboflow again, which writes JPEG, or convert them."
        )
    return {
        folder: [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
        for folder, paths in files.items()
    }


def _is_text(path: Path) -> bool:
    """Whether a name is UTF-8; Python shows other bytes of it as halves of characters."""
    return not any(unicodedata.category(character) == "Cs" for character in path.name)
