import numpy as np
import pytest

from tf_muscle.data.marking import likeliest, mark, tempered, without_specks
from tf_muscle.runs.calibration import Calibration


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_temperature_divides_the_logits(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 6, (7, 9, 4))
    found = tempered(softmax(logits).astype(np.float32), temperature)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, softmax(logits / temperature), atol=1e-6)
    np.testing.assert_array_equal(found.argmax(-1), logits.argmax(-1))


def test_a_probability_of_zero_stays_zero() -> None:
    found = tempered(np.array([[1.0, 0.0, 0.0]], np.float32), 3.0)
    np.testing.assert_array_equal(found, [[1, 0, 0]])


def test_the_likeliest_muscle_has_to_reach_its_threshold() -> None:
    probabilities = np.array(
        [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.56, 0.2, 0.24], [0.1, 0.45, 0.45]]]
    )
    np.testing.assert_array_equal(likeliest(probabilities), [[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(likeliest(probabilities, (0.5, 0.5)), [[0, 1, 0, 0, 0]])
    # Lower ones mark where the background is likelier, too.
    np.testing.assert_array_equal(likeliest(probabilities, (0.3, 0.5)), [[1, 1, 0, 0, 1]])
    np.testing.assert_array_equal(likeliest(probabilities, (0.9, 0.2)), [[0, 0, 2, 2, 0]])
    assert likeliest(probabilities, (0.3, 0.5)).dtype == np.uint8


def test_small_regions_become_background() -> None:
    mask = np.array(
        [
            [1, 1, 0, 2, 0],
            [1, 0, 0, 0, 2],
            [0, 2, 2, 0, 0],
            [0, 2, 2, 0, 1],
        ],
        np.uint8,
    )
    kept = mask.copy()
    assert without_specks(mask, 0.0) is mask
    # Pixels that touch by a corner are two regions. Of 20 pixels, 0.1 are 2 and 0.2 are 4.
    kept[0, 3] = kept[1, 4] = kept[3, 4] = 0
    np.testing.assert_array_equal(without_specks(mask, 0.1), kept)
    kept[:2, :2] = 0
    np.testing.assert_array_equal(without_specks(mask, 0.2), kept)
    np.testing.assert_array_equal(without_specks(mask, 0.21), np.zeros_like(mask))
    assert mask[0, 3] == 2  # the mask itself is left as it was


def test_thresholds_come_before_the_area() -> None:
    probabilities = np.full((4, 4, 2), 0.5)
    probabilities[..., 1] = [[0.9, 0.4, 0, 0], [0.4, 0.4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0.9]]
    expected = np.zeros((4, 4))
    expected[:2, :2] = 1
    calibration = Calibration(thresholds=(0.3,), smallest_area=0.2)
    np.testing.assert_array_equal(mark(probabilities, calibration), expected)
