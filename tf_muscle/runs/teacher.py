"""The model that a run has learned from, and what that means for the run's scores."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Teacher:
    """The model whose probabilities a run has learned.

    Attributes:
        path: as it was given.
        digests: SHA-256 of each of its files, by name.
        seen: by split of the run, how many of its photos the teacher was trained on; None where its
            photos are not known.
    """

    path: str
    digests: Mapping[str, str]
    seen: Mapping[str, int] | None

    @property
    def warning(self) -> str | None:
        """What is wrong with the run's scores for the teacher's sake, in a sentence."""
        better = (
            "makes the scores of this run better than it is: score it on photos that are new to "
            "both, by python -m tf_muscle.evaluate RUN --data EXPORT"
        )
        if self.seen is None:
            return (
                f"it is not known which photos {self.path} was trained on; if photos of this run's "
                f"test or validation split are among them, that {better}"
            )
        if not any(self.seen.values()):
            return None
        counts = " and ".join(f"{count} {split}" for split, count in self.seen.items() if count)
        return f"{self.path} has seen photos that this run holds out ({counts}), which {better}"
