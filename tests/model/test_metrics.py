import itertools
import warnings
from collections.abc import Iterable

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from tf_muscle.model.metrics import (
    SCALARS,
    background_only_sentence,
    bootstrap_intervals,
    confusion_matrix,
    floor_mean_iou,
    is_background_only,
    mean_and_spread,
    paired_differences,
    scores,
    summarize,
)

CLASS_NAMES = ["background", "biceps", "triceps", "calf"]
K = len(CLASS_NAMES)


def random_masks(seed: int, true_ids: list[int], predicted_ids: list[int]) -> tuple:
    rng = np.random.default_rng(seed)
    truth = rng.choice(true_ids, (3, 20, 30)).astype(np.uint8)
    guess = rng.choice(predicted_ids, truth.shape).astype(np.uint8)
    agreeing = rng.random(truth.shape) < 0.5
    return truth, np.where(agreeing & np.isin(truth, predicted_ids), truth, guess)


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


def confusions_of_images(count: int) -> np.ndarray:
    """Images of very different quality, [count, K, K]."""
    rng = np.random.default_rng(5)
    return np.stack(
        [
            confusion_matrix(truth, np.where(rng.random(400) < rng.random(), truth, 0), K)
            for truth in rng.integers(0, K, (count, 400))
        ]
    )


def test_bootstrap_of_equal_images_is_a_point() -> None:
    one = confusions_of_images(1)
    intervals = bootstrap_intervals(np.repeat(one, 8, axis=0), np.full(8, 0.5), resamples=200)
    expected = scores(one[0].astype(float)) | {"loss": 0.5}
    for name, (low, high) in intervals.items():
        assert low == pytest.approx(expected[name])
        assert high == pytest.approx(expected[name])


def test_bootstrap_holds_the_score_and_narrows_with_more_images() -> None:
    widths = []
    for count in (10, 160):
        confusions = confusions_of_images(count)
        losses = np.linspace(0.0, 1.0, count)
        point = scores(confusions.sum(axis=0).astype(float)) | {"loss": 0.5}
        intervals = bootstrap_intervals(confusions, losses, resamples=1000)
        assert set(intervals) == {*SCALARS, "loss"}
        for name, (low, high) in intervals.items():
            assert low < point[name] < high
        widths.append(np.diff(intervals["mean_iou"]).item())
    # 16 times the images: a quarter of the width.
    assert 2.5 < widths[0] / widths[1] < 6.0


def test_bootstrap_matches_the_normal_approximation() -> None:
    """The loss, and pixel accuracy of images of one size, are plain means of known error."""
    confusions = confusions_of_images(60)
    accuracy = np.trace(confusions, axis1=1, axis2=2) / 400
    half = 1.96 * accuracy.std() / np.sqrt(60)
    intervals = bootstrap_intervals(confusions, accuracy)
    for name in ("pixel_accuracy", "loss"):
        low, high = intervals[name]
        assert low == pytest.approx(accuracy.mean() - half, abs=0.15 * half)
        assert high == pytest.approx(accuracy.mean() + half, abs=0.15 * half)
    assert bootstrap_intervals(confusions, accuracy, resamples=2000, seed=0) == intervals


def test_bootstrap_bounds_are_95_percent() -> None:
    """4 percent of the half width tell the percentiles 2.5 and 97.5 from 3.5 and 96.5."""
    losses = np.linspace(0.0, 1.0, 200)
    half = 1.96 * losses.std() / np.sqrt(200)
    confusions = np.ones((200, 2, 2), int)
    low, high = bootstrap_intervals(confusions, losses, resamples=10_000)["loss"]
    assert low == pytest.approx(0.5 - half, abs=0.04 * half)
    assert high == pytest.approx(0.5 + half, abs=0.04 * half)


@pytest.mark.parametrize("image", range(3))
def test_bootstrap_draws_every_image(image: int) -> None:
    losses = np.eye(3)[image]
    low, high = bootstrap_intervals(np.ones((3, 2, 2), int), losses, resamples=200)["loss"]
    assert low == 0.0
    assert high >= 2 / 3  # drawn twice of three times: 7 of 27 sets


