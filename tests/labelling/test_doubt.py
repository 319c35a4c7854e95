"""Confident learning on pixels, against values worked out by hand."""

import dataclasses

import numpy as np
import pytest

from tf_muscle.labelling.doubt import Usual, confident_classes, find_doubts, strength, usual

SIZE = 40


def predicted(class_ids: np.ndarray, sure: float = 0.9, class_count: int = 3) -> np.ndarray:
    """Probabilities of a network that is equally sure everywhere: float32 [H, W, K]."""
    rest = (1 - sure) / (class_count - 1)
    return np.where(np.eye(class_count)[class_ids] > 0, sure, rest).astype(np.float32)


def square(class_id: int, top: int = 10, left: int = 10, side: int = 10) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = class_id
    return mask


ALARMS = np.linspace(0.01, 0.80, 80)
EVEN = Usual(
    confidence=np.full(3, 0.5),
    area=np.full(3, 100 / SIZE**2),
    low=np.full(3, 0.5),
    alarms=(np.empty(0), ALARMS, ALARMS),
)


def test_what_is_usual() -> None:
    """Of four pixels of class 1, whose probabilities are .8, .6, .4 and .2, the mean is .5."""
    mask = np.array([[0, 0, 1, 1], [255, 0, 0, 0]], np.uint8)
    other = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], np.uint8)
    nothing = np.zeros((2, 4), np.uint8)
    ones, others, alarm = (np.zeros((2, 4, 3), np.float32) for _ in range(3))
    ones[..., 0] = 0.7
    ones[0, 2:, 1] = 0.8, 0.6
    ones[1, 0] = 0, 9, 9  # nobody labelled it
    others[..., 0] = 0.9
    others[0, :2, 1] = 0.4, 0.2
    alarm[0, 0, 1] = 0.4
    found = usual([(mask, ones), (other, others), (nothing, alarm)], 3)
    assert found.confidence[:2] == pytest.approx([(5 * 0.7 + 6 * 0.9) / 19, 0.5])
    assert found.confidence[2] == np.inf  # without a pixel
    assert found.area[1] == pytest.approx(2 / 8)
    assert found.low[1] == pytest.approx(0.3 + 0.25 * (0.7 - 0.3))  # of the photos' .7 and .3
    # One photo lacks class 1; a square of its area, 2 pixels, is 1 pixel wide.
    assert found.alarms[1] == pytest.approx([0.4])
    assert not len(found.alarms[2])


def test_strength_is_the_mean_over_the_usual_area() -> None:
    """A square of 10x10 pixels finds all of the 5x10 that are predicted with .8."""
    probabilities = np.zeros((SIZE, SIZE, 3), np.float32)
    probabilities[20:25, 20:30, 1] = 0.8
    found = strength(square(0), probabilities, 1, 100 / SIZE**2)
    assert found.max() == pytest.approx(0.4)
    # Where another class is annotated nothing counts, nor within 2 pixels of what is annotated.
    assert strength(square(2, 20, 20), probabilities, 1, 100 / SIZE**2).max() == 0
    near = strength(square(1, 10, 20), probabilities, 1, 100 / SIZE**2)
    assert near.max() == pytest.approx(0.8 * 3 * 10 / 100)


def test_the_likeliest_class_that_reaches_its_threshold() -> None:
    """The likeliest class by itself, the background, does not reach its own."""
    probabilities = np.array([[[0.6, 0.3, 0.1], [0.96, 0.02, 0.02], [0.5, 0.2, 0.3]]])
    confidence = np.array([0.95, 0.3, np.inf])
    found = confident_classes(np.array([[0, 1, 2]], np.uint8), probabilities, confidence)
    assert found.tolist() == [[1, 0, 2]]
    void = np.full((1, 3), 255, np.uint8)
    assert (confident_classes(void, probabilities, confidence) == 255).all()


@pytest.mark.parametrize(
    ("annotated", "seen", "kind", "class_id"),
    [(0, 1, "missed", 1), (2, 0, "marked", 2), (1, 2, "wrong class", 2)],
)
def test_kinds(annotated: int, seen: int, kind: str, class_id: int) -> None:
    (doubt,) = find_doubts(square(annotated), predicted(square(seen)), EVEN)
    assert doubt.kind == kind
    assert (doubt.annotated, doubt.predicted, doubt.class_id) == (annotated, seen, class_id)
    assert (doubt.region == (square(1) > 0)).all()


