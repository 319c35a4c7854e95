"""Files and folders that are complete or absent, whenever the process is killed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = "unfinished_"  # before the name of what is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; what is there at the end of the block becomes `path`.

    It reaches the disk before it gets its name, so that not even a loss of power leaves half of it.
    What a killed process left is removed when the same thing is written again, what a failed block
    left at once, which is what a full disk needs.

    Args:
        path: a file, which is replaced if it exists, or a folder, which must not exist or be empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # most often there is none
            path.unlink()


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
