"""What can be predicted on: photos, folders, globs, videos, cameras; and the decoding of photos."""

import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tf_muscle.data.image_files import (
    MAX_PIXELS,
    LargeImageError,
    UnreadableImageError,
    decode_photo,
)
from tf_muscle.errors import UserError, listed, shortened

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp")
LONGEST_NUMBER = 3  # digits of a camera's number

Source = Path | int  # a photo or a video, or the number of a camera


def is_video(source: Source) -> bool:
    """Whether a source gives frames: a file with a video's suffix, or a camera."""
    return isinstance(source, int) or source.suffix.lower() in VIDEO_SUFFIXES


def find_sources(words: Sequence[str]) -> list[Source]:
    """Finds the photos, videos and cameras that the words of a command line stand for.

    A word is a file, a folder (taken with its subfolders, without hidden files and without the
    masks X_mask.png of a Roboflow export), a glob such as "day*/*.jpg", or the number of a camera.

    Returns:
        Each source once, in the order of the words; files of a folder or glob by name.

    Raises:
        UserError: a word stands for nothing, or a folder holds neither photo nor video.
    """
    sources: dict[Source, Source] = {}  # by resolved path, so that overlapping words count once
    for word in words:
        try:
            found = _found(word)
        except OSError as error:  # a name that is too long for the system
            raise UserError(
                f"{shortened(word)} is no source ({error.strerror}): give photos, folders, globs, "
                "videos, or the number of a camera"
            ) from error
        for source in found:
            sources.setdefault(source if isinstance(source, int) else source.resolve(), source)
    return list(sources.values())


def _found(word: str) -> Sequence[Source]:
    path = Path(word)
    if word.isdecimal() and len(word) <= LONGEST_NUMBER and not path.exists():
        return [int(word)]
    if path.is_dir():
        return _files_in(path)
    return [path] if path.is_file() else _matches(word)


def _matches(pattern: str) -> list[Path]:
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207
    if not matches:
        raise UserError(
            f"{pattern} does not exist and matches no file: give photos, folders, globs, videos, "
            "or the number of a camera"
        )
    files: list[Path] = []
    for path in matches:
        files += _files_in(path) if path.is_dir() else [path] if _is_wanted(path) else []
    if not files:
        raise UserError(
            f"{pattern} matches no photo or video, only {listed(matches)}: give files that end in "
            f"one of {', '.join(PHOTO_SUFFIXES + VIDEO_SUFFIXES)}"
        )
    return files


def _files_in(folder: Path) -> list[Path]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and _is_wanted(path)
    ]
    if not files:
        raise UserError(
            f"{folder} holds no photo and no video: give a folder with files that end in one of "
            f"{', '.join(PHOTO_SUFFIXES + VIDEO_SUFFIXES)}"
        )
    return files


def _is_wanted(path: Path) -> bool:
    """A photo or video by its name, and not the mask that lies beside a photo."""
    if path.suffix.lower() not in PHOTO_SUFFIXES + VIDEO_SUFFIXES:
        return False
    if path.suffix.lower() != ".png" or not path.stem.endswith("_mask"):
        return True
    photo = path.with_name(path.stem.removesuffix("_mask"))
    return not any(photo.with_name(photo.name + suffix).exists() for suffix in PHOTO_SUFFIXES)


def read_photo(path: Path, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes a photo as viewers show it: turned as its EXIF orientation says, on white.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF or GIF, whatever its name; of several pictures in it, the
            first is taken.
        max_pixels: height times width that is still decoded.

    Returns:
        RGB, uint8 [H, W, 3].

    Raises:
        UserError: the file is no photo, is damaged, or has too many pixels.
    """
    try:
        return decode_photo(path, max_pixels)
    except LargeImageError as error:
        raise UserError(
            f"{path} has {error} pixels, more than {max_pixels:,}: make it smaller"
        ) from error
    except UnreadableImageError as error:
        reason = str(error).replace(f" {str(path)!r}", "")
        raise UserError(
            f"{path} cannot be read as a photo ({reason}): replace it or convert it to JPEG"
        ) from error
