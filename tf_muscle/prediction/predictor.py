"""A trained model ready for photos of any size; its probabilities come back at theirs.

predictor = load_predictor("runs/mine")
mask = predictor.predict("photo.jpg").mask
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from tf_muscle.data.geometry import Geometry, likeliest
from tf_muscle.errors import at_least, between
from tf_muscle.prediction.model_files import Loaded, load_model
from tf_muscle.prediction.outputs import PhotoResult
from tf_muscle.prediction.photos import PhotoLike, photo_pixels

TTA_SCALE = 1.25  # the second size of test-time augmentation, by the first


@dataclass(frozen=True)
class Predictor:
    """Predicts masks; made by `load_predictor`.

    Attributes:
        forward: from photos uint8 [B, S, S, 3] to probabilities float32 [B, S, S, K].
        class_names: K names, the first is the background's.
        geometry: how a photo is brought to S pixels, as in the training.
        batch_size: photos that the model sees at a time.
        tta: mean over the photo and its mirror image, each at two sizes.
        threshold: probability below which a pixel is background, whatever is likeliest there.
    """

    forward: Callable[[np.ndarray], np.ndarray]
    class_names: tuple[str, ...]
    geometry: Geometry
    batch_size: int = 8
    tta: bool = False
    threshold: float | None = None

    def predict(self, photo: PhotoLike) -> PhotoResult:
        """Marks the muscles in a photo.

        Args:
            photo: path of a photo, as JPEG, PNG, TIFF or HEIC; a Pillow picture; or an array, RGB,
                uint8 [H, W, 3].

        Raises:
            UserError: the photo cannot be read, or the array has another type or shape.
        """
        return next(self.predict_all([photo]))

    def predict_all(self, photos: Iterable[PhotoLike]) -> Iterator[PhotoResult]:
        """`predict` of one photo after the other; `batch_size` of them are in memory at a time."""
        remaining = iter(photos)
        while images := [photo_pixels(photo) for photo in islice(remaining, self.batch_size)]:
            for image, probabilities in zip(images, self.stream(images), strict=True):
                mask = self.class_ids(probabilities)
                yield PhotoResult(image, probabilities, mask, self.class_names)

    def stream(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Predicts photos of mixed sizes; only one result is held at its photo's size.

        Args:
            images: RGB, uint8 [H, W, 3] each.

        Yields:
            The probability of each class, float32 [H, W, K], at each photo's own size.
        """
        geometries = [self.geometry]
        if self.tta:
            larger = round(self.geometry.size * TTA_SCALE)
            geometries.append(replace(self.geometry, size=larger))
        remaining = iter(images)
        while batch := list(islice(remaining, self.batch_size)):
            passes = [self._squares(batch, geometry) for geometry in geometries]
            for image, *predicted in zip(batch, *passes, strict=True):
                restored = [
                    geometry.restore(square, *image.shape[:2])
                    for geometry, square in zip(geometries, predicted, strict=True)
                ]
                mean = restored[0]
                for other in restored[1:]:
                    mean += other
                yield mean / len(restored) if self.tta else mean

    def class_ids(self, probabilities: np.ndarray) -> np.ndarray:
        """The likeliest class of each pixel, as far as it reaches the threshold.

        Args:
            probabilities: float32 [H, W, K].

        Returns:
            uint8 [H, W].
        """
        return likeliest(probabilities, self.threshold)

    def _squares(self, images: Sequence[np.ndarray], geometry: Geometry) -> np.ndarray:
        """Probabilities float32 [B, S, S, K] of photos brought to S pixels."""
        squares = np.stack([geometry.fit(image) for image in images])
        predicted = self.forward(squares)
        if self.tta:
            predicted = (predicted + self.forward(squares[:, :, ::-1])[:, :, ::-1]) / 2
        return predicted


def load_predictor(
    model: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    batch_size: int = 8,
    tta: bool = False,
    threshold: float | None = None,
) -> Predictor:
    """Loads a trained model.

    Args:
        model: a run (its `RunFolder`, its path, or its name in runs/), a .keras file, or a
            SavedModel folder.
        image_size: int from 32, pixels that photos are brought to; by default what the model was
            trained at, or 256 where nothing tells it.
        batch_size: int from 1, photos that the model sees at a time.
        tta: bool, mean over the photo and its mirror image, each at two sizes.
        threshold: float, 0 to 1, a muscle's pixel counts only from this probability on; by default
            the likeliest class of each pixel counts.

    Returns:
        `Predictor`: its `predict` takes a photo, its `predict_all` any number of them.

    Raises:
        UserError: there is no such model, it is no segmentation model, it takes photos of one size
            only and is asked for another, or an option is out of its range.

    Example:
        >>> import tf_muscle
        >>> predictor = tf_muscle.load_predictor("runs/mine")
        >>> result = predictor.predict("photo.jpg")
        >>> result.image.shape, result.mask.shape, result.probabilities.shape
        ((256, 256, 3), (256, 256), (256, 256, 4))
        >>> [row.muscle for row in result.rows]
        ['biceps', 'triceps', 'calf']
        >>> result.overlay().shape[1:]  # the legend makes it higher
        (256, 3)
    """
    at_least("batch_size", batch_size, 1)
    if image_size is not None:
        at_least("image_size", image_size, 32)
    if threshold is not None:
        between("threshold", threshold, 0.0, 1.0)
    loaded: Loaded = load_model(model, image_size, other_sizes=tta)
    import tensorflow as tf  # loaded by now; a Predictor by itself needs none

    return Predictor(
        forward=lambda images: loaded.forward(tf.constant(images)).numpy(),
        class_names=loaded.class_names,
        geometry=loaded.geometry,
        batch_size=batch_size,
        tta=tta,
        threshold=threshold,
    )
