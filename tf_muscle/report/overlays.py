"""Class ids drawn on their photo, and the colours that stand for them."""

import cv2
import numpy as np

from tf_muscle.roboflow.records import VOID

# Index = class id. Background and the first seven classes have the colours of Okabe and Ito, Color
# Universal Design (2008). The first three are those that stay furthest apart, and from skin of any
# shade, when tinted over it and seen with protanopia, deuteranopia or neither. The others were
# picked one by one from a grid of sRGB as the colour furthest (CIEDE2000) from all before it.
PALETTE = (
    *("#000000", "#0072B2", "#F0E442", "#CC79A7", "#56B4E9", "#D55E00", "#009E73", "#E69F00"),
    *("#661111", "#FFEEEE", "#223344", "#226655", "#3300BB", "#CCCC99", "#993300", "#DDDDFF"),
    *("#3388FF", "#CCAAAA", "#665577", "#FF5577", "#443333", "#996644", "#550077", "#5511FF"),
    *("#DDFFAA", "#BBBBCC", "#886677", "#AA3355", "#CC0099", "#335533"),
)


def class_colors(class_count: int) -> np.ndarray:
    """The colour of each class.

    Args:
        class_count: K; beyond 30 the colours of classes 1..29 come again.

    Returns:
        RGB, uint8 [K, 3]; black for class 0, which `overlay` leaves transparent.
    """
    rgb = np.array([tuple(bytes.fromhex(color[1:])) for color in PALETTE], np.uint8)
    ids = np.arange(class_count)
    return rgb[np.where(ids == 0, 0, (ids - 1) % (len(PALETTE) - 1) + 1)]


def css_colors(count: int) -> list[str]:
    """The colour of each of so many class ids as a page writes it: "#e69f00"."""
    return ["#{:02x}{:02x}{:02x}".format(*color) for color in class_colors(count)]


def overlay(image: np.ndarray, mask: np.ndarray, *, alpha: float = 0.6) -> np.ndarray:
    """Tints each class in its colour and draws its outline; background stays as it is.

    The outline is opaque and within the region, so that small muscles stay visible.

    Args:
        image: RGB, uint8 [H, W, 3].
        mask: class ids, uint8 [H, W]; `VOID` stays as it is, too.
        alpha: opacity of the tint, 0 (none) to 1 (opaque).

    Returns:
        RGB, uint8 [H, W, 3].
    """
    # In proportion to the photo, so that it looks as thick at every size: 2 pixels at 256.
    thickness = max(1, round(min(mask.shape) / 128))
    tinted = image.copy()
    # Muscles are a small part of most photos, and the rest is left alone.
    left, top, width, height = cv2.boundingRect(np.where(mask == VOID, np.uint8(0), mask))
    around = np.s_[
        max(0, top - thickness) : top + height + thickness,
        max(0, left - thickness) : left + width + thickness,
    ]
    mask, image = mask[around], image[around]
    muscle = (mask != 0) & (mask != VOID)
    opacity = np.full((np.count_nonzero(muscle), 1), alpha)
    opacity[_edges(mask, thickness)[muscle]] = 1.0
    pixels = image[muscle].astype(float)  # [P, 3]
    tints = pixels + opacity * (class_colors(256)[mask[muscle]] - pixels)
    tinted[around][muscle] = np.rint(tints)
    return tinted


def _edges(mask: np.ndarray, thickness: int) -> np.ndarray:
    """Pixels with another class within `thickness` pixels across or down: bool [H, W]."""
    edges = np.zeros(mask.shape, bool)
    length = 2 * thickness + 1
    for shape in ((length, 1), (1, length)):
        line = np.ones(shape, np.uint8)
        edges |= cv2.dilate(mask, line) != cv2.erode(mask, line)
    return edges
