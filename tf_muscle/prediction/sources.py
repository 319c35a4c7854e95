"""What can be predicted on: photos, folders, globs, videos, cameras; also in an object store."""

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tf_muscle.errors import UserError, listed, printable, shortened
from tf_muscle.prediction.addresses import (
    File,
    RemoteFile,
    files_at,
    is_address,
    looked_at,
    names_beside,
    refuse_unusable,
)
from tf_muscle.prediction.file_kinds import (
    WAYS_OUT,
    Content,
    content_of,
    is_animation,
    is_readable,
)

# A file of unrecognised content counts as a damaged photo or video if it has one of these suffixes;
# otherwise it is passed over.
PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".heic", ".heif", ".avif"),
)
VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp"),
    *(".mts", ".m2ts", ".ts", ".flv", ".ogv"),
)
TYPESCRIPT = (".ts", ".mts")  # programs are called so, too
# Of cameras: TIFF with a preview as its first picture.
RAW_SUFFIXES = (
    *(".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".pef", ".srw", ".3fr", ".iiq"),
)
LONGEST_NUMBER = 3  # digits of a camera's number

Source = File | int  # a photo or a video, or the number of a camera


@dataclass(frozen=True)
class Sources:
    """What the words of a command line stand for, each source once.

    Attributes:
        photos: in the order of the words; those of a folder or glob by name.
        videos: likewise, and the numbers of cameras.
        passed_over: a sentence for the user on the files of folders and globs that are left out,
            counted by suffix; None if there are none.
    """

    photos: tuple[File, ...]
    videos: tuple[Source, ...]
    passed_over: str | None


@dataclass
class _PassedOver:
    """Files of folders and globs that are neither photo nor video, each counted once."""

    files: dict[File, str] = field(default_factory=dict)  # what each is called in the sentence

    def add(self, path: File, name: str) -> None:
        self.files.setdefault(_resolved(path), name)

    def __str__(self) -> str:
        counts = Counter(self.files.values())
        return listed([f"{count} {name}" for name, count in sorted(counts.items())])


def find_sources(words: Sequence[str]) -> Sources:
    """Finds the photos, videos and cameras that the words of a command line stand for.

    A word is a file, a folder (taken with its subfolders, without hidden files and without the
    masks X_mask.png of a Roboflow export), a glob such as "day*/*.jpg", or the number of a camera.
    What exists is never a glob. Files, folders and globs may be in an object store, as
    s3://bucket/clips. Photos and videos are told apart by what is in them.

    Raises:
        UserError: a word stands for nothing, or a folder holds neither photo nor video.
    """
    photos: dict[File, File] = {}  # by resolved path, so that overlapping words count once
    videos: dict[Source, Source] = {}
    passed_over = _PassedOver()
    for word in words:
        try:
            for source in _found(word, passed_over):
                if isinstance(source, int):
                    videos.setdefault(source, source)
                elif is_video(source):
                    videos.setdefault(_resolved(source), source)
                else:
                    photos.setdefault(_resolved(source), source)
        except OSError as error:  # a name that is too long for the system
            raise UserError(
                f"{shortened(word)} is no source ({error.strerror}): give photos, folders, globs, "
                "videos, or the number of a camera"
            ) from error
    for path in (*photos, *videos):  # left out of a folder, but named as well
        if not isinstance(path, int):
            passed_over.files.pop(path, None)
    told = f"passed over: {passed_over}" if passed_over.files else None
    return Sources(tuple(photos.values()), tuple(videos.values()), told)


def is_video(source: Source) -> bool:
    """Whether a source gives frames: a camera, a video, a GIF, WebP, PNG or AVIF that moves."""
    if isinstance(source, int):
        return True
    content = _content(source)
    if content is None:
        return source.suffix.lower() in VIDEO_SUFFIXES
    if isinstance(source, RemoteFile):
        return content == "video" or source.moves
    return content == "video" or is_animation(source)


def _resolved(file: File) -> File:
    """What is equal for two words that stand for one file."""
    return file.resolve() if isinstance(file, Path) else file


def _content(file: File) -> Content | None:
    return file.content if isinstance(file, RemoteFile) else content_of(file)


def _found(word: str, passed_over: _PassedOver) -> Sequence[Source]:
    if is_address(word):
        return _in_store(word, passed_over)
    path = Path(word)
    if word.isdecimal() and len(word) <= LONGEST_NUMBER and not path.exists():
        return [int(word)]
    if path.is_dir():
        return _wanted(_files_in(path), str(path), passed_over)
    return [path] if path.is_file() else _matches(word, passed_over)


def _in_store(address: str, passed_over: _PassedOver) -> list[File]:
    refuse_unusable(address)
    files = files_at(address)
    if not files:
        raise UserError(
            f"{address} does not exist and matches no file: give the address of photos, folders, "
            "globs or videos"
        )
    if files[0].address == address:
        return looked_at(files)
    return _wanted(files, address, passed_over)


def _matches(pattern: str, passed_over: _PassedOver) -> list[File]:
    matches = sorted(Path(match) for match in glob.glob(_literal(pattern), recursive=True))  # noqa: PTH207
    if not matches:
        raise UserError(
            f"{pattern} does not exist and matches no file: give photos, folders, globs, videos, "
            "or the number of a camera"
        )
    files = [file for path in matches for file in (_files_in(path) if path.is_dir() else [path])]
    return _wanted(files, pattern, passed_over)


def _literal(pattern: str) -> str:
    """Escapes those folders at the beginning of a pattern that exist as they are written."""
    path = Path(pattern)
    for parent in path.parents:  # the longest first
        if parent.is_dir():
            return str(Path(glob.escape(str(parent)), path.relative_to(parent)))
    return pattern


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _wanted(files: Iterable[File], word: str, passed_over: _PassedOver) -> list[File]:
    """Those files that are photos or videos, and not the masks that lie beside photos."""
    wanted = []
    names: dict[File, str | None] = {}
    stems: dict[Path | str, set[str]] = {}
    for path in files:
        names[path] = _mask(path, stems)
    for path in looked_at([path for path in names if names[path] is None]):
        names[path] = _unwanted(path)
        if names[path] is None:
            wanted.append(path)
    here = _PassedOver()
    for path, name in names.items():
        if name is not None:
            here.add(path, name)
            passed_over.add(path, name)
    if not wanted:
        held = f", only {here}" if here.files else ""
        raise UserError(
            f"{word} holds no photo and no video that can be read{held}: give JPEG, PNG or another "
            "photo format, or MP4 or another video format"
        )
    return wanted


def _mask(path: File, stems: dict[Path | str, set[str]]) -> str | None:
    """A word for a mask that lies beside its photo, else None; `stems` of photos stay by folder."""
    if path.suffix.lower() != ".png" or not path.stem.endswith("_mask"):
        return None
    if path.parent not in stems:
        names = (
            [other.name for other in path.parent.iterdir()]
            if isinstance(path, Path)
            else names_beside(path)
        )
        stems[path.parent] = {
            Path(name).stem
            for name in names
            if Path(name).suffix.lower() in PHOTO_SUFFIXES and not name.startswith(".")
        }
    return "X_mask.png" if path.stem.removesuffix("_mask") in stems[path.parent] else None


def _unwanted(path: File) -> str | None:
    """What a file that is not predicted on is called by; None for photos and videos."""
    suffix = path.suffix.lower()
    name = printable(shortened(path.suffix)) or "without suffix"
    content = _content(path)
    if suffix in RAW_SUFFIXES and content in ("TIFF", None):
        return f"{name} (raw: export them as JPEG)"
    if content is None:
        damaged = suffix in PHOTO_SUFFIXES + VIDEO_SUFFIXES and suffix not in TYPESCRIPT
        return None if damaged else name
    return None if is_readable(content) else f"{name} ({WAYS_OUT[content]})"
