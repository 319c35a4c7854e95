"""The one exception that a command shows to its user without a traceback."""

import dataclasses
import errno
import importlib.util
import numbers
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

LISTED = 10  # enough to see the pattern, few enough to read
LONGEST = 200  # characters of a name that a message quotes

# What the system may refuse, and what to do about it.
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "get the right to it",
    errno.EPERM: "get the right to it",
    errno.ENOTDIR: "give a path of folders only",
    errno.ENAMETOOLONG: "give a shorter name",
}


class UserError(Exception):
    """A mistake that the user can mend.

    The message is one sentence: the file or option, what was received, the fix. Commands print it
    after "error: " and exit with code 2. Line ends and control characters, which names of files may
    contain, are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def at_least(name: str, value: float, lowest: float) -> None:
    """Refuses an option that is too small."""
    if not value >= lowest:
        raise UserError(f"--{name} must be at least {lowest}, got {value}")


def between(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuses an option out of its range."""
    if not lowest <= value <= highest:
        raise UserError(f"--{name} must lie between {lowest} and {highest}, got {value}")


# What a field's type is called, and which values have it. NumPy's numbers count as numbers.
KINDS: dict[type, tuple[str, type]] = {
    bool: ("True or False", bool),
    int: ("a whole number", numbers.Integral),
    float: ("a number", numbers.Real),
    str: ("text", str),
    type(None): ("None", type(None)),
}


def refuse_other_values(options: Any) -> None:
    """Refuses a dataclass of options with a value that its field's type does not have.

    Parsers refuse it too, but Python and the config.yaml of a resumed run come by none. Lists are
    left to the options that have them.
    """
    for field in dataclasses.fields(options):
        value, parts = getattr(options, field.name), get_args(field.type) or (field.type,)
        if get_origin(field.type) is Literal:
            if value not in parts:
                raise UserError(f"--{field.name} must be one of {listed(parts)}, got {value}")
            continue
        if get_origin(field.type) is list or not set(parts) <= set(KINDS):
            continue
        kinds = [KINDS[one] for one in parts]
        no_number = isinstance(value, bool) and bool not in parts  # Python takes True for 1
        if no_number or not isinstance(value, tuple(kind for _, kind in kinds)):
            wanted = " or ".join(name for name, _ in kinds)
            raise UserError(f"--{field.name} must be {wanted}, got {value!r}")


def plain_name(option: str, name: str) -> None:
    """Refuses the name of a folder that is a path."""
    if Path(name).name != name or name == "..":
        raise UserError(f"--{option} must be a plain name, not a path, got {name}")


def install_command(extra: str) -> str:
    """The command that installs an extra of this package, from a checkout or beside the wheel."""
    if (Path(__file__).parents[1] / "pyproject.toml").is_file():
        return f'python -m pip install -c constraints.txt -e ".[{extra}]"'
    return f'python -m pip install "tf_muscle[{extra}]"'


def refuse_missing(asked: str, extra: str, modules: Sequence[str]) -> None:
    """Refuses what needs modules of an extra that are not installed.

    Args:
        asked: what needs them, as the user called it.
        extra: of this package, that brings them.
        modules: their top-level names.

    Raises:
        UserError: one is not installed.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{asked} needs {' and '.join(missing)}: {install_command(extra)}")


@contextmanager
def system_errors(place: object, then: str) -> Iterator[None]:
    """Turns a full disk, a read-only one or a missing right into one sentence.

    TensorFlow and HDF5 raise errors of their own for these, with the system's words in the message.

    Args:
        place: what is being written, for errors that name no file.
        then: what to do once there is space.

    Raises:
        UserError: in place of such an error; every other one passes.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        for number, remedy in REMEDIES.items():
            reason = os.strerror(number)
            if getattr(error, "errno", None) == number or reason in str(error):
                file = getattr(error, "filename", None) or place
                raise UserError(f"{file}: {reason}; {remedy}, then {then}") from error
        raise


def printable(text: str) -> str:
    """Writes as escapes what would end the line or steer the terminal that shows a text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: BaseException) -> str:
    """The text of an error whose lines a library has broken."""
    return " ".join(str(error).split())


def shortened(value: object) -> str:
    """A value as text, cut off after `LONGEST` characters."""
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def listed(names: Sequence[object]) -> str:
    """Joins the first `LISTED` names and counts the rest: "a, b, c (and 12 more)"."""
    shown = ", ".join(shortened(name) for name in names[:LISTED])
    rest = len(names) - LISTED
    return f"{shown} (and {rest} more)" if rest > 0 else shown
