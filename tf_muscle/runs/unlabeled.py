"""The photos without masks that a run has learned from, too: unlabeled.json.

Needs no TensorFlow.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder


@dataclass(frozen=True)
class UnlabeledPhoto:
    """A photo, or a frame of a video, by its name; height and width in pixels as in its file."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class LeftOut:
    """A photo, frame or video that is not learned from.

    Attributes:
        name: what it is called.
        reason: "cannot be read", "one colour", "like a training photo" or "like another one".
        detail: what is wrong with it, or the photo that it is like.
    """

    name: str
    reason: str
    detail: str


@dataclass(frozen=True)
class UnlabeledSummary:
    """What environment.json and the manifest say of them.

    Attributes:
        sources: as they were given.
        count: photos and frames that are learned from.
        left_out: number of the others by reason.
        fingerprint: SHA-256 of the pixels at the network's size, in order.
    """

    sources: Sequence[str]
    count: int
    left_out: Mapping[str, int]
    fingerprint: str

    def __str__(self) -> str:
        others = "".join(f"; {count} {reason}" for reason, count in self.left_out.items())
        left_out = f" Left out{others.replace(';', ':', 1)}." if others else ""
        return f"Photos without masks that it has learned from, too: {self.count:,}.{left_out}"


@dataclass(frozen=True)
class UnlabeledRecord:
    """The content of unlabeled.json; attributes as those of `UnlabeledSummary`."""

    sources: tuple[str, ...]
    fingerprint: str
    photos: tuple[UnlabeledPhoto, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def summary(self) -> UnlabeledSummary:
        """The numbers without the names."""
        reasons = Counter(one.reason for one in self.left_out)
        return UnlabeledSummary(self.sources, len(self.photos), dict(reasons), self.fingerprint)

    def to_json(self) -> dict[str, Any]:
        """The object in unlabeled.json."""
        return dataclasses.asdict(self)


def read_unlabeled(run: RunFolder) -> UnlabeledRecord:
    """Reads unlabeled.json.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        record = json.loads(run.unlabeled.read_text(encoding="utf-8"))
        return UnlabeledRecord(
            tuple(record["sources"]),
            record["fingerprint"],
            tuple(UnlabeledPhoto(**one) for one in record["photos"]),
            tuple(LeftOut(**one) for one in record["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run.unlabeled} cannot be read ({error}): start a new run") from error
