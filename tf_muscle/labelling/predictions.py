"""What a run's models say of photos that they were not fitted to."""

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.records import Example
from tf_muscle.runs.folder import RunFolder


@dataclass(frozen=True)
class Predictions:
    """Probabilities of photos, on the disk.

    Attributes:
        folder: X.jpg.npz with `probabilities`, float [S, S, K], of each photo train/X.jpg, as
            `training.out_of_fold` writes them.
        geometry: how the photos were brought to S pixels.
        class_count: K.
    """

    folder: Path
    geometry: Geometry
    class_count: int

    def read(self, name: str) -> np.ndarray:
        """The probabilities of a photo, float32 [S, S, K].

        Raises:
            UserError: they are gone, damaged, or of another network.
        """
        path = self.folder / f"{name}.npz"
        try:
            with np.load(path) as file:
                probabilities = file["probabilities"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} cannot be read ({error}): put it back as the run wrote it"
            ) from error
        expected = (self.geometry.size, self.geometry.size, self.class_count)
        if probabilities.shape != expected:
            raise UserError(
                f"{path} has the shape {list(probabilities.shape)} in place of {list(expected)}: "
                "put it back as the run wrote it"
            )
        return probabilities


@contextmanager
def predictions(
    run: RunFolder, examples: Mapping[str, Example], geometry: Geometry, class_count: int
) -> Iterator[Predictions]:
    """The probabilities of held-out photos: what a run with folds keeps of them, or made anew.

    Those made anew lie in a temporary folder for the length of the block.

    Args:
        run: finished.
        examples: that can be decoded, by name.
        geometry: of the run.
        class_count: K.
    """
    if run.folds.is_file():
        yield Predictions(run.out_of_fold, geometry, class_count)
        return
    from tf_muscle.prediction.predictor import load_predictor  # takes seconds, and folds need none

    predictor = load_predictor(run, calibrated=False)
    with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
        for name, example in examples.items():
            image = decode_photo(example.image_path)
            path = Path(folder) / f"{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            squares = predictor.forward(geometry.squares(image))
            probabilities = geometry.whole(squares, *image.shape[:2])
            np.savez(path, probabilities=probabilities.astype(np.float16))
        yield Predictions(Path(folder), geometry, class_count)


def with_predictions(
    examples: Mapping[str, Example], predicted: Predictions
) -> tuple[dict[str, Example], dict[str, str]]:
    """The photos whose probabilities can be read, and by the names of the others, why not."""
    kept, unread = {}, {}
    for name, example in examples.items():
        try:
            predicted.read(name)
        except UserError as error:
            unread[name] = str(error)
        else:
            kept[name] = example
    return kept, unread
