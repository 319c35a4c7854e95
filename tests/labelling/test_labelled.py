import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.labelling.labelled import LabelledPhotos, look_at_labelled
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.runs.folder import RunFolder

NAMES = ("background", "biceps", "triceps", "calf")


class Colours:
    """Its features are the mean colour."""

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probabilities = np.full((1, *images.shape[:3], len(NAMES)), 0.25, np.float32)
        return probabilities, images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)


def look(model: Path | str, data: Path | None = None) -> LabelledPhotos:
    predictor = Predictor(lambda images: images, NAMES, Geometry("stretch", 32), 4)
    return look_at_labelled(Colours(), predictor, str(model), data and str(data))


def photo_names(export: Path, *splits: str) -> set[str]:
    return {f"{split}/{path.name}" for split in splits for path in (export / split).glob("*.jpg")}


def test_what_the_run_was_trained_on(run: RunFolder, small_export: Path) -> None:
    labelled = look(run.path)
    assert set(labelled.names) == photo_names(small_export, "train")
    assert labelled.known.features.shape == (12, 3)
    np.testing.assert_allclose(np.linalg.norm(labelled.known.features, axis=1), 1, atol=1e-3)
    assert labelled.known.hashes.shape == (20, 2, 4)  # valid and test are labelled, too
    assert "20 photos of" in labelled.sentence
    assert "learned from 12" in labelled.sentence


def test_folds_together_have_seen_every_photo(folds: RunFolder, small_export: Path) -> None:
    assert set(look(folds.path).names) == photo_names(small_export, "train", "valid", "test")


def test_one_fold_has_seen_those_of_its_division(folds: RunFolder) -> None:
    one, other = (set(look(folds.fold_run(number).path).names) for number in (1, 2))
    assert 0 < len(one) < 20
    assert one != other


def test_an_export_that_was_moved(run: RunFolder, small_export: Path, tmp_path: Path) -> None:
    moved = RunFolder(tmp_path / "moved")
    shutil.copytree(run.path, moved.path)
    options = yaml.safe_load(moved.config.read_text()) | {"data": str(tmp_path / "gone")}
    moved.config.write_text(yaml.safe_dump(options))
    labelled = look(moved.path)
    assert labelled.names == ()
    assert len(labelled.known.hashes) == 0
    assert "gone, the run's export, is gone, so what is labelled may be suggested again. Give" in (
        labelled.sentence
    )
    assert set(look(moved.path, small_export).names) == photo_names(small_export, "train")
    with pytest.raises(UserError, match="other"):
        look(moved.path, tmp_path / "other")


def test_a_file_of_a_model_tells_nothing(run: RunFolder, small_export: Path) -> None:
    labelled = look(run.model)
    assert labelled.names == ()
    assert "does not tell which photos are labelled" in labelled.sentence
    assert set(look(run.model, small_export).names) == photo_names(small_export, "train")


def test_an_export_of_training_photos_alone(
    run: RunFolder, small_export: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_export / "train", tmp_path / "more/train")
    assert set(look(run.path, tmp_path / "more").names) == photo_names(small_export, "train")
