"""Photos without masks: decoded once at the network's size, and the two views of them.

The weak view is what `augment` does to the geometry of a labelled photo. The strong view is the
same picture in other colours, grey or blurred, for the student of `model/mean_teacher.py`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_muscle.data.augment import Augmenter
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.pipeline import PREFETCH, WORKERS, without_autotune
from tf_muscle.options import AugmentConfig
from tf_muscle.roboflow.records import VOID

Views = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]

# Options that change colours; the others move pixels.
COLOURS = ("brightness", "saturation", "hue", "grayscale", "blur", "noise")
# As in UniMatch's published code (Yang et al. 2023, arXiv:2208.09910): brightness, contrast and
# saturation by 0.5, hue by 0.25, grey in 0.2 of the photos, blur, and CutMix with boxes of 2 to 40
# percent in half of them. There, one photo in five keeps its colours, and half are not blurred.
STRONG = AugmentConfig(
    horizontal_flip=0.0, vertical_flip=0.0, shear=0.0, noise=0.0,
    brightness=0.5, saturation=0.5, hue=0.25, grayscale=0.2,
)  # fmt: skip
BLUR = 2.0 / 321  # largest sigma, as a share of the photo's size: 2 pixels of its 321
BOXED = 0.5
BOX_SHARES = (0.02, 0.4)
BOX_RATIOS = (0.3, 1 / 0.3)  # width to height
# Added to the seed, which is below the first: draws of their own, beside those of labelled photos.
WEAK_STREAM, STRONG_STREAM, BOX_STREAM = (number << 32 for number in (1, 2, 3))


@dataclass(frozen=True)
class UnlabeledPhotos:
    """Photos in a file of uint8 [N, S, S, 3], which is never in memory as a whole.

    Attributes:
        path: of the file, without a header.
        sizes: height and width of each photo in pixels before it was brought into the square.
        geometry: that did so.
        batch_size: photos in one training step.
    """

    path: Path
    sizes: tuple[tuple[int, int], ...]
    geometry: Geometry
    batch_size: int

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some photos, uint8 [B, S, S, 3], and 0 where they are, `VOID` around: uint8 [B, S, S]."""
        size = self.geometry.size
        stored = np.memmap(self.path, np.uint8, "r", shape=(len(self.sizes), size, size, 3))
        around = np.full((len(numbers), size, size), VOID, np.uint8)
        for square, number in zip(around, numbers, strict=True):
            square[self.geometry.box(*self.sizes[number]).content] = 0
        return stored[numbers], around


def unlabeled_views(
    photos: UnlabeledPhotos, recipe: AugmentConfig, seed: int, *, skipped_batches: int = 0
) -> tf.data.Dataset:
    """Endless batches of shuffled photos in two views, the same for the same seed.

    Args:
        photos: N of them; where they are fewer than a batch, one comes twice in it.
        recipe: of the labelled photos, see `without_baked`.
        seed: decides the order and the changes.
        skipped_batches: leave out so many from the start, see `pipeline.training_batches`.

    Returns:
        Tuples of the weak and the strong view, uint8 [U, S, S, 3] each; what surrounds the photos,
        uint8 [U, S, S], `VOID` around them; and the boxes of CutMix, bool [U, S, S].
    """
    size = recipe.crop or photos.geometry.size
    moves = AugmentConfig(**{**vars(recipe), **dict.fromkeys(COLOURS, 0.0)})
    weaken = Augmenter(moves, seed + WEAK_STREAM)
    strengthen = Augmenter(dataclasses.replace(STRONG, blur=BLUR * size), seed + STRONG_STREAM)

    def views(numbers: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
        weak, around = weaken(*photos.read(numbers), batch)
        strong, _ = strengthen(weak, around, batch)
        boxes = [
            cut_mix_box(size, np.random.default_rng([seed + BOX_STREAM, int(batch), number]))
            for number in range(len(numbers))
        ]
        return weak, strong, around, np.stack(boxes)

    def shaped(batch: tf.Tensor, numbers: tf.Tensor) -> Views:
        made = tf.numpy_function(views, (numbers, batch), (tf.uint8, tf.uint8, tf.uint8, tf.bool))
        squares = (photos.batch_size, size, size)
        shapes = ((*squares, 3), (*squares, 3), squares, squares)
        return tuple(tf.ensure_shape(one, shape) for one, shape in zip(made, shapes, strict=True))

    count = len(photos.sizes)
    numbers = tf.data.Dataset.range(count).shuffle(count, seed, reshuffle_each_iteration=True)
    batches = numbers.repeat().batch(photos.batch_size, drop_remainder=True).enumerate()
    return without_autotune(
        batches.skip(skipped_batches).map(shaped, num_parallel_calls=WORKERS).prefetch(PREFETCH)
    )


def beside(batches: tf.data.Dataset, views: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of `training_batches` with those of `unlabeled_views` as their third part."""
    both = tf.data.Dataset.zip((batches, views)).map(lambda pair, more: (*pair, more))
    return without_autotune(both)


def cut_mix_box(size: int, random: np.random.Generator) -> np.ndarray:
    """A box that another photo is pasted into, or none.

    Args:
        size: height and width of the photo in pixels, S.
        random: draws it.

    Returns:
        bool [S, S], True inside.
    """
    box = np.zeros((size, size), bool)
    if random.random() >= BOXED:
        return box
    area = random.uniform(*BOX_SHARES) * size**2
    ratio = random.uniform(*BOX_RATIOS)
    width = min(size, max(1, round(np.sqrt(area * ratio))))
    height = min(size, max(1, round(np.sqrt(area / ratio))))
    top, left = random.integers(size - height + 1), random.integers(size - width + 1)
    box[top : top + height, left : left + width] = True
    return box
