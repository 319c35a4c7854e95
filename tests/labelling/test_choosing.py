import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tf_muscle.inspection.leakage import NEAR
from tf_muscle.labelling.choosing import Frames, Labelled, choose, furthest

NOTHING = Labelled(np.empty((0, 1)), np.empty((0, 2, 4), np.uint64))


def hashes(count: int, seed: int = 0) -> np.ndarray:
    """Hashes of pictures that have nothing to do with each other."""
    random = np.random.default_rng(seed)
    return random.integers(0, 2**64, (count, 2, 4), np.uint64)


def frames(
    uncertainty: list[float],
    features: np.ndarray | None = None,
    areas: np.ndarray | None = None,
    videos: list[int] | None = None,
) -> Frames:
    count = len(uncertainty)
    return Frames(
        np.array(uncertainty, float),
        np.eye(count) if features is None else features,
        np.zeros((count, 1)) if areas is None else areas,
        hashes(count),
        np.array(videos if videos else [-1] * count),
    )


def flipped(one: np.ndarray, bits: int) -> np.ndarray:
    """A hash, uint64 [4], with its first bits turned over."""
    unpacked = np.unpackbits(one.view(np.uint8))
    unpacked[:bits] ^= 1
    return np.packbits(unpacked).view(np.uint64)


def test_the_furthest_come_first() -> None:
    """By hand, on a line with something labelled at 0 and at 12."""
    points = np.array([[1.0], [7.0], [5.0], [11.0]])
    chosen = furthest(points, np.array([[0.0], [12.0]]), 9)
    assert [(one.index, one.distance) for one in chosen] == [(1, 5), (2, 2), (0, 1), (3, 1)]
    assert [one.labelled for one in chosen] == [1, None, 0, 1]
    assert [one.earlier for one in chosen] == [None, 0, None, None]


def test_without_labels_the_first_is_taken_and_then_the_furthest_from_it() -> None:
    chosen = furthest(np.array([[1.0], [2.0], [9.0]]), np.empty((0, 1)), 2)
    assert [(one.index, one.distance, one.earlier) for one in chosen] == [
        (0, None, None),
        (2, 8, 0),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_no_point_is_left_further_than_twice_the_best(seed: int) -> None:
    """What the greedy choice is known for (Gonzalez 1985), against all choices there are."""
    points = np.random.default_rng(seed).random((12, 2))
    between = cdist(points, points)
    best = min(
        between[:, list(some)].min(axis=1).max() for some in itertools.combinations(range(12), 3)
    )
    chosen = [one.index for one in furthest(points, np.empty((0, 2)), 3)]
    assert between[:, chosen].min(axis=1).max() <= 2 * best


def test_the_more_uncertain_are_taken_and_of_them_the_furthest_apart() -> None:
    features = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0], [0, -1]], float)
    some = frames([0.9, 0.8, 0.7, 0.6, 0.1], features)
    assert [one.index for one in choose(some, NOTHING, 2, 1).chosen] == [0, 1]
    assert {one.index for one in choose(some, NOTHING, 2, 2).chosen} == {0, 3}
    assert len(choose(some, NOTHING, 9, 2).chosen) == 5
    assert [one.index for one in choose(some, NOTHING, 5, np.inf).chosen][:2] == [0, 3]


def test_near_copies_are_left_out() -> None:
    some = frames([0.9, 0.8, 0.7, 0.6])
    some.hashes[1, 0] = flipped(some.hashes[0, 0], NEAR)
    some.hashes[2, 1] = flipped(some.hashes[0, 0], NEAR)  # its mirror image
    some.hashes[3, 0] = flipped(some.hashes[0, 0], NEAR + 1)
    choice = choose(some, NOTHING, 4)
    assert sorted(one.index for one in choice.chosen) == [0, 3]
    assert (choice.copies, choice.copies_of_labelled, choice.phases) == (2, 0, 0)
    labelled = Labelled(np.eye(4)[:1], some.hashes[:1])
    choice = choose(some, labelled, 4)
    assert [one.index for one in choice.chosen] == [3]
    assert choice.copies_of_labelled == 3


def repetitions(count: int, length: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Features and areas of frames in which an arm goes up and down a number of times."""
    random = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(count * length) / length
    noise = random.normal(0, 0.02, (len(phase), 2))
    return np.stack([np.cos(phase), np.sin(phase)], axis=1) + noise, 0.02 + 0.01 * np.cos(phase)


def test_a_phase_of_a_repetition_is_chosen_once() -> None:
    features, areas = repetitions(5)
    uncertainty = np.random.default_rng(1).random(len(features)).tolist()
    video = frames(uncertainty, features, areas[:, None], [0] * len(features))
    choice = choose(video, NOTHING, 40)
    phases = [one.index % 10 for one in choice.chosen]
    assert len(phases) == len(set(phases))
    assert len(phases) >= 4  # up, down and on the way
    assert choice.phases == len(features) - len(phases)


def test_the_same_phase_counts_in_another_video_and_in_photos() -> None:
    features, areas = repetitions(2)
    uncertainty = [0.5] * len(features)
    one = frames(uncertainty, features, areas[:, None], [0] * len(features))
    two = frames(uncertainty, features, areas[:, None], [0] * 10 + [1] * 10)
    assert len(choose(two, NOTHING, 40).chosen) == 2 * len(choose(one, NOTHING, 40).chosen)
    photos = frames(uncertainty, features, areas[:, None])
    assert len(choose(photos, NOTHING, 40).chosen) == len(features)