def test_scores() -> None:
    """The probability of what is annotated is .05 where .5 is low; of what is not, above all."""
    (marked,) = find_doubts(square(1), predicted(square(0)), EVEN)
    assert marked.score == pytest.approx(1 - 0.05 / 0.5)
    (half,) = find_doubts(square(1), predicted(square(0), sure=0.5), EVEN)
    assert half.score == pytest.approx(1 - 0.25 / 0.5)
    (small,) = find_doubts(square(1, side=5), predicted(square(0)), EVEN)
    assert small.score == pytest.approx(0.9 / 2)  # a quarter of the usual area
    (missed,) = find_doubts(square(0), predicted(square(1)), EVEN)
    assert missed.score == pytest.approx(1)
    # A mean of .785 over the square is more than 78 of the 80 alarms, of which 76 are usual.
    (weaker,) = find_doubts(square(0), predicted(square(1), sure=0.785), EVEN)
    assert weaker.score == pytest.approx((78 / 80 - 0.95) / 0.05)


def test_a_usual_alarm_is_no_doubt() -> None:
    assert find_doubts(square(0), predicted(square(1), sure=0.7), EVEN) == []


def test_agreement_is_no_doubt() -> None:
    assert find_doubts(square(1), predicted(square(1)), EVEN) == []


def test_a_ragged_edge_ranks_below_a_missed_muscle() -> None:
    """One more row along the outline, and a muscle of the size that is usual."""
    grown = square(1)
    grown[9, 10:20] = 1
    grown[25:35, 25:35] = 2
    missed, edge = find_doubts(square(1), predicted(grown), EVEN)
    assert (missed.kind, missed.predicted) == ("missed", 2)
    assert (edge.kind, edge.annotated, edge.predicted) == ("ragged edge", 0, 1)
    assert edge.region.sum() == 10
    assert edge.score < missed.score / 2


def test_an_edge_that_is_annotated_and_not_seen() -> None:
    smaller = square(1)
    smaller[10] = 0
    (edge,) = find_doubts(square(1), predicted(smaller), EVEN)
    assert (edge.kind, edge.annotated, edge.predicted) == ("ragged edge", 1, 0)
    assert edge.region.sum() == 10


def test_a_part_of_another_class() -> None:
    """The lower four of ten rows."""
    mixed = square(1)
    mixed[16:20, 10:20] = 2
    usual_here = dataclasses.replace(EVEN, low=np.full(3, 0.3))
    (part,) = find_doubts(square(1), predicted(mixed), usual_here)
    assert (part.kind, part.annotated, part.predicted) == ("wrong class", 1, 2)
    assert part.region.sum() == 40
    assert part.score == pytest.approx((1 - 0.05 / 0.3) * 0.4)


def test_a_small_muscle_that_is_not_seen_is_no_edge() -> None:
    """All of it lies within an edge's width of its outline."""
    small = dataclasses.replace(EVEN, area=EVEN.area / 25)
    (doubt,) = find_doubts(square(1, side=2), predicted(square(0)), small)
    assert doubt.kind == "marked"


def test_a_class_that_is_seldom_recognised_is_doubted_less() -> None:
    """The same disagreement, where the network is usually as unsure of the class, or much less."""
    mask, seen = square(1), predicted(square(0), sure=0.6)
    (usually_sure,) = find_doubts(mask, seen, dataclasses.replace(EVEN, low=np.full(3, 0.8)))
    assert usually_sure.score == pytest.approx(1 - 0.2 / 0.8)
    seldom = dataclasses.replace(EVEN, confidence=np.array([0.95, 0.3, 0.3]), low=np.full(3, 0.1))
    assert find_doubts(mask, seen, seldom) == []


def test_specks_and_unlabelled_pixels_are_left_out() -> None:
    speck = predicted(square(1, side=2))
    assert find_doubts(square(0), speck, EVEN) == []
    void = np.where(square(1) > 0, np.uint8(255), np.uint8(0))
    assert find_doubts(void, predicted(square(1)), EVEN) == []
