"""A trained model ready for photos of any size; its probabilities come back at theirs.

predictor = load_predictor("runs/mine")
probabilities = predictor.probabilities([read_photo(path)])
class_ids = predictor.class_ids(probabilities[0])
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from tf_muscle.data.geometry import Geometry, likeliest
from tf_muscle.prediction.model_files import Loaded, load_model

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

    def probabilities(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predicts photos of mixed sizes.

        Args:
            images: RGB, uint8 [H, W, 3] each.

        Returns:
            The probability of each class, float32 [H, W, K], at each photo's own size.
        """
        return list(self.stream(images))

    def stream(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`probabilities` one after the other, so that only one is held at its photo's size."""
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
                yield sum(restored[1:], restored[0]) / len(restored)

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
        image_size: pixels that photos are brought to; by default what the model was trained at, or
            256 where nothing tells it.
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
        geometry=loaded.geometry,
        batch_size=batch_size,
        tta=tta,
        threshold=threshold,
    )