def test_summary_of_a_split() -> None:
    truth, prediction = random_masks(1, *CASES["a class that is nowhere"])
    pairs = zip(truth, prediction, strict=True)
    confusions = np.stack([confusion_matrix(*pair, K) for pair in pairs])
    record = summarize(confusions, np.array([0.1, 0.2, 0.6]), CLASS_NAMES)
    assert record["loss"] == pytest.approx(0.3)
    assert record["image_count"] == 3
    assert record["iou"]["triceps"] is None
    assert record["dice"]["triceps"] is None
    flat = truth.ravel(), prediction.ravel()
    assert record["iou"]["calf"] == pytest.approx(
        sklearn_metrics.jaccard_score(*flat, labels=[3], average="macro")
    )
    assert record["dice"]["biceps"] == pytest.approx(
        sklearn_metrics.f1_score(*flat, labels=[1], average="macro")
    )
    assert record["pixel_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(*flat))
    for name in SCALARS:
        low, high = record["intervals"][name]
        assert low <= record[name] <= high
    assert record["confusion_matrix"] == confusions.sum(axis=0).tolist()
    assert record["floor_mean_iou"] == pytest.approx((truth == 0).mean() / 3)
    assert record["background_only"] is False
    with pytest.raises(ValueError, match="argument"):  # names of another data set
        summarize(confusions, np.zeros(3), CLASS_NAMES[:-1])
    collapsed = np.stack([confusion_matrix(one, one * 0, K) for one in truth])
    assert summarize(collapsed, np.zeros(3), CLASS_NAMES)["background_only"] is True


def test_void_pixels_do_not_count() -> None:
    truth = np.array([[0, 1, 255], [255, 2, 1]], np.uint8)
    prediction = np.array([[0, 1, 2], [1, 2, 0]], np.uint8)
    expected = [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 3), expected)


def found_and_missed(found: Iterable[int], of: int = 100) -> np.ndarray:
    """Images with so many muscle pixels found, the rest missed: IoU found / of, [N, 2, 2]."""
    return np.array([[[900, 0], [of - one, one]] for one in found])


def test_paired_differences_by_hand() -> None:
    """Two images: sets of the first alone, of both (twice as often), of the second alone."""
    ours, theirs = found_and_missed([80, 40]), found_and_missed([70, 50])
    compared = paired_differences(ours, theirs)
    difference = compared["foreground_mean_iou"]
    assert difference.value == pytest.approx((80 + 40 - 70 - 50) / 200)
    assert (difference.low, difference.high) == pytest.approx((-0.1, 0.1))
    assert difference.pair_count == 2
    # Background: 1800 pixels found, 80 and 80 wrong; the mean over both classes.
    assert compared["mean_iou"].value == pytest.approx(0.0)
    other = paired_differences(found_and_missed([60, 40]), theirs)
    background = 1800 / 1900 - 1800 / 1880
    assert other["mean_iou"].value == pytest.approx((100 / 200 - 120 / 200 + background) / 2)


def test_paired_differences_leave_out_what_both_models_find_hard() -> None:
    hard_and_easy = np.linspace(5, 90, 30).astype(int)
    compared = paired_differences(
        found_and_missed(hard_and_easy + 2), found_and_missed(hard_and_easy)
    )["foreground_mean_iou"]
    assert (compared.value, compared.low, compared.high) == pytest.approx((0.02, 0.02, 0.02))
    assert compared.sign == 1


def test_paired_differences_match_the_normal_approximation() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(20, 90, (2, 60))
    gains = (ours - theirs) / 100
    half = 1.96 * gains.std() / np.sqrt(60)
    compared = paired_differences(found_and_missed(ours), found_and_missed(theirs))
    difference = compared["foreground_mean_iou"]
    assert difference.value == pytest.approx(gains.mean())
    assert difference.low == pytest.approx(gains.mean() - half, abs=0.15 * half)
    assert difference.high == pytest.approx(gains.mean() + half, abs=0.15 * half)


def test_copies_of_one_photo_tell_no_more_than_it() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = (found_and_missed(rng.integers(20, 90, 10)) for _ in range(2))
    once = paired_differences(ours, theirs)
    copies = np.repeat(ours, 4, axis=0), np.repeat(theirs, 4, axis=0)
    grouped = paired_differences(*copies, groups=np.repeat(list("abcdefghij"), 4))
    assert grouped == once
    apart = paired_differences(*copies)["mean_iou"]
    assert apart.value == pytest.approx(once["mean_iou"].value)
    assert apart.high - apart.low < 0.7 * (once["mean_iou"].high - once["mean_iou"].low)


