"""`review` of runs whose networks have to be asked, with random weights."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import tiny_folds, tiny_run

from tf_muscle.command import run_command
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.review import main
from tf_muscle.runs.folder import RunFolder

SIZE = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reviewed")


@pytest.fixture(scope="module")
def run(small_export: Path, folder: Path) -> RunFolder:
    return tiny_run(folder / "run", small_export, folder / "tfds", size=SIZE)


def photos_of(table: Path) -> set[str]:
    with table.open(newline="") as file:
        return {row["photo"] for row in csv.DictReader(file)}


def test_without_folds(
    run: RunFolder, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network of random weights contradicts most masks; its masks are those of `predict`."""
    assert run_command(main, [str(run.path), "--out", str(tmp_path / "out")]) == 0
    assert "has no folds, so only the 8 photos of valid and test are reviewed" in (
        capsys.readouterr().out
    )
    found = photos_of(tmp_path / "out" / "doubtful.csv")
    assert found
    assert {name.partition("/")[0] for name in found} <= {"valid", "test"}
    predictor = load_predictor(run)
    for name in found:
        mask = np.asarray(
            Image.open(tmp_path / "out/predicted" / name.replace(".jpg", "_mask.png"))
        )
        expected = predictor.predict(small_export / name).mask
        assert (mask == expected).mean() > 0.99  # probabilities are kept in 16 bits


def test_a_fold_reviews_what_it_held_out(
    small_export: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fold = tiny_folds(folder / "folds", small_export, folder / "tfds", size=SIZE).fold_run(2)
    assert run_command(main, [str(fold.path), "--out", str(tmp_path / "out")]) == 0
    held_out = sum(len(photos) for photos in _held_out(fold))
    assert f"only the {held_out} photos of valid and test" in capsys.readouterr().out
    assert photos_of(tmp_path / "out" / "doubtful.csv") <= {n for ns in _held_out(fold) for n in ns}


def _held_out(fold: RunFolder) -> list[list[str]]:
    photos = json.loads(fold.split.read_text())["photos"]
    return [photos["valid"], photos["test"]]


def test_photos_held_out_of_train(
    run: RunFolder, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which photos were held out is known as long as the export is as it was."""
    export = tmp_path / "gym"
    shutil.copytree(small_export / "train", export / "train")
    own = tiny_run(tmp_path / "run", export, tmp_path / "tfds", size=SIZE)
    assert run_command(main, [str(own.path), "--out", str(tmp_path / "out")]) == 0
    assert "photos of valid and test" in capsys.readouterr().out
    assert all(name.startswith("train/") for name in photos_of(tmp_path / "out" / "doubtful.csv"))
    photo = next((export / "train").glob("*.jpg"))
    photo.with_name(f"{photo.stem}_mask.png").unlink()
    photo.unlink()
    assert run_command(main, [str(own.path), "--out", str(tmp_path / "again")]) == 2
    assert "without a folder valid, test nothing tells" in capsys.readouterr().err
