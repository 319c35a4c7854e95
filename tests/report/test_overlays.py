import itertools

import numpy as np
import pytest

from tf_muscle.report.overlays import PALETTE, class_colors, overlay

# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
VISION: dict[str, np.ndarray | list[list[float]]] = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
SKINS = [(240, 205, 180), (224, 172, 140), (198, 134, 100), (160, 95, 65), (110, 65, 45)]


def seen(rgb: np.ndarray, vision: str) -> np.ndarray:
    """CIELAB (D65) of sRGB colours [N, 3] as a reader sees them."""
    values = np.asarray(rgb) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(linear @ np.transpose(to_xyz) / (0.9505, 1, 1.089)).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def smallest_distance(lab: np.ndarray) -> float:
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(lab, 2))


def test_lab_of_the_test_itself() -> None:
    """Against the published values of sRGB red and white."""
    np.testing.assert_allclose(
        seen(np.array([[255, 0, 0], [255, 255, 255]]), "normal"),
        np.array([[53.24, 80.09, 67.20], [100, 0, 0]]),
        atol=0.2,
    )


@pytest.mark.parametrize("vision", VISION)
def test_three_muscles_on_skin(vision: str) -> None:
    """Biceps, triceps and calf as tinted differ from each other and from the bare skin."""
    for skin in SKINS:
        image = np.full((9, 36, 3), skin, np.uint8)
        mask = np.repeat(np.arange(4, dtype=np.uint8), 9)[None].repeat(9, axis=0)
        shown = overlay(image, mask)[4, 4::9]  # between the outlines
        # 2.3 is a just noticeable difference.
        assert smallest_distance(seen(shown, vision)) > 4 * 2.3


@pytest.mark.parametrize("vision", VISION)
def test_thirty_classes_differ(vision: str) -> None:
    lab = seen(class_colors(30), vision)
    assert smallest_distance(lab) > 3 * 2.3
    assert smallest_distance(lab[:8]) > 5 * 2.3


def test_colors_repeat_after_thirty() -> None:
    colors = class_colors(256)
    assert colors.shape == (256, 3)
    assert colors.dtype == np.uint8
    assert len(np.unique(colors, axis=0)) == len(PALETTE) == 30
    np.testing.assert_array_equal(colors[30:59], colors[1:30])
    np.testing.assert_array_equal(class_colors(4), colors[:4])


def test_background_stays() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), np.uint8)
    mask = np.zeros((40, 30), np.uint8)
    mask[10:20, 5:25] = 2
    shown = overlay(image, mask)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[mask == 0], image[mask == 0])
    assert (shown[mask == 2] != image[mask == 2]).any(axis=-1).all()
    np.testing.assert_array_equal(overlay(image, np.zeros_like(mask)), image)


def test_tint_and_outline() -> None:
    """Blue #0072B2 on (200, 100, 50): by hand 0.6 * blue + 0.4 * image, and blue itself around."""
    image = np.full((12, 12, 3), (200, 100, 50), np.uint8)
    mask = np.zeros((12, 12), np.uint8)
    mask[3:9, 3:9] = 1
    shown = overlay(image, mask, alpha=0.6)
    inner = np.zeros((12, 12), bool)
    inner[4:8, 4:8] = True
    assert (shown[inner] == (80, 108, 127)).all()
    assert (shown[(mask == 1) & ~inner] == (0, 114, 178)).all()


def test_outline_between_classes_and_at_the_border() -> None:
    mask = np.ones((10, 10), np.uint8)
    mask[:, 5:] = 2
    shown = overlay(np.full((10, 10, 3), 90, np.uint8), mask, alpha=0)
    drawn = (shown != 90).any(axis=-1)
    assert np.flatnonzero(drawn.all(axis=0)).tolist() == [4, 5]
    assert drawn.sum() == 20  # where the photo ends there is no outline


@pytest.mark.parametrize(("side", "thickness"), [(64, 1), (256, 2), (1024, 8)])
def test_outline_grows_with_the_photo(side: int, thickness: int) -> None:
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : -side // 4, side // 4 : -side // 4] = 1
    shown = overlay(np.full((side, side, 3), 90, np.uint8), mask, alpha=0)
    assert (shown[side // 2] != 90).any(axis=-1).sum() == 2 * thickness


@pytest.mark.parametrize("shape", [(300, 420), (130, 90), (256, 256), (3, 400)])
def test_overlay_is_the_formula_pixel_by_pixel(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*shape, 3), np.uint8)
    mask = np.zeros(shape, np.uint8)
    coarse = random.choice([0, 0, 1, 2, 29, 255], (shape[0] // 40 + 1, shape[1] // 40 + 1))
    coarse = coarse.repeat(40, axis=0).repeat(40, axis=1).astype(np.uint8)
    mask[: shape[0] // 2 + 1, 30:] = coarse[: shape[0] // 2 + 1, 30 : shape[1]]
    thickness = max(1, round(min(shape) / 128))
    expected = image.astype(float)
    colors = class_colors(256).astype(float)
    for row, column in np.argwhere((mask != 0) & (mask != 255)):
        class_id = mask[row, column]
        across = mask[row, max(0, column - thickness) : column + thickness + 1]
        down = mask[max(0, row - thickness) : row + thickness + 1, column]
        edge = (across != class_id).any() or (down != class_id).any()
        opacity = 1.0 if edge else 0.6
        pixel = image[row, column].astype(float)
        expected[row, column] = np.rint(pixel + opacity * (colors[class_id] - pixel))
    np.testing.assert_array_equal(overlay(image, mask), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5, 700)])
def test_photo_thinner_than_its_outline(shape: tuple[int, int]) -> None:
    assert overlay(np.zeros((*shape, 3), np.uint8), np.ones(shape, np.uint8)).shape == (*shape, 3)
