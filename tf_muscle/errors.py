"""The one exception that a command shows to its user without a traceback."""

from collections.abc import Sequence

LISTED = 10  # enough to see the pattern, few enough to read


class UserError(Exception):
    """A mistake that the user can mend.

    The message is one sentence: the file or option, what was received, the fix. Commands print it
    after "error: " and exit with code 2.
    """


def listed(names: Sequence[object]) -> str:
    """Joins the first `LISTED` names and counts the rest: "a, b, c (and 12 more)"."""
    shown = ", ".join(str(name) for name in names[:LISTED])
    rest = len(names) - LISTED
    return f"{shown} (and {rest} more)" if rest > 0 else shown
