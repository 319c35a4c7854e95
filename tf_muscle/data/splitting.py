"""Which photo is in which split: shared photos found, missing splits set aside."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tf_muscle.data.records import Example
from tf_muscle.errors import UserError

HELD_OUT = 0.1  # of the sources, for each of valid and test: 80/10/10


def shared_sources(splits: Mapping[str, Sequence[Example]]) -> dict[str, list[str]]:
    """Finds the sources that lie in more than one split: source name -> those splits."""
    found: dict[str, list[str]] = defaultdict(list)
    for split, examples in splits.items():
        for source in dict.fromkeys(example.source_name for example in examples):
            found[source].append(split)
    return {source: names for source, names in sorted(found.items()) if len(names) > 1}


def set_aside(
    train: Sequence[Example], missing: Sequence[str], seed: int
) -> dict[str, tuple[Example, ...]]:
    """Takes the missing splits out of the training examples.

    Sources are ranked by a hash of the seed and their name and move with all their copies, so that
    the outcome depends on neither order nor platform, and augmented copies of a photo never part.

    Args:
        train: the examples to divide.
        missing: the splits to fill, "valid" and/or "test".
        seed: gives another division.

    Returns:
        The examples of "train" and of each missing split, each at least one source.

    Raises:
        UserError: there are fewer sources than splits to fill.
    """
    ranked = sorted(
        {example.source_name for example in train},
        key=lambda source: hashlib.sha256(f"{seed}/{source}".encode()).digest(),
    )
    if len(ranked) <= len(missing):
        raise UserError(
            f"train holds {len(ranked)} source photos, too few to set {' and '.join(missing)} "
            "aside; add photos or export with a split made in Roboflow."
        )
    size = max(1, round(HELD_OUT * len(ranked)))
    chosen = dict.fromkeys(ranked, "train")
    for number, split in enumerate(missing):
        chosen.update(dict.fromkeys(ranked[number * size : (number + 1) * size], split))
    return {
        split: tuple(example for example in train if chosen[example.source_name] == split)
        for split in ("train", *missing)
    }
