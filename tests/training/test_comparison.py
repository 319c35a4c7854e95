import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score
from tiny_run import tiny_run

from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.evaluate import main
from tf_muscle.model.bootstrap import Difference
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.training.comparison import compare, verdict_sentence


def foreground_mean_iou(run: RunFolder, folder: Path) -> float:
    """Of the masks that `predict` writes, at the photos' own sizes."""
    predictor = load_predictor(run)
    truths, predictions = [], []
    for path in sorted(folder.glob("*_mask.png")):
        truths.append(np.asarray(Image.open(path)).ravel())
        photo = path.with_name(path.name.replace("_mask.png", ".jpg"))
        predictions.append(predictor.predict(photo).mask.ravel())
    truth, prediction = np.concatenate(truths), np.concatenate(predictions)
    muscles = [one for one in np.union1d(truth, prediction) if one]
    return float(jaccard_score(truth, prediction, labels=muscles, average="macro"))


def test_runs_of_two_sizes_are_compared_at_the_photos_own(
    small: RunFolder,
    large: RunFolder,
    small_export: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(small.path), "--against", str(large.path), "--split", "train"]
    assert run_command(main, words) == 0
    (path,) = (small.path / "evaluations").glob("small_export*-train-against-large-*.json")
    record = json.loads(path.read_text())
    expected = [foreground_mean_iou(run, small_export / "train") for run in (small, large)]
    found = [scores["foreground_mean_iou"] for scores in record["scores"]]
    assert found == pytest.approx(expected, abs=1e-4)
    difference = record["differences"]["foreground_mean_iou"]
    assert difference["value"] == pytest.approx(expected[0] - expected[1], abs=1e-4)
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert record["image_count"] == difference["pair_count"] == 12
    printed = capsys.readouterr().out
    assert record["verdict"] in printed
    assert "another training" in printed
    mirrored = compare(large, small, split="train")
    assert mirrored.foreground_mean_iou.value == pytest.approx(-difference["value"])
    assert mirrored.foreground_mean_iou.low == pytest.approx(-difference["high"])


def test_a_run_is_no_better_than_itself(small: RunFolder) -> None:
    comparison = compare(small, small)
    assert (comparison.foreground_mean_iou.low, comparison.mean_iou.high) == (0.0, 0.0)
    assert comparison.verdict.startswith("no difference can be told from 4 photos: that takes 6")


def test_photos_that_one_run_may_have_trained_on_are_refused(
    small: RunFolder, small_export: Path, places: tuple[Path, Path], tmp_path: Path
) -> None:
    """An export with train/ alone is split by split_seed; its photos are the other run's, too."""
    alone = tmp_path / "alone"
    shutil.copytree(small_export / "train", alone / "train")
    first = tiny_run(tmp_path / "first", alone, places[1], size=40)
    second = tiny_run(tmp_path / "second", alone, places[1], size=40)
    second.config.write_text(first.config.read_text().replace("split_seed: 0", "split_seed: 3"))
    with pytest.raises(UserError, match="second has other photos in its test split"):
        compare(first, second)
    with pytest.raises(UserError, match="small was trained on another export: give both"):
        compare(first, small)
    # What the user names is taken: whether the other run has seen it, nobody can tell from here.
    assert compare(small, first, small_export, "valid").image_count == 4


def test_other_classes_are_refused(small: RunFolder, large: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(Path(shutil.copytree(large.path, tmp_path / "other")))
    other.environment.write_text(large.environment.read_text().replace("calf", "thigh"))
    with pytest.raises(UserError, match=r"other has the classes .*thigh.*only runs with the same"):
        compare(small, other)
    shutil.rmtree(other.path / "figures", ignore_errors=True)
    other.model.unlink()
    with pytest.raises(UserError, match=r"best\.keras is missing: finish the run by --resume"):
        compare(small, other)


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        (
            Difference(0.031, 0.004, 0.058, 20),
            "a is better than b by 0.031 foreground mIoU (0.004 to 0.058) on 20 photos",
        ),
        (
            Difference(-0.031, -0.058, -0.004, 20),
            "b is better than a by 0.031 foreground mIoU (0.004 to 0.058) on 20 photos",
        ),
        (
            Difference(0.012, -0.01, 0.034, 18),
            "no difference can be told from 20 photos, 18 of them independent: a minus b is +0.012 "
            "foreground mIoU, and anything from -0.010 to +0.034 goes with them",
        ),
        (
            Difference(0.5, 0.4, 0.6, 5),
            "no difference can be told from 20 photos, 5 of them independent: that takes 6 "
            "independent ones at least, and many more where the difference is small",
        ),
    ],
)
def test_verdict(difference: Difference, sentence: str) -> None:
    assert verdict_sentence(difference, 20, ("a", "b")) == sentence
