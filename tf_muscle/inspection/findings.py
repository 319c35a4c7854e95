"""What the checks look at and what they find.

What a finding costs the user is its severity:
    error: the scores would be wrong, or training refuses the export;
    warning: training would go on, on something that is probably a mistake;
    note: worth knowing, and often as it should be. Notes alone leave an export clean.
"""

from dataclasses import dataclass
from typing import Literal

from tf_muscle.inspection.leakage import Links
from tf_muscle.inspection.measure import Survey

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """What one check has found.

    Attributes:
        check: name of the check.
        severity: "error", "warning" or "note", see above.
        sentence: what was found and what to do about it.
        groups: the images that show it, by their index in `Survey.images`; those of one group
            belong together.
        show_masks: the masks are what should be looked at, not the photos.
        files: the images of `groups` as their user finds them: "train/X.jpg".
    """

    check: str
    severity: Severity
    sentence: str
    groups: tuple[tuple[int, ...], ...] = ()
    show_masks: bool = True
    files: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Attributes:
        survey: what was measured of the export.
        links: pairs of its images that look alike or are neighbouring frames.
        refusal: why training refuses the export unless leakage is allowed, None if it does not.
    """

    survey: Survey
    links: Links
    refusal: str | None
