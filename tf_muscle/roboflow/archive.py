"""Opening an export from a folder or from Roboflow's .zip, and telling two exports apart."""

import hashlib
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tf_muscle.config import bundled
from tf_muscle.errors import UserError, shortened
from tf_muscle.options import SAMPLE
from tf_muscle.roboflow.coco_names import named_files
from tf_muscle.roboflow.export_layout import find_root, find_root_in_zip, name_splits, split_folders
from tf_muscle.roboflow.readme import README
from tf_muscle.roboflow.split_folder import CLASS_LIST, COCO_FILE, IMAGE_SUFFIXES

# JPEG and PNG hardly shrink in a zip and JSON by a factor of 10; a zip bomb grows by 1,000.
MAX_GROWTH = 100
MAX_FILES = 1_000_000  # COCO, of 123,000 photos, would have 250,000 with its masks
MAX_BYTES = 100_000_000_000  # unpacked; a hundred thousand photos of 1 MB
# What zip programs write unless told otherwise. Python unpacks the others by whole blocks, of which
# a few kilobytes grow to gigabytes in memory.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UTF_8_NAME = 1 << 11  # APPNOTE.TXT 4.4.4
BLOCK = 1 << 20  # bytes in memory while a file is unpacked or hashed


@contextmanager
def open_export(path: str | Path) -> Iterator[Path]:
    """Gives the root folder of an export for the time of a `with` block.

    The root is the folder that holds the split folders: what was given, or the only such folder
    in it. A .zip is unpacked into a temporary folder, which is removed when the block ends.

    Raises:
        UserError: nothing is there, no split folder or more than one export is in it, or the file
            is not a zip that can safely be unpacked.
    """
    path = _existing(path)
    if path.is_dir():
        yield find_root(path)
        return
    with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
        root = Path(folder) / path.stem  # messages name the root, so it carries the zip's name
        root.mkdir()
        with _open_zip(path) as (archive, members):
            for name, member in members.items():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, BLOCK)
        yield root


def export_path(data: str | os.PathLike[str]) -> Path:
    """Where the export lies that `--data` names; "sample" is the bundled one."""
    return bundled("sample_gym") if data == SAMPLE else Path(data)


def fingerprint(path: str | Path) -> str:
    """Tells whether an export has changed: 16 hex digits, the same for a folder and the zip of it.

    It covers the names and contents of the images, masks, class lists, annotations and Roboflow's
    README, so that a renamed folder or a stray file does not count as a change. A split goes by
    Roboflow's name, whatever its folder is called. No image is decoded.

    Raises:
        UserError: as `open_export`, or two folders stand for one split.
    """
    path = _existing(path)
    if path.is_dir():
        root = find_root(path)
        folders = split_folders(root).values()
        files = [root / README, *(file for folder in folders for file in folder.rglob("*"))]
        names = [file.relative_to(root).as_posix() for file in files if file.is_file()]
        return _hash(
            {name: (root / name).stat().st_size for name in names},
            lambda name: (root / name).open("rb"),
        )
    with _open_zip(path) as (archive, members):
        return _hash(
            {name: member.file_size for name, member in members.items()},
            lambda name: archive.open(members[name]),
        )


def split_names(path: str | Path) -> dict[str, str]:
    """The splits that an export has, each with the name of its folder; nothing is unpacked.

    Raises:
        UserError: as `fingerprint`.
    """
    path = _existing(path)
    if path.is_dir():
        return {split: folder.name for split, folder in split_folders(find_root(path)).items()}
    with _open_zip(path) as (_, members):
        return name_splits({name.partition("/")[0] for name in members if "/" in name})


def is_bundled_sample(export_fingerprint: str) -> bool:
    """Whether an export is the project's own, whose photos are rendered, wherever it lies.

    Args:
        export_fingerprint: 16 hex digits, of `fingerprint`.
    """
    return export_fingerprint == fingerprint(export_path(SAMPLE))


def _hash(sizes: dict[str, int], opened: Callable[[str], IO[bytes]]) -> str:
    digest = hashlib.sha256()
    covered = _covered(sizes, opened)
    for name in sorted(covered):
        size = sizes[covered[name]]
        # The length keeps the end of one file from passing for the start of the next.
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0%d\0" % size)
        with opened(covered[name]) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()[:16]


