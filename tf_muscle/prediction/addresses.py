"""Files in an object store, by their addresses: s3://BUCKET/NAME, gs://BUCKET/NAME.

All that knows fsspec. memory://NAME is fsspec's own store, which ends with the process.
"""

import errno
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from tf_muscle.errors import UserError, one_line, refuse_missing, shortened
from tf_muscle.prediction.file_kinds import HEAD, Content, content_of_bytes, holds_frames
from tf_muscle.roboflow.image_files import ANIMATED

# The package that fsspec needs for each; the extras are called as the schemes.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "memory": "fsspec"}
ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://([^/]*)", re.IGNORECASE)  # C:// is a path of Windows
LOOKS = 16  # files whose beginnings are read at a time
PNG_HEAD = 2**18  # bytes in which a PNG tells whether it moves: what comes before its pixels
LONGEST_SUFFIX = 16  # characters; names in a store may be longer than those of files


@dataclass(frozen=True)
class RemoteFile:
    """A file in an object store; `str` gives its address, `os.fspath` its copy on this machine.

    Attributes:
        address: as s3://bucket/clips/a.jpg.
        size: in bytes, when it was listed.
        content: what it is, see `looked_at`.
        moves: whether it is a GIF, WebP, PNG or AVIF of several frames.
        copy: for the time of `fetched`, else None.
    """

    address: str
    size: int
    content: Content | None = field(default=None, compare=False)
    moves: bool = field(default=False, compare=False)
    copy: Path | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.address

    def __fspath__(self) -> str:
        if self.copy is None:
            raise FileNotFoundError(errno.ENOENT, "not fetched", self.address)
        return str(self.copy)

    @property
    def name(self) -> str:
        """What is behind the last slash."""
        return self.address.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> str:
        """The address of its folder."""
        return self.address.rpartition("/")[0]


File = Path | RemoteFile


def is_address(word: str) -> bool:
    """Whether a word has the form of an address; ./s3://x is a path."""
    return ADDRESS.match(word) is not None


def refuse_unusable(address: str) -> None:
    """Refuses an address of another store, one with a password in it, or without a bucket.

    Raises:
        UserError: it is such a one, or a package is not installed.
    """
    scheme, bucket = ADDRESS.match(address).groups()  # type: ignore[union-attr]
    if scheme not in PACKAGES:  # whose address may hold a password, so that it is not repeated
        raise UserError(
            f"an address {scheme}://... names an unknown kind of store: give s3:// or gs://, or "
            "put ./ in front of a path"
        )
    # A secret may hold slashes, so that its @ may not lie in what looks like the bucket.
    if "@" in bucket or (":" in bucket and not bucket.startswith("arn:")):
        raise UserError(
            f"an address {scheme}://... holds a key or a port, and would be written to the "
            f"results: give {scheme}://BUCKET/NAME, and keys and servers as the variables or files "
            "that docs/scale.md names"
        )
    if not bucket:
        raise UserError(f"{address} names no bucket: give {scheme}://BUCKET/NAME")
    refuse_missing(f"{scheme}://", scheme, [PACKAGES[scheme]])


def in_full(path: str, address: str) -> str:
    """The address of a path in the store of another address, as fsspec gives paths."""
    return f"{address.partition('://')[0]}://{path.lstrip('/')}"


def store_of(address: str) -> Any:
    """The fsspec filesystem of an address, which takes the address for a path.

    It lists anew each time: other processes write, too.
    """
    import fsspec  # an extra of this package

    with store_errors(address):
        return fsspec.filesystem(address.partition("://")[0], use_listings_cache=False)


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Turns what fsspec, a store's client and the network raise into one sentence.

    Raises:
        UserError: in place of any error but that of a full disk here.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = shortened(f"{type(error).__name__}: {one_line(error)}")
        raise UserError(
            f"{shortened(address)} cannot be used ({reason}): check the address, the network and "
            "your right to it, then give the same command again"
        ) from error


def files_at(address: str) -> list[RemoteFile]:
    """What an address stands for: the file itself, all in a folder, or what a glob matches.

    Args:
        address: a file, a folder (with its subfolders) or a glob; what exists is never a glob.

    Returns:
        In the order in which a disk's files are taken, without hidden ones; empty if there are
        none.

    Raises:
        UserError: the store cannot be read.
    """
    address = address.rstrip("/")
    store, beginning, hidden = store_of(address), address, False
    with store_errors(address):
        found = store.find(address, detail=True)
        if not found and has_magic(address):
            beginning = re.split(r"[^/]*[*?[]", address, maxsplit=1)[0]
            hidden = "/." in address[len(beginning) :]
            for match, about in store.glob(address, detail=True).items():
                is_folder = about["type"] == "directory"
                found |= store.find(match, detail=True) if is_folder else {match: about}
    files = []
    for path, about in found.items():
        file = RemoteFile(in_full(path, address), about["size"])
        parts = file.address[len(beginning) :].split("/")
        # A name that ends with a slash stands for an empty folder.
        if file.name and (hidden or not any(part.startswith(".") for part in parts)):
            files.append(file)
    return sorted(files, key=lambda file: file.address.split("/"))


def names_beside(file: RemoteFile) -> list[str]:
    """The names of the files in the folder of a file."""
    with store_errors(file.parent):
        paths = store_of(file.address).ls(file.parent, detail=False)
    return [path.rpartition("/")[2] for path in paths]


def looked_at(files: Sequence[File]) -> list[File]:
    """Tells what remote files hold; others stay as they are.

    What is called .jpg or .jpeg counts as a JPEG: most are, and reading the beginning of a million
    files takes long.

    Raises:
        UserError: one cannot be read.
    """
    with ThreadPoolExecutor(LOOKS) as threads:
        return list(threads.map(_looked_at, files))


def _looked_at(file: File) -> File:
    if isinstance(file, Path):
        return file
    if file.suffix.lower() in (".jpg", ".jpeg"):
        return replace(file, content="JPEG")
    content = content_of_bytes(_beginning(file, HEAD))
    if content not in ANIMATED:
        return replace(file, content=content)
    beginning = _beginning(file, PNG_HEAD if content == "PNG" else file.size)
    return replace(file, content=content, moves=holds_frames(io.BytesIO(beginning)))


def _beginning(file: RemoteFile, most: int) -> bytes:
    """The first bytes of a file, `most` of them."""
    if not file.size:  # a store refuses to read a part of nothing
        return b""
    with store_errors(file.address):
        content = store_of(file.address).cat_file(file.address, start=0, end=min(most, file.size))
        return bytes(content)


@contextmanager
def fetched(file: File) -> Iterator[File]:
    """Gives a file that lies on this machine: a remote one is copied for the time of the block.

    Raises:
        UserError: it cannot be fetched, or is not what was listed.
    """
    if isinstance(file, Path):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
        copy = Path(folder, f"copy{file.suffix[:LONGEST_SUFFIX]}")
        with store_errors(file.address):
            store_of(file.address).get_file(file.address, str(copy))
        if (size := copy.stat().st_size) != file.size:
            raise UserError(
                f"{file} had {file.size} bytes and has {size} now: leave files as they are until "
                "the command is done, then give it again with another --out"
            )
        yield replace(file, copy=copy)
