"""What was planted in probabilities is found again; what is only noise is not taken for a gain."""

import numpy as np
import pytest

from tf_muscle.data.marking import tempered
from tf_muscle.model.calibrating import choose, fit_temperature
from tf_muscle.roboflow.records import VOID
from tf_muscle.runs.calibration import Calibration


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def drawn(random: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """Masks whose pixels are of each class as often as the probabilities say."""
    sums = probabilities.cumsum(axis=-1)
    return (random.random((*sums.shape[:-1], 1)) > sums[..., :-1]).sum(axis=-1).astype(np.uint8)


@pytest.mark.parametrize("planted", [3.0, 1.0, 0.5])
def test_a_planted_temperature_is_recovered(planted: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (20, 48, 48, 4))
    logits[..., 0] += 3  # mostly background
    masks = drawn(random, softmax(logits))
    probabilities = softmax(logits * planted).astype(np.float32)
    assert fit_temperature(list(probabilities), list(masks)) == pytest.approx(planted, rel=0.03)


def test_pixels_that_do_not_count_decide_nothing() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (8, 48, 48, 3))
    masks = drawn(random, softmax(logits))
    probabilities = softmax(logits * 2)
    probabilities[:, :, 24:] = softmax(logits[:, :, 24:] * 9)
    masks[:, :, 24:] = VOID
    assert fit_temperature(list(probabilities), list(masks)) == pytest.approx(2.0, rel=0.05)


def test_a_model_that_marks_nothing_keeps_its_temperature() -> None:
    assert fit_temperature([np.tile([0.9, 0.1], (4, 4, 1))], [np.ones((4, 4), np.uint8)]) == 1.0


def photos(random: np.random.Generator, count: int, blur: float) -> tuple[np.ndarray, np.ndarray]:
    """Masks with two muscles each, and logits that know them but for noise."""
    masks = np.zeros((count, 32, 32), np.uint8)
    for mask in masks:
        for muscle in (1, 2):
            top, left = random.integers(0, 20, 2)
            mask[top : top + 10, left : left + 10] = muscle
    logits = 3.0 * np.eye(3)[masks] + random.normal(0, blur, (count, 32, 32, 3))
    return logits, masks


def test_thresholds_that_make_up_for_a_bias_are_found() -> None:
    """A model that is far too careful about the first muscle, and about that alone."""
    logits, masks = photos(np.random.default_rng(2), 20, blur=1.0)
    probabilities = softmax(logits - [0, 3, 0])
    calibration, steps = choose({"none": list(probabilities)}, list(masks), 1.3)
    first, second = calibration.thresholds
    assert first < 0.3 < second
    assert (calibration.temperature, calibration.tta) == (1.3, "none")
    assert steps["thresholds"].kept
    assert steps["thresholds"].gain > 3 * steps["thresholds"].error > 0
    assert not steps["tta"].kept


@pytest.mark.parametrize("seed", range(3))
def test_what_fits_some_photos_alone_is_not_taken(seed: int) -> None:
    """Each photo would have thresholds of its own; what is best for some spoils the others."""
    random = np.random.default_rng(seed)
    logits, masks = photos(random, 20, blur=0.3)
    logits += random.normal(0, 3, (20, 1, 1, 3))
    calibration, steps = choose({"none": list(softmax(logits))}, list(masks))
    assert calibration.thresholds == ()
    assert not steps["thresholds"].kept
    assert steps["thresholds"].error > 0


def test_specks_are_left_out() -> None:
    logits, masks = photos(np.random.default_rng(3), 20, blur=0.2)
    logits[:, ::6, ::6, 2] += 8  # pixels by themselves that look like muscle
    calibration, steps = choose({"none": list(softmax(logits))}, list(masks))
    assert 1 / 32**2 < calibration.smallest_area < 100 / 32**2
    assert steps["smallest_area"].kept


def test_augmentation_is_kept_where_it_helps() -> None:
    random = np.random.default_rng(4)
    logits, masks = photos(random, 20, blur=2.0)
    first = softmax(logits)
    second = softmax(3.0 * np.eye(3)[masks] + random.normal(0, 2.0, logits.shape))
    mean, worse = (first + second) / 2, softmax(random.normal(0, 1, logits.shape))
    maps = {"none": list(first), "mirror": list(mean), "mirror_scale": list(worse)}
    calibration, steps = choose(maps, list(masks))
    assert calibration.tta == "mirror"
    assert steps["tta"].kept
    calibration, steps = choose({"none": list(first), "mirror": list(worse)}, list(masks))
    assert calibration.tta == "none"
    assert steps["tta"].gain == 0


def test_too_few_photos_choose_nothing_but_the_temperature() -> None:
    logits, masks = photos(np.random.default_rng(5), 4, blur=1.0)
    probabilities = softmax(logits - [0, 3, 0])
    calibration, steps = choose({"none": list(probabilities)}, list(masks), 0.8)
    assert calibration == Calibration(0.8)
    assert not any(step.kept for step in steps.values())


def test_a_muscle_that_is_in_no_mask_gets_the_middle() -> None:
    logits, masks = photos(np.random.default_rng(6), 20, blur=1.0)
    masks[masks == 2] = 0
    probabilities = softmax(np.where(np.arange(3) == 1, logits - 3, logits))
    calibration, _ = choose({"none": list(probabilities)}, list(masks))
    assert calibration.thresholds[1] == 0.5


def test_sizes_may_differ() -> None:
    random = np.random.default_rng(7)
    maps, masks = [], []
    for size in ((20, 30), (30, 20), (25, 25), (9, 40), (40, 9)):
        logits = random.normal(0, 1, (*size, 3))
        masks.append(drawn(random, softmax(logits)))
        maps.append(softmax(2 * logits))
    temperature = fit_temperature(maps, masks)
    assert temperature == pytest.approx(2, rel=0.2)
    choose({"none": [tempered(one, temperature) for one in maps]}, masks, temperature)
