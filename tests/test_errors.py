import errno
import os
from pathlib import Path

import pytest

from tf_muscle.errors import UserError, listed, system_errors


def test_names_are_listed_up_to_ten() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 (and 2 more)"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b.h5"),
            "a/b.h5: No space left on device; free some space, then go on",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a/b.h5"),
            "a/b.h5: Permission denied; get the right to it, then go on",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "photo.jpg/a"),
            "photo.jpg/a: Not a directory; give a path of folders only, then go on",
        ),
        # As of HDF5, which has the number in the text only, and of TensorFlow.
        (
            OSError("Can't write data (errno = 28, error message = 'No space left on device')"),
            "runs/x: No space left on device; free some space, then go on",
        ),
        (
            RuntimeError("runs/x/events; Read-only file system [Op:FlushSummaryWriter]"),
            "runs/x: Read-only file system; make it writable, then go on",
        ),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error: Exception, sentence: str) -> None:
    with pytest.raises(UserError) as caught, system_errors(Path("runs/x"), "go on"):
        raise error
    assert str(caught.value) == sentence


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), system_errors("x", "go on"):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), system_errors("x", "go on"):
        Path("nowhere").read_bytes()
    with pytest.raises(UserError, match="mine"), system_errors("x", "go on"):
        raise UserError("mine")


def test_the_inner_advice_holds() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(UserError, match="then resume"),
        system_errors("outer", "again"),
        system_errors("inner", "resume"),
    ):
        raise full
