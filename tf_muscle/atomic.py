"""Files and folders that are complete or absent, whenever the process is killed; their locks."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import filelock

from tf_muscle.errors import UserError

UNFINISHED = "unfinished_"  # before the name of what is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; what is there at the end of the block becomes `path`.

    It reaches the disk before it gets its name, so that not even a loss of power leaves half of it.
    What a killed process left is removed when the same thing is written again, what a failed block
    left at once, which is what a full disk needs.

    Args:
        path: a file, which is replaced if it exists, or a folder, which must not exist or be empty.

    Raises:
        UserError: the folder around it cannot be made.
    """
    make_folder(path.parent)
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    _remove(unfinished)
    try:
        yield unfinished
        for file in unfinished.rglob("*") if unfinished.is_dir() else [unfinished]:
            _sync(file)
        if unfinished.is_dir():
            _sync(unfinished)
        unfinished.replace(path)
    except BaseException:
        _remove(unfinished)
        raise
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, with the line ends of the text, in one move."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, unless it is there.

    Raises:
        UserError: it lies where the system makes none, such as below /proc.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # `errors.system_errors` tells of the others
        raise UserError(
            f"{path} cannot be made ({error.strerror}): choose another place"
        ) from error


def refuse_folder(option: str, folder: Path, export: Path | None = None) -> None:
    """Refuses a place for new files that is taken or cannot be made.

    Args:
        option: that names it, without its dashes.
        folder: the place.
        export: which is left as it is, if there is one.

    Raises:
        UserError: the folder exists, lies in the export, or a file is in its way.
    """
    if folder.exists():
        raise UserError(f"--{option} {folder} exists and is never overwritten: choose another")
    if export and export.resolve() in folder.resolve().parents:
        raise UserError(
            f"--{option} {folder} lies in the export, which is left as it is: choose another"
        )
    nearest = next(path for path in folder.absolute().parents if path.exists())
    if not nearest.is_dir():
        raise UserError(f"--{option} {folder} cannot be made, {nearest} is a file: choose another")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # most often there is none
            path.unlink()


def synced(path: Path) -> Path:
    """Waits until the disk has a file or folder, which is given back."""
    _sync(path)
    return path


def _sync(path: Path) -> None:
    """Waits until the disk has it."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":  # Windows opens no folders
        return
    # Windows syncs only what is open for writing.
    file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def only_process(folder: Path, refusal: str, lock: str = ".lock") -> Iterator[None]:
    """Keeps other processes out of a folder for the length of the block.

    Args:
        folder: which exists.
        refusal: what the others are told, in one sentence.
        lock: name of a file in it; processes with different ones do not keep each other out.

    Raises:
        UserError: another process is in the folder.
        OSError: the folder cannot be written to.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / lock, timeout=0))
        except filelock.Timeout:
            raise UserError(refusal) from None
        yield


@contextmanager
def locked(file: Path, timeout: float = -1) -> Iterator[None]:
    """Holds a lock for the length of the block.

    The operating system opens the lock of a killed process: the file that it left is no hindrance.

    Args:
        file: the lock; it is there only while the lock is held.
        timeout: seconds to wait for another process; -1: until it has ended.

    Raises:
        filelock.Timeout: another process has it still.
        OSError: the file cannot be written.
    """
    with filelock.FileLock(file, timeout=timeout):
        try:
            yield
        finally:
            # While the lock is held, else the next process' file might be the one that goes. Who
            # waits for this one starts over with a new file; Windows deletes no open file.
            with suppress(OSError):
                file.unlink()
