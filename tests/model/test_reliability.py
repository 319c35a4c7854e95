import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tf_muscle.model.reliability import BINS, reliability, total

NAMES = ("background", "biceps", "calf")


def test_error_by_hand() -> None:
    probabilities = np.array(
        [
            [0.90, 0.05, 0.05],  # right
            [0.92, 0.04, 0.04],  # wrong, in the bin from 13/15 to 14/15 of the first
            [0.10, 0.70, 0.20],  # right
            [0.25, 0.72, 0.03],  # right, in the bin of the one before
            [0.40, 0.50, 0.10],  # wrong
            [0.00, 0.00, 1.00],  # wrong; the last bin has 1 in it
            [0.00, 1.00, 0.00],  # does not count
        ]
    )
    found = reliability(np.array([0, 1, 1, 1, 0, 1, 255]), probabilities)
    record = found.record(NAMES)
    assert record["classes"]["background"] == pytest.approx(abs(1 / 2 - 0.91))
    assert record["classes"]["biceps"] == pytest.approx((2 * (1 - 0.71) + 0.5) / 3)
    assert record["classes"]["calf"] == pytest.approx(1.0)
    assert record["foreground"] == pytest.approx((2 * (1 - 0.71) + 0.5 + 1) / 4)
    assert record["all"] == pytest.approx((2 * 0.41 + 2 * (1 - 0.71) + 0.5 + 1) / 6)
    confidence, right, pixels = found.curve(slice(1, None))
    np.testing.assert_allclose(confidence, [0.5, 0.71, 1.0])
    np.testing.assert_allclose(right, [0, 1, 0])
    np.testing.assert_array_equal(pixels, [1, 2, 1])


def test_the_curve_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet((3, 1, 1), (4, 30, 30))
    truth = random.integers(0, 3, (4, 30, 30))
    confidence, right, _ = reliability(truth, probabilities).curve(slice(None))
    expected_right, expected_confidence = calibration_curve(
        (probabilities.argmax(-1) == truth).ravel(), probabilities.max(-1).ravel(), n_bins=BINS
    )
    np.testing.assert_allclose(confidence, expected_confidence)
    np.testing.assert_allclose(right, expected_right)


def test_photos_add_up() -> None:
    random = np.random.default_rng(1)
    probabilities = random.dirichlet((3, 1, 1), (4, 9, 9))
    truth = random.integers(0, 3, (4, 9, 9))
    parts = [reliability(mask, one) for mask, one in zip(truth, probabilities, strict=True)]
    whole = reliability(truth, probabilities)
    for classes in (slice(None), slice(1, None), slice(2, 3)):
        assert total(parts).error(classes) == pytest.approx(whole.error(classes))


def test_a_class_that_is_never_marked_has_no_error() -> None:
    record = reliability(np.zeros((2, 2), int), np.tile([0.9, 0.1, 0.0], (2, 2, 1))).record(NAMES)
    assert record["foreground"] is None
    assert record["classes"] == {"background": pytest.approx(0.1), "biceps": None, "calf": None}
