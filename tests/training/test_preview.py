"""`--preview` shows the photos that the training with the same options would train on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf_muscle
from tf_muscle.runs.folder import RunFolder
from tf_muscle.training import preview
from tf_muscle.training.divide import divide_into_folds, divide_once, survey_photos


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Muscle pixels of each mask that is shown."""
    found: list[int] = []

    def keep(images: Any, masks: np.ndarray, names: Any, path: Path, aspect: float) -> None:
        assert aspect == 1  # these photos are squares
        found.extend(np.count_nonzero(masks, axis=(1, 2)).tolist())
        path.touch()

    monkeypatch.setattr(preview, "preview_sheet", keep)
    return found


def config_of(export: Path, folder: Path, **more: Any) -> "tf_muscle.Config":
    plain = {"horizontal_flip": 0.0, "vertical_flip": 0.0, "shear": 0.0, "blur": 0.0}
    return tf_muscle.Config.of(
        data=str(export), data_dir=str(folder / "tfds"), runs_dir=str(folder / "runs"),
        saved_models_dir=str(folder / "saved"), image_size=256, preview=True, **plain, **more,
    )  # fmt: skip


def test_python_trains_nothing_either(small_export: Path, tmp_path: Path, shown: list[int]) -> None:
    run = tf_muscle.train(config_of(small_export, tmp_path), "look")
    assert isinstance(run, RunFolder)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["look-preview.png"]
    assert len(shown) == 12  # all that it has


def test_of_a_fold_although_one_source_is_in_two_splits(
    small_export: Path, tmp_path: Path, shown: list[int]
) -> None:
    """Which the training accepts, since folds keep copies together."""
    export = shutil.copytree(small_export, tmp_path / "export")
    photo = next((export / "train").glob("*.jpg"))
    for path in (photo, photo.with_name(f"{photo.stem}_mask.png")):
        shutil.copy(path, export / "test")
    config = config_of(export, tmp_path, folds=5)
    tf_muscle.train(config, "look")
    photos = survey_photos(config.data)
    expected = divide_into_folds(photos, config.data).assignment(1).photos["train"]
    assert set(shown) == muscle_pixels(photos, expected)


def test_of_a_split_by_groups(small_export: Path, tmp_path: Path, shown: list[int]) -> None:
    export = tmp_path / "export"
    shutil.copytree(small_export / "train", export / "train")
    config = config_of(export, tmp_path, split_groups=True, groups=r"(\d)_jpg")
    tf_muscle.train(config, "look")
    photos = survey_photos(config.data)
    expected = divide_once(photos, config.data).photos["train"]
    assert set(shown) == muscle_pixels(photos, expected)


def muscle_pixels(photos: Any, names: Any) -> set[int]:
    """Of these photos, counted in their masks."""
    return {
        int(image.class_pixels[1:].sum())
        for image in photos.images
        if f"{image.split}/{image.example.file_name}" in names
    }
