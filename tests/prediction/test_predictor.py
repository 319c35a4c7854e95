from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.runs.calibration import Calibration

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
    results = list(predictor(batch_size=3).stream(images))
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
    (probabilities,) = predictor(geometry=Geometry("pad", 128)).stream([image])
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
    list(predictor(spy, geometry=Geometry("pad", 50)).stream([image]))
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
    assert len(list(predictor(spy, batch_size=3).stream(images))) == 7
    assert lengths == [3, 3, 1]
    assert list(predictor(spy).stream([])) == []


def test_mirror_scale_is_the_mean_of_two_sizes_and_their_mirror_images() -> None:
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
    (probabilities,) = predictor(lopsided, calibration=Calibration(tta="mirror_scale")).stream(
        [image]
    )
    assert [images.shape[1] for images in seen] == [64, 64, 80, 80]
    np.testing.assert_array_equal(seen[0][0], image)
    np.testing.assert_array_equal(seen[1][0], image[:, ::-1])
    # Mirrored back, each size says half of it on both sides; the mean of 0.2 and 0.4 is left.
    np.testing.assert_allclose(probabilities[..., 1], 0.3, atol=1e-6)
    seen.clear()
    (probabilities,) = predictor(lopsided, calibration=Calibration(tta="mirror")).stream([image])
    assert [images.shape[1] for images in seen] == [64, 64]
    np.testing.assert_allclose(probabilities[..., 1], 0.2, atol=1e-6)
    for kind in ("mirror", "mirror_scale"):
        settings = predictor(calibration=Calibration(tta=kind))
        (same,) = settings.stream([np.full((40, 64, 3), 200, np.uint8)])
        np.testing.assert_allclose(same[..., 1], 200 / 510, atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "mirror_scale"])
def test_probabilities_can_be_had_as_the_network_sees_the_photo(kind: str) -> None:
    image = np.zeros((200, 100, 3), np.uint8)
    image[:, :40, 0] = 255
    settings = predictor(calibration=Calibration(tta=kind))
    (seen,) = settings.stream([image], in_square=True)
    assert seen.shape == (64, 32, 3)
    assert (seen[:, :12, 1] > 0.45).all()
    assert (seen[:, 14:, 1] < 0.05).all()


def test_a_muscle_counts_from_its_threshold_on() -> None:
    probabilities = np.array(
        [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]], np.float32
    )
    np.testing.assert_array_equal(predictor().class_ids(probabilities), [[0, 1, 2, 2]])
    strict = predictor(calibration=Calibration(thresholds=(0.5, 0.5)))
    np.testing.assert_array_equal(strict.class_ids(probabilities), [[0, 1, 2, 0]])
    stricter = predictor(calibration=Calibration(thresholds=(0.65, 0.65)))
    np.testing.assert_array_equal(stricter.class_ids(probabilities), [[0, 0, 2, 0]])
    assert stricter.class_ids(probabilities).dtype == np.uint8


def test_a_photo_may_be_a_path_a_picture_or_an_array(tmp_path: Path) -> None:
    """Of each, the picture that a viewer shows: upright, on white, three channels."""
    shown = np.zeros((20, 30, 3), np.uint8)
    shown[:10, :, :2] = 255  # yellow, which is red to the model, above black
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    stored = Image.fromarray(np.ascontiguousarray(shown[::-1, ::-1]))
    stored.save(tmp_path / "photo.png", exif=exif)
    clear = Image.new("RGBA", (30, 20), (0, 255, 0, 0))  # transparent, so white
    deep = Image.fromarray(np.full((20, 30), 65_535, np.uint16))
    palette = Image.fromarray(shown).convert("P", palette=Image.Palette.ADAPTIVE)
    white = np.full((20, 30, 3), 255, np.uint8)
    photos = {
        "str": (str(tmp_path / "photo.png"), shown),
        "path": (tmp_path / "photo.png", shown),
        "opened": (Image.open(tmp_path / "photo.png"), shown),
        "array": (shown, shown),
        "grey": (Image.new("L", (30, 20), 255), white),
        "transparent": (clear, white),
        "16 bits": (deep, white),
        "palette": (palette, shown),
    }
    predicts = predictor(batch_size=3)
    results = list(predicts.predict_all(photo for photo, _ in photos.values()))
    for (name, (photo, expected)), result in zip(photos.items(), results, strict=True):
        np.testing.assert_array_equal(result.image, expected, err_msg=name)
        np.testing.assert_array_equal(predicts.predict(photo).mask, result.mask, err_msg=name)
    result = predicts.predict(shown)
    (probabilities,) = predicts.stream([shown])
    np.testing.assert_array_equal(result.probabilities, probabilities)
    np.testing.assert_array_equal(result.mask, predicts.class_ids(probabilities))
    assert [(row.muscle, row.active) for row in result.rows] == [("red", True), ("green", False)]
    drawn = result.overlay(alpha=0)
    assert drawn.shape[0] > 20  # the legend
    np.testing.assert_array_equal(drawn[3, 10], [255, 255, 0])  # no tint inside the outline


@pytest.mark.parametrize(
    ("photo", "told"),
    [
        (np.zeros((4, 4), np.uint8), r"uint8 \[4, 4\]: give RGB"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \[4, 4, 4\]"),
        (np.zeros((4, 4, 3), np.float32), r"float32 \[4, 4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8 \[0, 4, 3\]"),
        ([[0, 0, 0]], "given as list: give a path"),
        (None, "given as NoneType"),
        (Image.fromarray(np.full((4, 4), np.nan, np.float32)), "mode F cannot be read"),
        ("none.jpg", r"none\.jpg cannot be read"),
    ],
)
def test_what_is_no_photo_is_refused(photo: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        predictor().predict(photo)


def test_photos_are_read_a_batch_at_a_time() -> None:
    read = []

    def photos() -> Iterator[np.ndarray]:
        for number in range(7):
            read.append(number)
            yield np.full((5, 5, 3), number, np.uint8)

    results = predictor(batch_size=3).predict_all(photos())
    assert next(results).image.max() == 0
    assert read == [0, 1, 2]
    assert len(list(results)) == 6
