"""From candidates to suggestions: the choice with the numbers and the sentence that explain it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.errors import printable
from tf_muscle.labelling.candidates import Candidate, Place, as_frames
from tf_muscle.labelling.choosing import CANDIDATES, Choice, Chosen, choose
from tf_muscle.labelling.labelled import LabelledPhotos
from tf_muscle.roboflow.split_folder import source_name

# What stands out in a frame, by the field of `Uncertainty`.
CAUSES = {
    "entropy": "The model is undecided near its muscles",
    "disagreement": "The models of the folds disagree on its muscles",
    "flicker": "Its mask flickers from one frame to the next",
}


@dataclass(frozen=True)
class Suggestion:
    """A frame to label, and why.

    Attributes:
        rank: 1 for the first choice.
        candidate: what is known of it.
        distance: see `choosing.Chosen`.
        nearest: the labelled photo or the earlier choice that is this near; None for no such.
        reason: a sentence or two.
    """

    rank: int
    candidate: Candidate
    distance: float | None
    nearest: str | None
    reason: str


def suggest(
    candidates: Sequence[Candidate],
    labelled: LabelledPhotos,
    count: int,
    ratio: float = CANDIDATES,
) -> tuple[list[Suggestion], Choice]:
    """Chooses from candidates, at least one; see `choosing.choose`.

    Returns:
        The suggestions, the first choice first, and the choice with what was left out.
    """
    choice = choose(as_frames(candidates), labelled.known, count, ratio)
    measured = {
        cause: np.array([_value(one, cause) for one in candidates], float) for cause in CAUSES
    }
    suggestions = []
    for rank, chosen in enumerate(choice.chosen, 1):
        nearest = _nearest(chosen, choice, candidates, labelled)
        cause, share = _most_unusual(chosen.index, measured)
        reason = f"{CAUSES[cause]}, more than in {share:.0%} of what was looked at."
        if chosen.distance is None:
            reason += " Nothing is known to be labelled, and nothing was chosen before it."
        else:
            reason += (
                f" Of all that is labelled or chosen before it, {nearest} is most like it, at a "
                f"distance of {chosen.distance:.2f}."
            )
        candidate = candidates[chosen.index]
        suggestions.append(Suggestion(rank, candidate, chosen.distance, nearest, reason))
    return suggestions, choice


def place_label(place: Place) -> str:
    """Names a picture, without what Roboflow adds to its name: "curl.mp4 at 0:12.5"."""
    name = place.path.name
    name = printable(source_name(name) if ".rf." in name else name)
    if place.seconds is None:
        return name
    minutes, seconds = divmod(place.seconds, 60)
    return f"{name} at {minutes:.0f}:{seconds:04.1f}"


def _value(candidate: Candidate, cause: str) -> float:
    value = getattr(candidate.uncertainty, cause)
    return np.nan if value is None else value


def _most_unusual(index: int, measured: dict[str, np.ndarray]) -> tuple[str, float]:
    """Of what is known of a candidate, that in which it surpasses most others, and their share."""
    shares = {
        cause: float(np.mean(values[~np.isnan(values)] < values[index]))
        for cause, values in measured.items()
        if not np.isnan(values[index])
    }
    cause = max(shares, key=lambda cause: shares[cause])
    return cause, shares[cause]


def _nearest(
    chosen: Chosen, choice: Choice, candidates: Sequence[Candidate], labelled: LabelledPhotos
) -> str | None:
    if chosen.labelled is not None:
        return labelled.names[chosen.labelled]
    if chosen.earlier is not None:
        return place_label(candidates[choice.chosen[chosen.earlier].index].place)
    return None
