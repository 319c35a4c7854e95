"""Confident learning on pixels, against values worked out by hand."""

import numpy as np
import pytest

from tf_muscle.labelling.doubt import Usual, confident_classes, find_doubts, usual

SIZE = 40


def predicted(class_ids: np.ndarray, sure: float = 0.9, class_count: int = 3) -> np.ndarray:
    """Probabilities of a network that is equally sure everywhere: float32 [H, W, K]."""
    rest = (1 - sure) / (class_count - 1)
    return np.where(np.eye(class_count)[class_ids] > 0, sure, rest).astype(np.float32)


def square(class_id: int, top: int = 10, left: int = 10, side: int = 10) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = class_id
    return mask


EVEN = Usual(np.full(3, 0.5), np.full(3, 100 / SIZE**2))


def test_what_is_usual() -> None:
    """Of four pixels of class 1, whose probabilities are .8, .6, .4 and .2, the mean is .5."""
    mask = np.array([[0, 0, 1, 1], [255, 0, 0, 0]], np.uint8)
    other = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], np.uint8)
    ones = np.zeros((2, 4, 3), np.float32)
    ones[..., 0] = 0.7
    ones[0, 2:, 1] = 0.8, 0.6
    ones[1, 0] = 0, 9, 9  # nobody labelled it
    others = np.zeros((2, 4, 3), np.float32)
    others[..., 0] = 0.9
    others[0, :2, 1] = 0.4, 0.2
    found = usual([(mask, ones), (other, others)], 3)
    assert found.confidence[:2] == pytest.approx([(5 * 0.7 + 6 * 0.9) / 11, 0.5])
    assert found.confidence[2] == np.inf  # without a pixel
    assert found.area[1] == pytest.approx(2 / 8)


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
    assert 0 < doubt.score <= 1


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


def test_a_small_muscle_that_is_not_seen_is_no_edge() -> None:
    """All of it lies within an edge's width of its outline."""
    (doubt,) = find_doubts(
        square(1, side=2), predicted(square(0)), Usual(EVEN.confidence, EVEN.area / 25)
    )
    assert doubt.kind == "marked"


def test_a_class_that_is_seldom_recognised_is_doubted_less() -> None:
    """The same disagreement, where the network is usually as sure of the class, or much less."""
    mask, seen = square(1), predicted(square(0), sure=0.6)
    (usually_sure,) = find_doubts(mask, seen, Usual(np.array([0.5, 0.9, 0.9]), EVEN.area))
    seldom = find_doubts(mask, seen, Usual(np.array([0.95, 0.2, 0.2]), EVEN.area))
    assert usually_sure.kind == "marked"
    assert not seldom or seldom[0].score < usually_sure.score


def test_specks_and_unlabelled_pixels_are_left_out() -> None:
    speck = predicted(square(1, side=1))
    assert find_doubts(square(0), speck, EVEN) == []
    void = np.where(square(1) > 0, np.uint8(255), np.uint8(0))
    assert find_doubts(void, predicted(square(1)), EVEN) == []
