from collections.abc import Callable

import numpy as np
import pytest

from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction.predictor import Predictor

NAMES = ("background", "red", "green")


def colours(images: np.ndarray) -> np.ndarray:
    """A model whose answer can be told by eye: red and green light are the probabilities."""
    assert images.dtype == np.uint8
    light = images[..., :2].astype(np.float32) / 510
    return np.concatenate([1 - light.sum(-1, keepdims=True), light], axis=-1)


def predictor(
    forward: Callable[[np.ndarray], np.ndarray] = colours, **options: object
) -> Predictor:
    geometry = Geometry("pad", 64)
    return Predictor(**{"forward": forward, "class_names": NAMES, "geometry": geometry, **options})


def test_probabilities_come_back_at_each_photos_size() -> None:
    random = np.random.default_rng(0)
    sizes = [(64, 64), (64, 20), (7, 64), (100, 31), (30, 40), (1, 1), (1, 300), (64, 63)]
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    results = predictor(batch_size=3).probabilities(images)
    assert [result.shape for result in results] == [(*size, 3) for size in sizes]
    for image, result in zip(images, results, strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result.sum(-1), 1, atol=1e-5)
        if max(image.shape) == 64:  # nothing is resized, so every pixel keeps its own answer
            np.testing.assert_allclose(result, colours(image), atol=1e-6)


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (13, 40)])
def test_a_region_comes_back_where_it_is(size: tuple[int, int]) -> None:
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    truth = np.zeros(size, np.uint8)
    truth[: height // 3, width // 2 :] = 1
    truth[height // 2 :, : width // 4] = 2
    image[truth == 1, 0] = 255
    image[truth == 2, 1] = 255
    (probabilities,) = predictor(geometry=Geometry("pad", 128)).probabilities([image])
    # Half of the light is a probability of a half: argmax then draws the edge where it is.
    mask = np.where(probabilities[..., 1:].max(-1) > 0.25, probabilities[..., 1:].argmax(-1) + 1, 0)
    pixel = max(1, max(size) / 128)
    assert (mask != truth).sum() <= 2 * pixel * (height + width)
    assert (mask != truth).mean() < 0.03


def test_photos_are_padded_and_not_stretched() -> None:
    seen = []

    def spy(images: np.ndarray) -> np.ndarray:
        seen.append(images)
        return colours(images)

    rows, columns = np.mgrid[:200, :100]
    disc = (rows - 100) ** 2 + (columns - 50) ** 2 < 40**2
    image = np.where(disc[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)
    predictor(spy, geometry=Geometry("pad", 50)).probabilities([image])
    (squares,) = seen
    assert squares.shape == (1, 50, 50, 3)
    # 200x100 becomes 50x25, in the middle of 50 columns: padding left of 12 and from 37.
    assert (squares[0, :, :12] == (124, 116, 104)).all()
    assert (squares[0, :, 37:] == (124, 116, 104)).all()
    light = squares[0, :, 12:37, 0] > 127
    assert np.ptp(np.flatnonzero(light.any(0))) == np.ptp(np.flatnonzero(light.any(1)))


def test_batches_are_as_large_as_asked() -> None:
    lengths = []

    def spy(images: np.ndarray) -> np.ndarray:
        lengths.append(len(images))
        return colours(images)

    images = [np.zeros((9, 9, 3), np.uint8)] * 7
    assert len(predictor(spy, batch_size=3).probabilities(images)) == 7
    assert lengths == [3, 3, 1]
    assert predictor(spy).probabilities([]) == []


def test_tta_is_the_mean_of_two_sizes_and_their_mirror_images() -> None:
    seen = []

    def lopsided(images: np.ndarray) -> np.ndarray:
        """Says red on the left half, whatever is there, and surer in the larger size."""
        seen.append(images)
        size = images.shape[1]
        answer = np.zeros((*images.shape[:3], 3), np.float32)
        answer[:, :, : size // 2, 1] = 0.4 if size == 64 else 0.8
        answer[..., 0] = 1 - answer[..., 1]
        return answer

    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (probabilities,) = predictor(lopsided, tta=True).probabilities([image])
    assert [images.shape[1] for images in seen] == [64, 64, 80, 80]
    np.testing.assert_array_equal(seen[0][0], image)
    np.testing.assert_array_equal(seen[1][0], image[:, ::-1])
    # Mirrored back, each size says half of it on both sides; the mean of 0.2 and 0.4 is left.
    np.testing.assert_allclose(probabilities[..., 1], 0.3, atol=1e-6)
    (same,) = predictor(tta=True).probabilities([np.full((40, 64, 3), 200, np.uint8)])
    np.testing.assert_allclose(same[..., 1], 200 / 510, atol=1e-5)


def test_a_muscle_counts_from_its_threshold_on() -> None:
    probabilities = np.array(
        [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]], np.float32
    )
    np.testing.assert_array_equal(predictor().class_ids(probabilities), [[0, 1, 2, 2]])
    strict = predictor(threshold=0.5)
    np.testing.assert_array_equal(strict.class_ids(probabilities), [[0, 1, 2, 0]])
    stricter = predictor(threshold=0.65)
    np.testing.assert_array_equal(stricter.class_ids(probabilities), [[0, 0, 2, 0]])
    assert stricter.class_ids(probabilities).dtype == np.uint8
