import numpy as np
import pytest

from tf_muscle.labelling.uncertainty import measure_uncertainty


def everywhere(*networks: tuple[float, ...]) -> np.ndarray:
    """The same probabilities in each of 16x16 pixels, one network after the other."""
    return np.array([np.broadcast_to(one, (16, 16, len(one))) for one in networks], np.float32)


def test_entropy_is_a_part_of_the_most_that_there_can_be() -> None:
    assert measure_uncertainty(everywhere((1 / 3, 1 / 3, 1 / 3))).entropy == pytest.approx(1)
    assert measure_uncertainty(everywhere((1, 0, 0))).entropy == pytest.approx(0, abs=1e-6)
    # By hand: two of four equally likely classes, log 2 / log 4.
    assert measure_uncertainty(everywhere((0.5, 0.5, 0, 0))).entropy == pytest.approx(0.5)


def test_networks_that_are_sure_of_different_classes_disagree() -> None:
    apart = measure_uncertainty(everywhere((1, 0), (0, 1)))
    assert apart.entropy == pytest.approx(1)
    assert apart.disagreement == pytest.approx(1)
    unsure = measure_uncertainty(everywhere((0.5, 0.5), (0.5, 0.5)))
    assert unsure.entropy == pytest.approx(1)
    assert unsure.disagreement == pytest.approx(0, abs=1e-6)
    # By hand, in bits: H(0.5) - H(0.75) = 1 - 0.8113
    assert measure_uncertainty(everywhere((0.75, 0.25), (0.25, 0.75))).disagreement == (
        pytest.approx(0.1887, abs=1e-4)
    )


def test_flicker_is_the_probability_that_moves_to_other_classes() -> None:
    before, after = everywhere((0.7, 0.2, 0.1)), everywhere((0.4, 0.2, 0.4))
    measured = measure_uncertainty(before, after)
    assert measured.flicker == pytest.approx(0.3)
    assert measured.disagreement is None
    assert measured.total == pytest.approx(measured.entropy + 0.3)
    assert measure_uncertainty(before).flicker is None


def test_background_far_from_muscle_does_not_count() -> None:
    """The mean over all pixels would be a quarter as large in the larger picture."""
    small = np.zeros((1, 64, 64, 2), np.float32)
    small[..., 0] = 1
    small[:, 24:40, 24:40] = 0.5
    large = np.zeros((1, 128, 128, 2), np.float32)
    large[..., 0] = 1
    large[:, 32:96, 32:96] = small
    of_small, of_large = (measure_uncertainty(one).entropy for one in (small, large))
    assert of_small > 0.6
    assert of_large > 0.7 * of_small
