"""A trained model ready for photos of any size: padded to its size, probabilities back at theirs.

predictor = load_predictor("runs/mine")
probabilities = predictor.probabilities([read_photo(path)])
class_ids = predictor.class_ids(probabilities[0])
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.prediction.model_files import Loaded, load_model

# The mean of ImageNet, RGB, which the normalization inside the model turns into zeros. On test
# photos of the sample, cut to portrait, foreground mIoU was 0.279 with it, 0.263 with white, 0.116
# with black, and 0.224 with photos stretched to the square.
PADDING = (124, 116, 104)
TTA_SCALE = 1.25  # the second size of test-time augmentation, by the first


@dataclass(frozen=True)
class Letterbox:
    """Where a photo lies in the model's square: content of [height, width] pixels at top, left.

    The photo is shrunk or enlarged with its sides in proportion until the longer one fits.
    """

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, photo_height: int, photo_width: int, size: int) -> "Letterbox":
        """The place of a photo in the middle of a square of `size` pixels."""
        scale = size / max(photo_height, photo_width)
        height = max(1, round(photo_height * scale))
        width = max(1, round(photo_width * scale))
        return cls((size - height) // 2, (size - width) // 2, height, width)

    @property
    def content(self) -> tuple[slice, slice]:
        """The rows and columns that show the photo."""
        return np.s_[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Predictor:
    """Predicts masks; made by `load_predictor`.

    Attributes:
        forward: from photos uint8 [B, S, S, 3] to probabilities float32 [B, S, S, K].
        class_names: K names, the first is the background's.
        image_size: S, the longer side that photos are brought to, in pixels.
        batch_size: photos that the model sees at a time.
        tta: mean over the photo and its mirror image, each at two sizes.
        threshold: probability below which a pixel is background, whatever is likeliest there.
    """

    forward: Callable[[np.ndarray], np.ndarray]
    class_names: tuple[str, ...]
    image_size: int
    batch_size: int = 8
    tta: bool = False
    threshold: float | None = None

    def probabilities(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predicts photos of mixed sizes.

        Args:
            images: RGB, uint8 [H, W, 3] each.

        Returns:
            The probability of each class, float32 [H, W, K], at each photo's own size.
        """
        return list(self.stream(images))

    def stream(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """`probabilities` one after the other, so that only one is held at its photo's size."""
        sizes = [self.image_size]
        if self.tta:
            sizes.append(round(self.image_size * TTA_SCALE))
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            passes = [self._at_size(batch, size) for size in sizes]
            for image, *predicted in zip(batch, *passes, strict=True):
                mean = _restored(predicted[0], image.shape)
                for other in predicted[1:]:
                    mean += _restored(other, image.shape)
                yield mean / len(sizes) if self.tta else mean

    def class_ids(self, probabilities: np.ndarray) -> np.ndarray:
        """The likeliest class of each pixel, as far as it reaches the threshold.

        Args:
            probabilities: float32 [H, W, K].

        Returns:
            uint8 [H, W].
        """
        class_ids = probabilities.argmax(axis=-1).astype(np.uint8)
        if self.threshold is not None:
            class_ids[probabilities.max(axis=-1) < self.threshold] = 0
        return class_ids

    def _at_size(self, images: Sequence[np.ndarray], size: int) -> np.ndarray:
        """Probabilities float32 [B, size, size, K] of photos padded to a square."""
        squares = np.stack([_padded(image, size) for image in images])
        predicted = self.forward(squares)
        if self.tta:
            predicted = (predicted + self.forward(squares[:, :, ::-1])[:, :, ::-1]) / 2
        return predicted


def load_predictor(
    model: str | Path,
    *,
    image_size: int | None = None,
    batch_size: int = 8,
    tta: bool = False,
    threshold: float | None = None,
) -> Predictor:
    """Loads a trained model.

    Args:
        model: a run (its folder or its name in runs/), a .keras file or a SavedModel folder.
        image_size: longer side that photos are brought to, in pixels; by default what the model was
            trained at, or 256 where nothing tells it.
        batch_size: photos that the model sees at a time.
        tta: mean over the photo and its mirror image, each at two sizes.
        threshold: a muscle's pixel counts only from this probability on.

    Raises:
        UserError: there is no such model, it is no segmentation model, or it takes photos of one
            size only and is asked for another.
    """
    loaded: Loaded = load_model(model, image_size, other_sizes=tta)
    return Predictor(
        forward=loaded.forward,
        class_names=loaded.class_names,
        image_size=loaded.image_size,
        batch_size=batch_size,
        tta=tta,
        threshold=threshold,
    )


def _padded(image: np.ndarray, size: int) -> np.ndarray:
    """A photo in the middle of a square: uint8 [size, size, 3].

    Resized bilinearly, antialiased when shrinking, as the training photos are.
    """
    height, width = image.shape[:2]
    box = Letterbox.of(height, width, size)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = PADDING
    resized = Image.fromarray(image).resize((box.width, box.height), Image.Resampling.BILINEAR)
    square[box.content] = np.asarray(resized)
    return square


def _restored(predicted: np.ndarray, photo_shape: Sequence[int]) -> np.ndarray:
    """Probabilities [S, S, K] of a padded photo at the photo's size: float32 [H, W, K]."""
    height, width = photo_shape[:2]
    content = predicted[Letterbox.of(height, width, len(predicted)).content]
    restored = np.empty((height, width, predicted.shape[-1]), np.float32)
    for class_id in range(predicted.shape[-1]):
        channel = Image.fromarray(np.ascontiguousarray(content[..., class_id], np.float32))
        enlarged = channel.resize((width, height), Image.Resampling.BILINEAR)
        restored[..., class_id] = np.asarray(enlarged)
    return restored
