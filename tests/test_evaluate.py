"""`python -m tf_muscle.evaluate` of a finished run, on its own photos and on others."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tf_muscle.command import run_command
from tf_muscle.evaluate import main as evaluate


@pytest.fixture(scope="module")
def finished(straight: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished run, whose evaluations nobody else sees."""
    return Path(shutil.copytree(straight, tmp_path_factory.mktemp("evaluated") / "straight"))


def test_evaluation_gives_the_scores_of_the_report(finished: Path) -> None:
    assert run_command(evaluate, [str(finished)]) == 0
    (path,) = (finished / "evaluations").glob("*.json")
    record = json.loads(path.read_text())
    expected = json.loads((finished / "metrics.json").read_text())["test"]
    assert record["confusion_matrix"] == expected["confusion_matrix"]
    assert record["loss"] == pytest.approx(expected["loss"])


def test_classes_in_another_order_are_not_evaluated(
    finished: Path, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small_export, other)
    for split in ("train", "valid", "test"):
        names = "Pixel Value, Class\n0, background\n1, calf\n2, triceps\n3, biceps\n"
        (other / split / "_classes.csv").write_text(names)
    assert run_command(evaluate, [str(finished), "--data", str(other)]) == 2
    assert "was trained on background, biceps, triceps, calf" in capsys.readouterr().err


def other_photos(small_export: Path, folder: Path, split: str, name: str) -> Path:
    """An export of one folder, with other bytes than the run was trained on."""
    shutil.copytree(small_export / split, folder / name)
    for path in (folder / name).glob("*.jpg"):
        path.write_bytes(path.read_bytes() + b"\0")
    return folder


def evaluated(run: Path) -> dict[str, Any]:
    return json.loads(max((run / "evaluations").glob("*.json"), key=os.path.getmtime).read_text())


def test_an_export_of_one_folder_is_scored_whole(
    finished: Path, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = json.loads((finished / "metrics.json").read_text())["test"]["confusion_matrix"]
    for name in ("test", "Val", "train"):
        other = other_photos(small_export, tmp_path / name, "test", name)
        assert run_command(evaluate, [str(finished), "--data", str(other)]) == 0
        assert evaluated(finished)["confusion_matrix"] == expected
        photos = len(list((other / name).glob("*.jpg")))
        told = f"All {photos} photos in {name} of {other} are scored, its only folder, so none were"
        assert told in capsys.readouterr().out


def test_unlabelled_pixels_of_another_export_are_left_out_of_its_scores(
    finished: Path, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = other_photos(small_export, tmp_path / "other", "test", "test")
    for path in (other / "test").glob("*_mask.png"):
        mask = np.array(Image.open(path))
        mask[: len(mask) // 2] = 255
        Image.fromarray(mask).save(path)
    words = [str(finished), "--data", str(other)]
    assert run_command(evaluate, words) == 2
    assert "such as --ignore 255" in capsys.readouterr().err
    assert run_command(evaluate, [*words, "--ignore", "255"]) == 0
    whole = json.loads((finished / "metrics.json").read_text())["test"]["confusion_matrix"]
    assert 0 < np.sum(evaluated(finished)["confusion_matrix"]) < np.sum(whole)
    assert "of every score by --ignore 255" in capsys.readouterr().out


def test_a_split_that_is_not_there_is_not_evaluated(
    finished: Path, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = other_photos(small_export, tmp_path / "other", "test", "val")
    words = [str(finished), "--data", str(other)]
    assert run_command(evaluate, [*words, "--split", "test"]) == 2
    assert f"--split test is no folder of {other}, which has val: give --split valid" in (
        capsys.readouterr().err
    )
    shutil.copytree(other / "val", other / "train")
    assert run_command(evaluate, words) == 2
    assert "which has train, val: give --split train or valid" in capsys.readouterr().err