def _covered(sizes: dict[str, int], opened: Callable[[str], IO[bytes]]) -> dict[str, str]:
    """The files that make an export: their names under Roboflow's names of the splits -> names."""
    covered = {README: README} if README in sizes else {}
    splits: dict[str, list[str]] = defaultdict(list)
    for name in sizes:
        folder, _, file = name.partition("/")
        if file and not any(part.startswith(".") for part in file.split("/")):
            splits[folder].append(file)
    for split, folder in name_splits(splits).items():
        files = splits[folder]
        chosen = {
            file
            for file in files
            if "/" not in file
            and (file in (CLASS_LIST, COCO_FILE) or file.lower().endswith(IMAGE_SUFFIXES))
        }
        if COCO_FILE in chosen and chosen < set(files):
            # Others are covered where an entry leads to them: see `coco_names`.
            with opened(f"{folder}/{COCO_FILE}") as annotations:
                chosen |= named_files(annotations.read(), files)
        covered |= {f"{split}/{file}": f"{folder}/{file}" for file in chosen}
    return covered


def _existing(given: str | Path) -> Path:
    path = Path(given)
    try:
        path = path.expanduser()
        exists = path.exists()
    except (OSError, RuntimeError):  # a name that is too long, or the home folder of nobody
        exists = False
    if not exists:
        raise UserError(
            f"No export found: {shortened(path)} does not exist; give the folder or "
            "the .zip that Roboflow served."
        )
    if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):
        raise UserError(
            f"No export found: {path} is neither a folder nor a .zip; give the folder or the .zip "
            "that Roboflow served, and download it again if it should be a .zip."
        )
    return path


@contextmanager
def _open_zip(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Opens a zip with its files by their path relative to the export's root."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive, _members(archive, path)
    # RuntimeError is zipfile's answer to encryption, ValueError to names and dates of no meaning.
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error),
        *(EOFError, OSError, RuntimeError, ValueError),
    ) as error:
        raise UserError(
            f"{path} cannot be unpacked ({shortened(error)}); download it again or give the "
            "unpacked folder."
        ) from error


def _decoded_name(member: zipfile.ZipInfo) -> str:
    """A name without the mark of UTF-8, which zipfile takes for code page 437; macOS sets none."""
    if member.flag_bits & UTF_8_NAME:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        written = _decoded_name(member)
        told = shortened(written)
        text = written.replace("\\", "/")  # some Windows tools write "\"
        name = PurePosixPath(text)
        windows = PureWindowsPath(name)
        if name.is_absolute() or windows.drive or ".." in name.parts:
            raise UserError(
                f'{path} would write outside its folder ("{told}"), as no export from '
                "Roboflow does; do not trust it and download the export again."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(
                f'{path} holds a symbolic link ("{told}"), as no export from Roboflow '
                "does; do not trust it and download the export again."
            )
        if (
            not name.parts
            or text.endswith("/")
            or any(part.startswith((".", "__MACOSX")) for part in name.parts)
        ):
            continue
        if name in members or member.compress_type not in PACKINGS:
            fault = "twice" if name in members else "packed by another method than Deflate"
            raise UserError(
                f'{path} holds "{shortened(name)}" {fault}, as no export from Roboflow does; '
                "download it again or give the unpacked folder."
            )
        members[name] = member
    unpacked, packed = sum(m.file_size for m in members.values()), path.stat().st_size
    if unpacked > MAX_GROWTH * packed:
        raise UserError(
            f"{path} would grow from {packed:,} to {unpacked:,} bytes, over {MAX_GROWTH} times its "
            "size, as no export does; download it again, or unpack it yourself if you trust it."
        )
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if len(members) > MAX_FILES or unpacked > min(MAX_BYTES, free):
        raise UserError(
            f"{path} would unpack to {len(members):,} files of {unpacked:,} bytes, where {free:,} "
            f"bytes are free and {MAX_FILES:,} files of {MAX_BYTES:,} bytes are the limit; unpack "
            "it yourself if you trust it."
        )
    root = find_root_in_zip(members, path)
    return {
        name.relative_to(root).as_posix(): member
        for name, member in members.items()
        if name.is_relative_to(root)
    }
