"""How a photo of any size reaches the network's square, and how its probabilities come back.

Training, evaluation, prediction, the page, and the calibration of exports call this; the clients in
examples/ follow the parameters that an export carries. Needs no TensorFlow.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from tf_muscle.roboflow.records import VOID

# The mean of ImageNet, RGB, which the normalization inside the model turns into zeros. On test
# photos of the sample, cut to portrait, foreground mIoU was 0.279 with it, 0.263 with white and
# 0.116 with black.
PADDING = (124, 116, 104)

Resize = Literal["pad", "stretch"]


@dataclass(frozen=True)
class Box:
    """Where a photo lies in the square: [height, width] pixels from row `top`, column `left`."""

    top: int
    left: int
    height: int
    width: int

    @property
    def content(self) -> tuple[slice, slice]:
        """The rows and columns that show the photo."""
        return np.s_[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Geometry:
    """From photos of any size to squares of S pixels, and back.

    Attributes:
        resize: "pad" keeps a photo's proportions and fills the square up with `PADDING`; "stretch"
            brings height and width to S each.
        size: S in pixels.

    Examples:
        >>> geometry = Geometry("pad", 256)
        >>> geometry.box(416, 276)
        Box(top=0, left=43, height=256, width=170)
    """

    resize: Resize
    size: int

    def box(self, height: int, width: int) -> Box:
        """The place of a photo of `height` and `width` pixels: the middle of the square."""
        if self.resize == "stretch":
            return Box(0, 0, self.size, self.size)
        scale = self.size / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        return Box((self.size - height) // 2, (self.size - width) // 2, height, width)

    def fit(self, image: np.ndarray) -> np.ndarray:
        """Brings a photo into the square, bilinear, antialiased where it shrinks.

        Args:
            image: RGB, uint8 [H, W, 3].

        Returns:
            RGB, uint8 [S, S, 3].
        """
        box = self.box(*image.shape[:2])
        square = np.empty((self.size, self.size, 3), np.uint8)
        square[:] = PADDING
        resized = Image.fromarray(image).resize((box.width, box.height), Image.Resampling.BILINEAR)
        square[box.content] = np.asarray(resized)
        return square

    def fit_mask(self, mask: np.ndarray) -> np.ndarray:
        """Brings a mask where `fit` brings its photo; the nearest pixel's class.

        Args:
            mask: class ids, uint8 [H, W].

        Returns:
            uint8 [S, S], `VOID` around the photo.
        """
        box = self.box(*mask.shape)
        square = np.full((self.size, self.size), VOID, np.uint8)
        resized = Image.fromarray(mask).resize((box.width, box.height), Image.Resampling.NEAREST)
        square[box.content] = np.asarray(resized)
        return square

    def restore(
        self, predicted: np.ndarray, height: int, width: int, at: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Brings what the network says of a square back to the photo's own size, bilinear.

        Args:
            predicted: probabilities, float [S, S, K].
            height: the photo's, in pixels.
            width: the photo's, in pixels.
            at: another height and width to bring it to.

        Returns:
            float32 [height, width, K].
        """
        content = predicted[self.box(height, width).content]
        height, width = at or (height, width)
        restored = np.empty((height, width, predicted.shape[-1]), np.float32)
        for class_id in range(predicted.shape[-1]):
            restored[..., class_id] = resized(content[..., class_id], height, width)
        return restored


def resized(channel: np.ndarray, height: int, width: int) -> np.ndarray:
    """Brings one channel to another size, bilinear, antialiased where it shrinks.

    Every value is a mean of values around it, so that a weighted sum of channels may be taken
    before as well as after.

    Args:
        channel: float [h, w].
        height: in pixels.
        width: in pixels.

    Returns:
        float32 [height, width].
    """
    channel = np.ascontiguousarray(channel, np.float32)
    if height >= channel.shape[0] and width >= channel.shape[1]:
        # Pillow's values up to float32's rounding, in a fifth of the time.
        return cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR)
    # OpenCV knows no antialiasing of this kind.
    picture = Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(picture)


def resolve(resize: Literal["auto", "pad", "stretch"], *, stretched: bool) -> Resize:
    """What `--resize auto` stands for.

    Args:
        resize: the option.
        stretched: the export's photos were stretched to a square before, as new ones have to be.
    """
    if resize == "auto":
        return "stretch" if stretched else "pad"
    return resize
