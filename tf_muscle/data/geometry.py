"""How a photo of any size reaches the network's square, and how its probabilities come back.

Training, evaluation, prediction, the page, and the calibration of exports call this; the clients in
examples/ follow the parameters that an export carries. Needs no TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from tf_muscle.data.windows import Windows
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.records import VOID, DataInfo

# The mean of ImageNet, RGB, which the normalization inside the model turns into zeros. On test
# photos of the sample, cut to portrait, foreground mIoU was 0.279 with it, 0.263 with white and
# 0.116 with black.
PADDING = (124, 116, 104)

# Photos that many times wider than the frame are seen in windows. The least is above what a
# training on portraits and landscapes, whose frame lies between them, has seen as a whole; the most
# keeps a forged file of one row of pixels from filling the memory.
WIDE, WIDEST = 1.7, 12.0
# A frame that near to a square is padding's default, or that of portraits and landscapes alike:
# nobody knows how photos filled it, and every photo is seen as a whole.
SQUARE = 0.1

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
        resize: "pad" fills a photo up with `PADDING` to a frame of one shape, and brings the frame
            to the square; "stretch" brings height and width to S each, whatever the photo's shape.
        size: S in pixels.
        aspect: width over height of the frame of "pad". In a frame of their own shape photos fill
            the square and are distorted all alike; 1.0 keeps their proportions.

    Examples:
        >>> Geometry("pad", 256).box(416, 276)
        Box(top=0, left=43, height=256, width=170)
        >>> Geometry("pad", 256, aspect=0.6635).box(416, 276)
        Box(top=0, left=0, height=256, width=256)
    """

    resize: Resize
    size: int
    aspect: float = 1.0

    @classmethod
    def from_record(cls, record: Mapping[str, Any], size: int | None = None) -> "Geometry":
        """What a run's options or an export's preprocessing.json tell.

        Args:
            record: with `resize`, `image_size` and, if it is not older, `aspect`.
            size: another S.
        """
        return cls(record["resize"], size or record["image_size"], record.get("aspect", 1.0))

    @property
    def described(self) -> str:
        """Such as "pad to 0.66:1"."""
        return self.resize if self.resize == "stretch" else f"pad to {self.aspect:.3g}:1"

    def resolved(self, config: DataConfig) -> DataConfig:
        """The options that give this geometry whatever the export."""
        return replace(config, resize=self.resize, aspect=self.aspect)

    def box(self, height: int, width: int) -> Box:
        """The place of a photo of `height` and `width` pixels: the middle of the square."""
        if self.resize == "stretch":
            return Box(0, 0, self.size, self.size)
        scaled_width = width / self.aspect  # as wide as it is where the frame is a square
        scale = self.size / max(height, scaled_width)
        height, width = max(1, round(height * scale)), max(1, round(scaled_width * scale))
        return Box((self.size - height) // 2, (self.size - width) // 2, height, width)

    def share(self, height: int, width: int) -> float:
        """The part of the square, 0 to 1, that shows a photo of `height` and `width` pixels."""
        box = self.box(height, width)
        return box.height * box.width / self.size**2

    def windows(self, height: int, width: int) -> Windows | None:
        """The squares of a photo that is far wider than the frame; None if one is enough."""
        wider = width / height / self.aspect
        square = self.resize == "stretch" or abs(self.aspect - 1) < SQUARE
        if square or not WIDE <= wider <= WIDEST:
            return None
        return Windows(self.size, round(self.size * wider))

    def squares(self, image: np.ndarray) -> np.ndarray:
        """A photo as the network sees it for a prediction: RGB, uint8 [H, W, 3] to [N, S, S, 3].

        N is 1 but for photos that are seen in `windows`.
        """
        windows = self.windows(*image.shape[:2])
        return windows.cut(image) if windows else self.fit(image)[None]

    def seen(self, predicted: np.ndarray, height: int, width: int) -> np.ndarray:
        """What the network says of a photo, from what it says of its `squares`.

        Args:
            predicted: probabilities, float [N, S, S, K].
            height: the photo's, in pixels.
            width: the photo's, in pixels.

        Returns:
            float [h, w, K], at the size at which the network sees the photo.
        """
        if windows := self.windows(height, width):
            return windows.join(predicted)
        return predicted[0][self.box(height, width).content]

    def whole(self, predicted: np.ndarray, height: int, width: int) -> np.ndarray:
        """`seen`, of the same arguments, where `fit` has the photo: float [S, S, K].

        Around a photo that is seen in windows every class is as likely.
        """
        if not self.windows(height, width):
            return predicted[0]
        box = self.box(height, width)
        square = np.full(predicted.shape[1:], 1 / predicted.shape[-1], np.float32)
        seen = self.seen(predicted, height, width)
        square[box.content] = brought_to(seen, box.height, box.width)
        return square

    def seen_mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask, uint8 [H, W], at the size of `seen`; the nearest pixel's class."""
        if windows := self.windows(*mask.shape):
            return windows.cut_mask(mask)
        return self.fit_mask(mask)[self.box(*mask.shape).content]

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

    def restore(self, predicted: np.ndarray, height: int, width: int) -> np.ndarray:
        """Brings what the network says of a square back to the photo's own size, bilinear.

        Args:
            predicted: probabilities, float [S, S, K].
            height: the photo's, in pixels.
            width: the photo's, in pixels.

        Returns:
            float32 [height, width, K].
        """
        return brought_to(predicted[self.box(height, width).content], height, width)


def brought_to(predicted: np.ndarray, height: int, width: int) -> np.ndarray:
    """Brings each channel of probabilities, float [h, w, K], to another size, as `resized` does."""
    channels = np.empty((height, width, predicted.shape[-1]), np.float32)
    for class_id in range(predicted.shape[-1]):
        channels[..., class_id] = resized(predicted[..., class_id], height, width)
    return channels


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


def resolve(config: DataConfig, info: DataInfo) -> Geometry:
    """How the photos of an export reach the network.

    Args:
        config: its `resize`, `aspect` and `image_size`.
        info: whether the export's photos were stretched to a square before, as new ones have to be,
            and their `aspect`.
    """
    resize = config.resize
    if resize == "auto":
        resize = "stretch" if info.stretched else "pad"
    if resize == "stretch":
        return Geometry(resize, config.image_size)
    return Geometry(resize, config.image_size, config.aspect or info.aspect)
