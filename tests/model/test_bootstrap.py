import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from tf_muscle.model.bootstrap import bootstrap_intervals, paired_differences
from tf_muscle.model.metrics import SCALARS, confusion_matrix, scores

K = 4


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
