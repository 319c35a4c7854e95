from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from light_model import light

from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction.frames import Frame
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.smoothing import averaged, smoothed

HEIGHT, WIDTH = 96, 128


def scene(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture with something to see everywhere: RGB, uint8 [height, width, 3]."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    levels = np.clip(128 + 50 * blurred / (blurred.std() or 1), 0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


def probabilities(muscle: np.ndarray) -> np.ndarray:
    """Of background and one muscle, float32 [H, W, 2]."""
    return np.stack([1 - muscle, muscle], axis=-1).astype(np.float32)


def constant(value: float) -> np.ndarray:
    return probabilities(np.full((12, 16), value))


def expected(seconds: np.ndarray, values: np.ndarray, smooth: float, ahead: int) -> np.ndarray:
    """The weighted means written out."""
    constant = smooth / 2 if ahead else smooth
    weights = np.exp(-np.abs(seconds[:, None] - seconds[None]) / constant)
    frames = np.arange(len(seconds))
    weights[frames[None] > frames[:, None] + ahead] = 0
    return (weights * values).sum(axis=1) / weights.sum(axis=1)


@pytest.mark.parametrize("ahead", [0, 1, 5, 50])
@pytest.mark.parametrize("rate", [8, 25, None])
def test_the_average_is_the_weighted_mean(rate: int | None, ahead: int) -> None:
    random = np.random.default_rng(0)
    seconds = np.cumsum(random.uniform(0.01, 0.2, 40)) if rate is None else np.arange(40) / rate
    values = random.random(40)
    picture = scene(0)
    given = [(Frame(s, picture), constant(v)) for s, v in zip(seconds, values, strict=True)]
    found = list(averaged(given, 0.3, look_ahead=ahead))
    assert [frame.seconds for frame, _ in found] == seconds.tolist()
    for (_, mean), value in zip(found, expected(seconds, values, 0.3, ahead), strict=True):
        np.testing.assert_allclose(mean, constant(value), atol=1e-5)


@pytest.mark.parametrize("ahead", [0, 4])
def test_nothing_is_averaged_over_a_cut(ahead: int) -> None:
    given = [
        (Frame(i / 25, scene(int(i >= 10))), constant(0.9 if i >= 10 else 0.1)) for i in range(20)
    ]
    values = [mean[0, 0, 1] for _, mean in averaged(given, 0.5, look_ahead=ahead)]
    np.testing.assert_allclose(values, [0.1] * 10 + [0.9] * 10, atol=1e-6)


def test_a_lamp_that_flickers_is_no_cut() -> None:
    random = np.random.default_rng(0)
    values = random.random(20)
    levels = 20 * random.standard_normal(20)
    seconds = np.arange(20) / 25
    given = [
        (Frame(s, np.clip(0.5 * scene(0) + 60 + level, 0, 255).astype(np.uint8)), constant(v))
        for s, level, v in zip(seconds, levels, values, strict=True)
    ]
    found = [mean[5, 5, 1] for _, mean in averaged(given, 0.2)]
    np.testing.assert_allclose(found, expected(seconds, values, 0.2, 0), atol=0.02)


def moving_disc(noise: float) -> tuple[list[tuple[Frame, np.ndarray]], list[np.ndarray]]:
    """A disc that goes 4 pixels a frame with the scene: frames, probabilities, true masks."""
    random = np.random.default_rng(1)
    wide = scene(2, HEIGHT, 4 * WIDTH)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    given, truth = [], []
    for i in range(20):
        mask = np.hypot(xs - 24 - 4 * i, ys - 48) < 14
        picture = np.ascontiguousarray(wide[:, 200 - 4 * i : 200 - 4 * i + WIDTH])
        muscle = np.clip(0.2 + 0.6 * mask + noise * random.standard_normal(mask.shape), 0, 1)
        given.append((Frame(i / 25, picture), probabilities(muscle)))
        truth.append(mask)
    return given, truth


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize("ahead", [0, 6])
def test_the_average_goes_with_the_motion(ahead: int) -> None:
    given, truth = moving_disc(noise=0.2)
    alone = [p[..., 1] > 0.5 for _, p in given]
    found = [p[..., 1] > 0.5 for _, p in averaged(given, 0.2, look_ahead=ahead)]
    resting = [(Frame(frame.seconds, given[0][0].image), p) for frame, p in given]
    lagging = [p[..., 1] > 0.5 for _, p in averaged(resting, 0.2)]
    scores = [
        np.mean([iou(a, b) for a, b in zip(masks[8:], truth[8:], strict=True)])
        for masks in (alone, found, lagging)
    ]
    assert scores[1] > 0.95
    assert max(scores[0], scores[2]) < 0.7


def test_ctrl_c_loses_no_frame_that_was_predicted() -> None:
    def frames() -> Iterator[tuple[Frame, np.ndarray]]:
        for i in range(7):
            yield Frame(i / 25, scene(0)), constant(0.5)
        raise KeyboardInterrupt

    found = averaged(frames(), 0.2, look_ahead=3)
    assert [next(found)[0].seconds for _ in range(7)] == [i / 25 for i in range(7)]
    with pytest.raises(KeyboardInterrupt):
        next(found)


def test_probabilities_still_add_up() -> None:
    given, _ = moving_disc(noise=0.1)
    for _, mean in averaged(given, 0.2, look_ahead=3):
        np.testing.assert_allclose(mean.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("ahead", [0, 3])
def test_frames_are_taken_as_they_are_needed(ahead: int) -> None:
    taken = []

    def frames() -> Iterator[tuple[Frame, np.ndarray]]:
        for i in range(12):
            taken.append(i)
            yield Frame(i / 25, scene(0)), constant(0.5)

    ahead_by = [len(taken) - i - 1 for i, _ in enumerate(averaged(frames(), 0.2, look_ahead=ahead))]
    assert ahead_by == [ahead] * (12 - ahead) + list(range(ahead))[::-1]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 500), (15, 40), (16, 16), (17, 33)])
def test_small_frames(height: int, width: int) -> None:
    given = [(Frame(i / 25, scene(0, height, width)), constant(0.25)) for i in range(3)]
    for _, mean in averaged(given, 0.2, look_ahead=1):
        np.testing.assert_allclose(mean, constant(0.25), atol=1e-6)


@pytest.mark.parametrize("smooth", [0, 0.2])
def test_frames_are_averaged_at_the_size_of_the_network(smooth: float) -> None:
    predictor = Predictor(light, ("background", "biceps"), Geometry("pad", 32), batch_size=4)
    frames = [Frame(i / 25, scene(0)) for i in range(6)]
    found = list(smoothed(predictor, frames, smooth, look_ahead=2))
    assert [frame for frame, _ in found] == frames
    (alone,) = predictor.stream([scene(0)], in_square=True)
    for _, mean in found:
        assert mean.shape == (24, 32, 2)
        np.testing.assert_allclose(mean, alone, atol=1e-3 if smooth else 0)
