"""One process at a time in a folder.

Needs no TensorFlow.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from tf_muscle.errors import UserError


@contextmanager
def only_process(folder: Path, refusal: str) -> Iterator[None]:
    """Keeps other processes out of a folder for the length of the block.

    The operating system opens the lock of a killed process: the file that it left is no hindrance.

    Args:
        folder: which exists.
        refusal: what the others are told, in one sentence.

    Raises:
        UserError: another process is in the folder.
        OSError: the folder cannot be written to.
    """
    file = folder / ".lock"
    try:
        held = filelock.FileLock(file).acquire(blocking=False)
    except filelock.Timeout:
        raise UserError(refusal) from None
    with held:
        try:
            yield
        finally:
            # While the lock is held, else the next process' file might be the one that goes.
            with suppress(OSError):  # Windows deletes no open file
                file.unlink()
