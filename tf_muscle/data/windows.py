"""Photos far wider than those of the training, seen in overlapping squares. Needs no TensorFlow.

Whether a camera stands upright or lies on its side, who stands before it is about as high in its
picture; what becomes wider is the room. So a wide photo fills the square's height, as those of the
training did, and the square moves across it.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

OVERLAP = 0.25  # of a square at least: what is narrower is whole in one of them


@dataclass(frozen=True)
class Windows:
    """The squares of a photo that is S pixels high and more than S wide, once resized.

    Attributes:
        size: S.
        width: of the resized photo, in pixels.
    """

    size: int
    width: int

    @property
    def columns(self) -> list[int]:
        """The first column of each square, evenly from the left to the right edge."""
        overlap = round(self.size * OVERLAP)
        count = math.ceil((self.width - overlap) / (self.size - overlap))
        return [round(i * (self.width - self.size) / (count - 1)) for i in range(count)]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The squares of a photo.

        Args:
            image: RGB, uint8 [H, W, 3].

        Returns:
            RGB, uint8 [N, S, S, 3].
        """
        picture = Image.fromarray(image)
        seen = np.asarray(picture.resize((self.width, self.size), Image.Resampling.BILINEAR))
        return np.stack([seen[:, left : left + self.size] for left in self.columns])

    def cut_mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask at the size of the resized photo: uint8 [H, W] to uint8 [S, width]."""
        return np.asarray(
            Image.fromarray(mask).resize((self.width, self.size), Image.Resampling.NEAREST)
        )

    def join(self, predicted: np.ndarray) -> np.ndarray:
        """What the network says of the squares, as one; nearer to its middle a square counts more.

        Args:
            predicted: probabilities, float [N, S, S, K].

        Returns:
            float32 [S, width, K].
        """
        middle = (self.size - 1) / 2
        weight = (1 + middle - abs(np.arange(self.size) - middle)).astype(np.float32)[:, None]
        joined = np.zeros((self.size, self.width, predicted.shape[-1]), np.float32)
        total = np.zeros((self.width, 1), np.float32)
        for square, left in zip(predicted, self.columns, strict=True):
            joined[:, left : left + self.size] += weight * square
            total[left : left + self.size] += weight
        return joined / total