def test_a_planted_difference_is_told_and_none_is_not() -> None:
    """30 experiments with 20 photos; equal models are told apart in one or two of them."""
    rng = np.random.default_rng(2)
    signs: dict[int, list[int]] = {0: [], 8: [], -8: []}
    for _ in range(30):
        hard = rng.uniform(20, 70, 20)
        for gain, found in signs.items():
            ours, theirs = (
                found_and_missed((hard + more + rng.normal(0, 6, 20)).clip(0, 100).astype(int))
                for more in (gain, 0)
            )
            compared = paired_differences(ours, theirs, resamples=300)
            found.append(compared["foreground_mean_iou"].sign)
    assert np.count_nonzero(signs[0]) <= 5
    assert signs[8].count(1) >= 28
    assert signs[-8].count(-1) >= 28


def test_few_images_tell_nothing() -> None:
    """Five that all favour one model: the sign test's p is 2 / 32."""
    found = list(range(20, 70, 10))
    better, worse = found_and_missed([one + 20 for one in found]), found_and_missed(found)
    difference = paired_differences(better, worse)["foreground_mean_iou"]
    assert difference.low > 0
    assert difference.sign == 0
    more = paired_differences(better[[0, 1, 2, 3, 4, 4]], worse[[0, 1, 2, 3, 4, 4]])
    assert more["foreground_mean_iou"].sign == 1
    with pytest.raises(ValueError, match="no pairs"):
        paired_differences(better, worse[:-1])


def test_bootstrap_over_groups_by_hand() -> None:
    """Two groups, drawn twice with replacement, are AA, AB or BB: a quarter, a half, a quarter.

    The bounds of 95 percent are therefore the scores of AA and BB.
    """
    a1, a2, b = np.array([[[90, 10], [0, 0]], [[0, 0], [30, 70]], [[50, 0], [10, 40]]])
    confusions, losses = np.array([a1, b, a2]), np.array([1.0, 4.0, 2.0])
    intervals = bootstrap_intervals(confusions, losses, ["a", "b", "a"])
    # A: hits 70, union 30 + 10 + 70; B: hits 40, union 10 + 40.
    assert intervals["foreground_mean_iou"] == pytest.approx([70 / 110, 40 / 50])
    assert intervals["pixel_accuracy"] == pytest.approx([160 / 200, 90 / 100])
    assert intervals["loss"] == pytest.approx([1.5, 4.0])  # of A's two images, and of B's one
    # Drawn one by one, a set of a1 alone has no hit at all.
    assert bootstrap_intervals(confusions, losses)["foreground_mean_iou"][0] == 0


def test_groups_of_one_image_are_images() -> None:
    rng = np.random.default_rng(0)
    confusions, losses = rng.integers(0, 99, (12, 3, 3)), rng.random(12)
    names = [f"{number:02}" for number in range(12)]
    by_group = bootstrap_intervals(confusions, losses, names)
    for name, interval in bootstrap_intervals(confusions, losses).items():
        assert by_group[name] == pytest.approx(interval)


def test_intervals_over_groups_are_those_of_all_sets_of_groups() -> None:
    """Four groups of unequal size: the 256 possible draws, each as likely, enumerated."""
    rng = np.random.default_rng(1)
    groups = ["a", "b", "b", "c", "c", "c", "d"]
    confusions = rng.integers(1, 99, (7, 2, 2))
    sums = {g: confusions[[g == one for one in groups]].sum(axis=0) for g in "abcd"}
    drawn = [
        scores(sum(sums[g] for g in draw).astype(float))["foreground_mean_iou"]
        for draw in itertools.product("abcd", repeat=4)
    ]
    found = bootstrap_intervals(confusions, np.zeros(7), groups, resamples=20_000)
    expected = np.percentile(drawn, (2.5, 97.5))
    assert found["foreground_mean_iou"] == pytest.approx(expected, abs=0.01)


def test_mean_and_spread_of_folds() -> None:
    folds = [
        summarize(np.array([[[90, 0], [5, 5]]]), np.array([1.0]), ["background", "calf"]),
        summarize(np.array([[[80, 0], [0, 20]]]), np.array([3.0]), ["background", "calf"]),
        summarize(np.array([[[100, 0], [0, 0]]]), np.array([8.0]), ["background", "calf"]),
    ]
    found = mean_and_spread(folds)
    assert found["mean"]["loss"] == 4
    assert found["standard_deviation"]["loss"] == pytest.approx(13**0.5)  # (9 + 1 + 16) / 2
    assert found["mean"]["iou"]["calf"] == 0.75  # the last fold has none
    assert found["standard_deviation"]["iou"]["calf"] == pytest.approx(0.5 / 2**0.5)
    one = mean_and_spread(folds[2:])
    assert one["mean"]["iou"]["calf"] is None
    assert one["standard_deviation"]["loss"] is None
