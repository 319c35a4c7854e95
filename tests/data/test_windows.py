"""Photos far wider than those of the training: which squares, and what becomes of them."""

import itertools

import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.data.windows import Windows
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.runs.calibration import Calibration

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("width", [65, 90, 112, 113, 128, 171, 500])
def test_every_column_is_seen_and_every_seam_twice(width: int) -> None:
    columns = Windows(64, width).columns
    assert (columns[0], columns[-1]) == (0, width - 64)
    for left, right in itertools.pairwise(columns):
        assert left < right <= left + 48  # a quarter of a square in common
    assert len(columns) == 1 + -(-(width - 64) // 48)


def test_squares_by_hand() -> None:
    """Where nothing is resized they are cut out of the photo."""
    image = RANDOM.integers(0, 256, (64, 170, 3)).astype(np.uint8)
    squares = Windows(64, 170).cut(image)
    for square, left in zip(squares, (0, 35, 71, 106), strict=True):
        np.testing.assert_array_equal(square, image[:, left : left + 64])


def test_what_all_squares_say_alike_is_what_is_said() -> None:
    truth = RANDOM.random((64, 170, 3)).astype(np.float32)
    windows = Windows(64, 170)
    squares = np.stack([truth[:, left : left + 64] for left in windows.columns])
    np.testing.assert_allclose(windows.join(squares), truth, atol=1e-6)


def test_the_nearer_middle_counts_more() -> None:
    """Two squares of 4 columns, 3 apart: the one column in common is at the edge of both."""
    squares = np.stack([np.full((4, 4, 1), value, np.float32) for value in (0.0, 1.0)])
    assert Windows(4, 7).columns == [0, 3]
    expected = [0, 0, 0, 0.5, 1, 1, 1]
    np.testing.assert_allclose(Windows(4, 7).join(squares)[0, :, 0], expected)
    # 2 apart: weights 2, 1 against 1, 2.
    assert Windows(4, 6).columns == [0, 2]
    expected = [0, 0, 1 / 3, 2 / 3, 1, 1]
    np.testing.assert_allclose(Windows(4, 6).join(squares)[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("geometry", "shape", "width"),
    [
        (Geometry("pad", 64, 0.5), (100, 84), None),  # 1.68 times as wide as the frame
        (Geometry("pad", 64, 0.5), (100, 85), 109),
        (Geometry("pad", 64, 0.5), (90, 160), 228),
        (Geometry("pad", 64, 1.5), (160, 90), None),  # a high photo fills the height as it is
        (Geometry("pad", 64, 1.0), (90, 160), None),  # nobody knows what the training saw
        (Geometry("pad", 64, 0.9963), (1080, 1920), None),  # likewise: portraits and landscapes
        (Geometry("stretch", 64), (90, 160), None),
        (Geometry("pad", 64, 0.5), (1, 50_000), None),
    ],
)
def test_which_photos(geometry: Geometry, shape: tuple[int, int], width: int | None) -> None:
    windows = geometry.windows(*shape)
    assert (windows.width if windows else None) == width


@pytest.mark.parametrize("tta", ["none", "mirror", "mirror_scale"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_wide_photo_is_marked_as_its_pixels_say(tta: str, batch_size: int) -> None:
    """A network that looks at one pixel at a time says the same in any square."""
    asked: list[int] = []

    def forward(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        red = images[..., :1].astype(np.float32) / 255
        return np.concatenate([1 - red, red], axis=-1)

    geometry = Geometry("pad", 64, 0.5)
    predictor = Predictor(forward, ("b", "red"), geometry, batch_size, Calibration(tta=tta))
    small = RANDOM.integers(0, 256, (6, 12, 3)).astype(np.uint8)
    wide = np.asarray(Image.fromarray(small).resize((320, 128), Image.Resampling.BICUBIC))
    upright = wide[:, :64]
    found = list(predictor.predict_all([upright, wide, upright]))
    for result, image in zip(found, (upright, wide, upright), strict=True):
        assert result.probabilities.shape == (*image.shape[:2], 2)
        assert abs(result.probabilities[..., 1] - image[..., 0] / 255).mean() < 0.02
    np.testing.assert_array_equal(found[0].probabilities, found[2].probabilities)
    assert max(asked) <= batch_size
    (seen,) = predictor.stream([wide], in_square=True)
    assert seen.shape == (64, 320, 2)
    class_ids, _ = predictor.marked(seen, 128, 320)
    assert (class_ids == found[1].mask).mean() > 0.99


def test_a_mask_lies_where_its_photo_is_seen() -> None:
    mask = np.zeros((128, 320), np.uint8)
    mask[32:64, 200:240] = 2
    seen = Geometry("pad", 64, 0.5).seen_mask(mask)
    expected = np.zeros((64, 320), np.uint8)
    expected[16:32, 200:240] = 2
    np.testing.assert_array_equal(seen, expected)


def test_the_whole_is_where_the_square_has_the_photo() -> None:
    """White on the right half of a photo four times as wide as the frame."""
    geometry = Geometry("pad", 64, 0.5)
    image = np.zeros((64, 128, 3), np.uint8)
    image[:, 64:] = 255
    red = geometry.squares(image)[..., :1].astype(np.float32) / 255
    whole = geometry.whole(np.concatenate([1 - red, red], axis=-1), 64, 128)
    assert whole.shape == (64, 64, 2)
    np.testing.assert_allclose(whole.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(whole[:24], 0.5)  # the border: 16 of 64 rows show the photo
    np.testing.assert_allclose(whole[40:], 0.5)
    fitted = geometry.fit(image)[24:40, :, 0] / 255
    np.testing.assert_allclose(whole[24:40, :, 1], fitted, atol=0.02)
