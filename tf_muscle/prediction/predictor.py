"""A trained model ready for photos of any size; its probabilities come back at theirs.

predictor = load_predictor("runs/mine")
mask = predictor.predict("photo.jpg").mask
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np

from tf_muscle.data.geometry import Geometry, brought_to
from tf_muscle.data.marking import mark, mark_enlarged
from tf_muscle.errors import UserError, at_least, between
from tf_muscle.exporting.hub import local_model
from tf_muscle.prediction.litert_files import LitertFile, load_litert
from tf_muscle.prediction.model_files import Loaded, load_model
from tf_muscle.prediction.outputs import PhotoResult
from tf_muscle.prediction.photos import PhotoLike, photo_pixels
from tf_muscle.runs.calibration import Calibration, Tta

TTA_SCALE = 1.25  # the second size of mirror_scale, by the first


@dataclass(frozen=True)
class Predictor:
    """Predicts masks; made by `load_predictor`.

    Attributes:
        forward: from photos uint8 [B, S, S, 3] to probabilities float32 [B, S, S, K], at the
            calibration's temperature.
        class_names: K names, the first is the background's.
        geometry: how a photo is brought to S pixels, as in the training.
        batch_size: photos that the model sees at a time.
        calibration: test-time augmentation, thresholds and smallest area.
    """

    forward: Callable[[np.ndarray], np.ndarray]
    class_names: tuple[str, ...]
    geometry: Geometry
    batch_size: int = 8
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def settings(self) -> str | None:
        """How masks are made, in one line for the terminal; None for the plain model."""
        if self.calibration == Calibration():
            return None
        return f"masks by {self.calibration.described(self.class_names)}"

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

    def stream(
        self, images: Iterable[np.ndarray], *, in_square: bool = False
    ) -> Iterator[np.ndarray]:
        """Predicts photos of mixed sizes; only one result is held at its photo's size.

        Args:
            images: RGB, uint8 [H, W, 3] each.
            in_square: leave the probabilities at the size that the network sees a photo at.

        Yields:
            The probability of each class, float32 [H, W, K], at each photo's own size; [h, w, K]
            with `in_square`.
        """
        geometries = [self.geometry]
        if self.calibration.tta == "mirror_scale":
            larger = round(self.geometry.size * TTA_SCALE)
            geometries.append(replace(self.geometry, size=larger))
        for batch in self._batches(images):
            passes = [self._seen(batch, geometry) for geometry in geometries]
            for image, *seen in zip(batch, *passes, strict=True):
                size = seen[0].shape[:2] if in_square else image.shape[:2]
                mean = brought_to(seen[0], *size)
                for other in seen[1:]:
                    mean += brought_to(other, *size)
                yield mean / len(seen) if len(seen) > 1 else mean

    def stream_as_seen(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`stream` for `marked`: a photo's probabilities before they are enlarged.

        Enlarging is linear, so that averages may be taken of these. The two sizes of mirror_scale
        have none in common but the photo's own, and come at that.

        Yields:
            float32 [h, w, K] for each photo.
        """
        return self.stream(images, in_square=self.calibration.tta != "mirror_scale")

    def marked(
        self, probabilities: np.ndarray, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mask of a photo, from `stream_as_seen`: `class_ids` of the enlarged probabilities.

        Args:
            probabilities: float32 [h, w, K], at any size.
            height: the photo's, in pixels.
            width: the photo's, in pixels.

        Returns:
            Class ids, uint8 [height, width], and the probability of each pixel's own class, float32
            [height, width].
        """
        return mark_enlarged(probabilities, height, width, self.calibration)

    def class_ids(self, probabilities: np.ndarray) -> np.ndarray:
        """The mask: the likeliest class of each pixel, or what the calibration makes of it.

        Args:
            probabilities: float32 [H, W, K].

        Returns:
            uint8 [H, W].
        """
        return mark(probabilities, self.calibration)

    def _batches(self, images: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Photos that have about `batch_size` squares together."""
        batch: list[np.ndarray] = []
        count = 0
        for image in images:
            windows = self.geometry.windows(*image.shape[:2])
            batch.append(image)
            count += len(windows.columns) if windows else 1
            if count >= self.batch_size:
                yield batch
                batch, count = [], 0
        if batch:
            yield batch

    def _seen(self, images: Sequence[np.ndarray], geometry: Geometry) -> list[np.ndarray]:
        """Probabilities of photos, float [h, w, K] each, as `Geometry.seen` gives them."""
        squares = [geometry.squares(image) for image in images]
        every = np.concatenate(squares)
        predicted = np.concatenate(
            [self._mirrored(every[i : i + self.batch_size])
             for i in range(0, len(every), self.batch_size)]
        )  # fmt: skip
        parts = np.split(predicted, np.cumsum([len(one) for one in squares])[:-1])
        return [
            geometry.seen(part, *image.shape[:2]) for part, image in zip(parts, images, strict=True)
        ]

    def _mirrored(self, squares: np.ndarray) -> np.ndarray:
        """Probabilities float32 [B, S, S, K]; with `tta` the mean with those of mirror images."""
        predicted = self.forward(squares)
        if self.calibration.tta != "none":
            predicted = (predicted + self.forward(squares[:, :, ::-1])[:, :, ::-1]) / 2
        return predicted


def load_predictor(
    model: str | os.PathLike[str] | None = None,
    *,
    image_size: int | None = None,
    batch_size: int = 8,
    tta: Tta | None = None,
    threshold: float | None = None,
    calibrated: bool = True,
) -> Predictor:
    """Loads a trained model, with the calibration that `evaluate --calibrate` found for it.

    Args:
        model: a run (its `RunFolder`, its path, or its name in runs/), a .keras file, a SavedModel
            folder, a .tflite file of `export`, which needs no TensorFlow, or "hf://USER/NAME", a
            model on the Hugging Face Hub. Without it, the model in the package, which has seen
            rendered figures only.
        image_size: int from 32, pixels that photos are brought to; by default what the model was
            trained at, or 256 where nothing tells it.
        batch_size: int from 1, photos that the model sees at a time. With 1 it takes some seconds
            more to load, and single photos are 2 to 10 times as fast on many processors.
        tta: "none", "mirror" for the mean over the photo and its mirror image, or "mirror_scale"
            for that at two sizes; by default the calibration's.
        threshold: float, 0 to 1, from this probability on a pixel is of its likeliest muscle; by
            default the calibration's, else the likeliest class of each pixel counts.
        calibrated: bool, use the run's calibration.json, or what the SavedModel holds of one.

    Returns:
        `Predictor`: its `predict` takes a photo, its `predict_all` any number of them.

    Raises:
        UserError: there is no such model, it is no segmentation model, it takes photos of one size
            only and is asked for another, or an option is out of its range.

    Examples:
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
    if tta not in (None, *get_args(Tta)):
        raise UserError(f"--tta must be none, mirror or mirror_scale, got {tta}")
    other_sizes = tta == "mirror_scale"
    if model is not None:
        model = local_model(model)
    loaded: Loaded | LitertFile
    if model is not None and Path(model).suffix == ".tflite":
        loaded = load_litert(
            Path(model), image_size, other_sizes=other_sizes, calibrated=calibrated
        )
        forward = loaded.forward()
    else:
        loaded = load_model(
            model,
            image_size,
            other_sizes=other_sizes,
            calibrated=calibrated,
            single=batch_size == 1,
        )
        forward = _of_arrays(loaded)
    calibration = loaded.calibration
    if tta is not None:
        calibration = replace(calibration, tta=tta)
    if threshold is not None:
        thresholds = (threshold,) * (len(loaded.class_names) - 1)
        calibration = replace(calibration, thresholds=thresholds)
    return Predictor(
        forward=forward,
        class_names=loaded.class_names,
        geometry=loaded.geometry,
        batch_size=batch_size,
        calibration=calibration,
    )


def _of_arrays(loaded: Loaded) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf  # loaded by now; a Predictor by itself needs none

    return lambda images: loaded.forward(tf.constant(images)).numpy()
