"""Opening an export from a folder or from Roboflow's .zip, and telling two exports apart."""

import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from tf_muscle.data.records import SPLITS
from tf_muscle.data.roboflow_readme import README
from tf_muscle.data.split_folder import CLASS_LIST, COCO_FILE, IMAGE_SUFFIXES
from tf_muscle.errors import UserError

# JPEG and PNG hardly shrink in a zip and JSON by a factor of 10; a zip bomb grows by 1,000.
MAX_GROWTH = 100


@contextmanager
def open_export(path: str | Path) -> Iterator[Path]:
    """Gives the root folder of an export for the time of a `with` block.

    A folder is used as it is. A .zip is unpacked into a temporary folder, which is removed when the
    block ends; where the zip holds a single top-level folder, that folder is the root.

    Raises:
        UserError: nothing is there, or the file is not a zip that can safely be unpacked.
    """
    path = _existing(path)
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
        root = Path(folder) / path.stem  # messages name the root, so it carries the zip's name
        root.mkdir()
        with _open_zip(path) as (archive, members):
            for name, member in members.items():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
        yield root


def fingerprint(path: str | Path) -> str:
    """Tells whether an export has changed: 16 hex digits, the same for a folder and the zip of it.

    It covers the names and contents of the images, masks, class lists, annotations and Roboflow's
    README, so that a renamed folder or a stray file does not count as a change. Nothing is decoded.

    Raises:
        UserError: as `open_export`.
    """
    path = _existing(path)
    if path.is_dir():
        files = [path / README, *(file for split in SPLITS for file in (path / split).glob("*"))]
        names = [file.relative_to(path).as_posix() for file in files if file.is_file()]
        return _hash(names, lambda name: (path / name).read_bytes())
    with _open_zip(path) as (archive, members):
        return _hash(list(members), lambda name: archive.read(members[name]))


def _hash(names: list[str], read: Callable[[str], bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(filter(_matters, names)):
        content = read(name)
        # The length keeps the end of one file from passing for the start of the next.
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0%d\0" % len(content))
        digest.update(content)
    return digest.hexdigest()[:16]


def _matters(name: str) -> bool:
    if name == README:
        return True
    folder, _, file = name.partition("/")
    return (
        folder in SPLITS
        and "/" not in file
        and not file.startswith(".")
        and (file in (CLASS_LIST, COCO_FILE) or file.lower().endswith(IMAGE_SUFFIXES))
    )


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(
            f"No export found: {path} does not exist; give the folder or the .zip that Roboflow "
            "served."
        )
    if path.is_file() and not zipfile.is_zipfile(path):
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
    # RuntimeError is zipfile's answer to encryption and to unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise UserError(
            f"{path} cannot be unpacked ({error}); download it again or give the unpacked folder."
        ) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))  # some Windows tools write "\"
        windows = PureWindowsPath(name)
        if name.is_absolute() or windows.drive or ".." in name.parts:
            raise UserError(
                f'{path} would write outside its folder ("{member.filename}"), as no export from '
                "Roboflow does; do not trust it and download the export again."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(
                f'{path} holds a symbolic link ("{member.filename}"), as no export from Roboflow '
                "does; do not trust it and download the export again."
            )
        if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in name.parts):
            continue
        members[name] = member
    unpacked, packed = sum(m.file_size for m in members.values()), path.stat().st_size
    if unpacked > MAX_GROWTH * packed:
        raise UserError(
            f"{path} would grow from {packed:,} to {unpacked:,} bytes, over {MAX_GROWTH} times its "
            "size, as no export does; download it again, or unpack it yourself if you trust it."
        )
    tops = {name.parts[0] for name in members if len(name.parts) > 1}
    wrapped = len(tops) == 1 and not tops & set(SPLITS) and all(len(n.parts) > 1 for n in members)
    return {
        "/".join(name.parts[1:] if wrapped else name.parts): member
        for name, member in members.items()
    }
