"""A run with folds as one model: predicted with, scored, compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.evaluate import main as evaluate
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import read_folds
from tf_muscle.training.comparison import compare


def foreground_mean_iou(truths: list[np.ndarray], predictions: list[np.ndarray]) -> float:
    truth = np.concatenate([one.ravel() for one in truths])
    prediction = np.concatenate([one.ravel() for one in predictions])
    muscles = [one for one in np.union1d(truth, prediction) if one]
    return float(jaccard_score(truth, prediction, labels=muscles, average="macro"))


def test_predictions_are_the_mean_of_the_folds(
    folds: RunFolder, small_export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [np.asarray(Image.open(path)) for path in sorted(small_export.glob("test/*.jpg"))]
    photos.append(photos[0][:50, :70])
    predictor = load_predictor(folds)
    assert "The mean of 2 networks, one a fold: about 2 times" in capsys.readouterr().out
    members = [load_predictor(one) for one in folds.fold_runs]
    assert capsys.readouterr().out == ""
    assert (predictor.class_names, predictor.geometry) == (
        members[0].class_names,
        members[0].geometry,
    )
    streams = [list(one.stream(photos)) for one in (predictor, *members)]
    for mean, *each in zip(*streams, strict=True):
        np.testing.assert_allclose(mean, np.mean(each, axis=0), atol=1e-5)
    assert not np.allclose(streams[1][0], streams[2][0], atol=1e-2)


def test_own_photos_are_scored_by_the_fold_that_held_them_out(
    folds: RunFolder, small_export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(evaluate, [str(folds.path)]) == 0
    (path,) = (folds.path / "evaluations").glob("small_export*-test-*.json")
    record = json.loads(path.read_text())
    assert "scored by that of the 2 folds that has held it out" in capsys.readouterr().out
    truths, predictions = [], []
    for number, one in enumerate(folds.fold_runs, 1):
        predictor = load_predictor(one)
        for photo in read_folds(folds).photos:
            if photo.fold == number:
                image = small_export / photo.name
                truths.append(np.asarray(Image.open(f"{image.with_suffix('')}_mask.png")))
                predictions.append(predictor.predict(image).mask)
    assert record["image_count"] == len(truths) == 20
    found = record["own_size"]["foreground_mean_iou"]
    assert found == pytest.approx(foreground_mean_iou(truths, predictions), abs=1e-4)
    assert found > 0.001
    assert run_command(evaluate, [str(folds.path), "--split", "train"]) == 2
    assert "--split train has photos that folds of" in capsys.readouterr().err


@pytest.mark.slow
def test_another_exports_photos_are_scored_by_the_mean(
    folds: RunFolder, small: RunFolder, small_export: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small_export / "valid", other / "test")
    assert run_command(evaluate, [str(folds.path), "--data", str(other)]) == 0
    (path,) = (folds.path / "evaluations").glob("other-test-*.json")
    predictor = load_predictor(folds)
    images = sorted((other / "test").glob("*.jpg"))
    truths = [np.asarray(Image.open(f"{one.with_suffix('')}_mask.png")) for one in images]
    predictions = [predictor.predict(one).mask for one in images]
    found = json.loads(path.read_text())["own_size"]["foreground_mean_iou"]
    assert found == pytest.approx(foreground_mean_iou(truths, predictions), abs=1e-4)
    assert compare(folds, small, other).image_count == 4
    with pytest.raises(UserError, match=r"folds and .*small have not the same folds"):
        compare(folds, small)


def test_two_runs_with_the_same_folds_are_compared_out_of_fold(
    folds: RunFolder, tmp_path: Path
) -> None:
    other = RunFolder(Path(shutil.copytree(folds.path, tmp_path / "other")))
    shutil.copy(folds.fold_run(2).model, other.fold_run(1).model)
    comparison = compare(folds, other)
    assert comparison.image_count == 20
    groups = {photo.group for photo in read_folds(folds).photos}
    assert comparison.foreground_mean_iou.pair_count == len(groups)
    assert comparison.foreground_mean_iou.value != 0.0
    moved = other.fold_run(1).split, other.fold_run(2).split  # change places
    contents = [path.read_text() for path in moved]
    for path, content in zip(moved, reversed(contents), strict=True):
        path.write_text(content)
    with pytest.raises(UserError, match="fold_1 has other photos in its test split"):
        compare(folds, other)


def test_folds_that_are_not_finished_are_refused(folds: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(Path(shutil.copytree(folds.path, tmp_path / "other")))
    shutil.rmtree(other.fold_run(2).path)
    told = r"fold_2.best\.keras is missing: finish the run by --resume .*other first"
    for action in (load_predictor, lambda run: compare(run, folds)):
        with pytest.raises(UserError, match=told):
            action(other)
