import warnings

import numpy as np
import pytest
from random_masks import random_masks
from sklearn import metrics as sklearn_metrics

from tf_muscle.model.metrics import (
    SCALARS,
    background_only_sentence,
    confusion_matrix,
    floor_mean_iou,
    is_background_only,
    scores,
)

CLASS_NAMES = ["background", "biceps", "triceps", "calf"]
K = len(CLASS_NAMES)


CASES = {
    "all classes": ([0, 1, 2, 3], [0, 1, 2, 3]),
    "a class that is nowhere": ([0, 1, 3], [0, 1, 3]),
    "a class that is never found": ([0, 1, 2, 3], [0, 1, 3]),
    "a class that is only predicted": ([0, 1, 2], [0, 1, 2, 3]),
    "background alone": ([0], [0]),
    "no background": ([1, 2], [1, 2]),
    "background predicted alone": ([0, 1, 2, 3], [0]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(case: str, seed: int) -> None:
    truth, prediction = random_masks(seed, *CASES[case])
    flat = truth.ravel(), prediction.ravel()
    confusion = confusion_matrix(truth, prediction, K)
    np.testing.assert_array_equal(
        confusion, sklearn_metrics.confusion_matrix(*flat, labels=range(K))
    )

    ours = scores(confusion.astype(float))
    iou = sklearn_metrics.jaccard_score(*flat, labels=range(K), average=None, zero_division=0)
    dice = sklearn_metrics.f1_score(*flat, labels=range(K), average=None, zero_division=0)
    np.testing.assert_allclose(ours["iou"], iou)
    np.testing.assert_allclose(ours["dice"], dice)

    occurring = np.union1d(*flat)
    np.testing.assert_array_equal(np.flatnonzero(ours["present"]), occurring)
    muscles = occurring[occurring > 0]
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "mean_iou": sklearn_metrics.jaccard_score(*flat, labels=occurring, **macro),
        "foreground_mean_iou": (
            sklearn_metrics.jaccard_score(*flat, labels=muscles, **macro) if len(muscles) else 0
        ),
        "pixel_accuracy": sklearn_metrics.accuracy_score(*flat),
        "mean_class_accuracy": sklearn_metrics.recall_score(
            *flat, labels=np.unique(truth), **macro
        ),
        "foreground_pixel_accuracy": (
            sklearn_metrics.accuracy_score(truth[truth > 0], prediction[truth > 0])
            if truth.any()
            else 0
        ),
    }
    assert set(expected) == set(SCALARS)
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-12), name


def test_confusion_matrix_by_hand() -> None:
    truth = np.array([[0, 0], [1, 2]], np.uint8)
    prediction = np.array([[0, 1], [1, 0]], np.uint8)
    expected = [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 3), expected)
    # uint8 would overflow in truth * class_count
    large = confusion_matrix(np.array([99], np.uint8), np.array([98], np.uint8), 100)
    assert large[99, 98] == large.sum() == 1


def test_no_pixel_is_no_division_by_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = scores(np.zeros((K, K)))
    assert all(nothing[name] == 0 for name in SCALARS)


def test_one_pixel_found_is_all_found() -> None:
    right = scores(np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert all(right[name] == 1 for name in SCALARS)
    assert right["dice"].tolist() == right["iou"].tolist() == [0.0, 1.0]
    wrong = scores(np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert wrong["mean_class_accuracy"] == 0.5
    assert wrong["present"].tolist() == [True, True]


def test_floor_is_the_score_of_predicting_background() -> None:
    # 98 percent background and four classes: IoU .98, 0, 0, 0.
    assert floor_mean_iou(np.array([9800, 80, 70, 50])) == pytest.approx(0.98 / 4)
    assert floor_mean_iou(np.array([9800, 0, 150, 50])) == pytest.approx(0.98 / 3)
    assert floor_mean_iou(np.array([100, 0, 0, 0])) == 1.0
    truth, _ = random_masks(0, *CASES["a class that is nowhere"])
    confusion = confusion_matrix(truth, np.zeros_like(truth), K)
    assert floor_mean_iou(confusion.sum(axis=1)) == pytest.approx(
        sklearn_metrics.jaccard_score(
            truth.ravel(), np.zeros(truth.size), labels=[0, 1, 3], average="macro"
        )
    )


def test_background_only_begins_below_one_percent_of_the_foreground() -> None:
    def confusion(found: int) -> np.ndarray:
        return np.array([[9000, 0, 0], [1000 - found, found, 0], [0, 0, 0]])

    assert is_background_only(confusion(0))
    assert is_background_only(confusion(9))
    assert not is_background_only(confusion(10))
    assert not is_background_only(confusion(500))
    assert is_background_only(np.array([[9000, 0], [1, 0]]))
    # With no muscle in the truth, background alone is right.
    assert not is_background_only(np.array([[9000, 0], [0, 0]]))


def test_background_only_sentence() -> None:
    assert background_only_sentence(0.24512, 0.24509) == (
        "background only: mIoU 0.245 is the floor of this data set, 0.2451 (what a model scores "
        "that never predicts a muscle)"
    )


def test_void_pixels_do_not_count() -> None:
    truth = np.array([[0, 1, 255], [255, 2, 1]], np.uint8)
    prediction = np.array([[0, 1, 2], [1, 2, 0]], np.uint8)
    expected = [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 3), expected)
