"""Cross-validation from the command line: two folds of twenty photos, at 32 pixels."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import short_encoder
import yaml
from fold_options import GROUP_COUNT, metrics_of, options
from PIL import Image
from removed_options import UNUSED
from sklearn.metrics import accuracy_score, jaccard_score

from tf_muscle.atomic import only_process
from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.evaluate import main as evaluate
from tf_muscle.reproduce import main as reproduce
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import Folds, read_folds
from tf_muscle.train import main
from tf_muscle.training import folds as folds_module
from tf_muscle.training import out_of_fold


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def whole(small_export: Path, folder: Path) -> RunFolder:
    """A finished run of two folds that was interrupted twice: in fold 2, and before its report."""
    run = RunFolder(folder / "runs" / "whole")
    train_model, write_report = folds_module.train_model, out_of_fold.write_fold_report

    def killed_in_fold_2(config: Any, name: str, **more: Any) -> RunFolder:
        if name == "whole/fold_2":
            raise KeyboardInterrupt
        return train_model(config, name, **more)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds_module, "train_model", killed_in_fold_2)
        assert run_command(main, options(small_export, folder, run_name="whole")) == 130
    assert [fold.path.name for fold in run.fold_runs] == ["fold_1"]
    first = times(run.fold_run(1).path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_fold, "write_fold_report", killed)
        assert run_command(main, ["--resume", str(run.path)]) == 130
    second = times(run.fold_run(2).path)
    assert not run.metrics.exists()
    assert run_command(main, ["--resume", str(run.path)]) == 0
    assert times(run.fold_run(1).path) == first
    assert times(run.fold_run(2).path) == second
    assert write_report is out_of_fold.write_fold_report
    return run


def test_the_folder_holds_what_is_documented(whole: RunFolder) -> None:
    assert {path.name for path in whole.path.iterdir()} == {
        "config.yaml", "figures", "fold_1", "fold_2", "folds.json", "metrics.json", "out_of_fold",
        "report.md",
    }  # fmt: skip
    assert {path.name for path in whole.figures.iterdir()} == {
        "best_and_worst.png", "confusion_heatmap.png", "fold_scores.png"
    }  # fmt: skip
    for fold in whole.fold_runs:
        assert {path.name for path in fold.path.iterdir()} == {
            "best.keras", "config.yaml", "environment.json", "figures", "history.csv",
            "metrics.json", "report.md", "run.json", "split.json", "tensorboard",
        }  # fmt: skip
        saved_model = whole.path.parents[1] / "saved_models" / "whole" / fold.path.name
        assert (saved_model / "saved_model.pb").is_file()
    saved = yaml.safe_load(whole.config.read_text())
    assert (saved["folds"], saved["fold"], saved["resize"]) == (2, None, "pad")
    report = whole.report.read_text()
    for path in ("fold_1/report.md", "figures/fold_scores.png", "figures/best_and_worst.png"):
        assert f"({path})" in report
        assert (whole.path / path).is_file()


def test_every_photo_is_tested_once_by_a_model_that_saw_none_of_its_group(
    whole: RunFolder, small_export: Path
) -> None:
    photos = {
        f"{path.parent.name}/{path.name}": f"person {i % GROUP_COUNT}"
        for i, path in enumerate(sorted(small_export.rglob("*.jpg"), key=lambda path: path.name))
    }
    tested: list[str] = []
    for fold in whole.fold_runs:
        split = json.loads(fold.split.read_text())["photos"]
        people_in = {name: {photos[one] for one in split[name]} for name in split}
        assert not people_in["test"] & (people_in["train"] | people_in["valid"])
        assert not people_in["train"] & people_in["valid"]
        assert sorted(split["train"] + split["valid"] + split["test"]) == sorted(photos)
        tested += split["test"]
    assert sorted(tested) == sorted(photos)


def test_the_model_of_a_fold_is_trained_on_what_its_folder_says(
    whole: RunFolder, small_export: Path
) -> None:
    """Class counts, in the report and the class weights, are those of its own photos."""
    fold = whole.fold_run(2)
    split = json.loads(fold.split.read_text())["photos"]
    info = json.loads(fold.environment.read_text())["data"]
    assert info["num_examples"] == {name: len(photos) for name, photos in split.items()}
    for name, photos in split.items():
        masks = [
            Image.open((small_export / p).with_suffix("").as_posix() + "_mask.png") for p in photos
        ]
        counts = np.sum([np.bincount(np.ravel(m), minlength=4) for m in masks], axis=0)
        assert info["pixel_counts"][name] == counts.tolist()
        own = metrics_of(fold)[name]
        assert own["image_count"] == len(photos)


def test_scores_are_those_of_the_masks_that_are_kept(whole: RunFolder, small_export: Path) -> None:
    record = metrics_of(whole)["out_of_fold"]
    truths, marked, at_network_size = [], [], []
    for path in sorted(small_export.rglob("*.jpg")):
        name = f"{path.parent.name}/{path.name}"
        truth = np.array(Image.open(path.as_posix().removesuffix(".jpg") + "_mask.png"))
        mask = np.array(Image.open(whole.out_of_fold / f"{name}.png"))
        assert mask.shape == truth.shape
        truths.append(truth.ravel())
        marked.append(mask.ravel())
        probabilities = np.load(whole.out_of_fold / f"{name}.npz")["probabilities"]
        assert probabilities.shape == (32, 32, 4)
        assert probabilities.dtype == np.float16
        assert probabilities.sum(axis=-1, dtype=float) == pytest.approx(1, abs=0.01)
        square = Image.fromarray(truth).resize((32, 32), Image.Resampling.NEAREST)
        at_network_size.append((np.ravel(square), probabilities.argmax(-1).ravel()))
    truth, prediction = np.concatenate(truths), np.concatenate(marked)
    expected = jaccard_score(truth, prediction, average="macro", zero_division=0.0)
    assert record["own_size"]["mean_iou"] == pytest.approx(expected)
    truth, prediction = (np.concatenate(one) for one in zip(*at_network_size, strict=True))
    assert record["pixel_accuracy"] == pytest.approx(accuracy_score(truth, prediction), abs=0.002)
    assert record["image_count"] == 20
    assert record["group_count"] == GROUP_COUNT


def test_folds_add_up_to_the_whole(whole: RunFolder) -> None:
    metrics = metrics_of(whole)
    of_folds = [metrics_of(fold)["test"] for fold in whole.fold_runs]
    confusions = [np.array(one["confusion_matrix"]) for one in of_folds]
    assert metrics["out_of_fold"]["confusion_matrix"] == sum(confusions).tolist()
    counts = [one["image_count"] for one in of_folds]
    losses = [one["loss"] for one in of_folds]
    assert metrics["out_of_fold"]["loss"] == pytest.approx(np.average(losses, weights=counts))
    assert metrics["mean"]["loss"] == pytest.approx(np.mean(losses))
    assert metrics["standard_deviation"]["loss"] == pytest.approx(np.std(losses, ddof=1))
    with (whole.out_of_fold / "photos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert np.mean([float(row["loss"]) for row in rows]) == pytest.approx(
        metrics["out_of_fold"]["loss"]
    )
    folds = {f"{photo.split}/{photo.file_name}": photo for photo in read_folds(whole).photos}
    for row in rows:
        photo = folds[f"{row['split']}/{row['file_name']}"]
        assert (row["group"], int(row["fold"])) == (photo.group, photo.fold)


@pytest.mark.slow
def test_folds_trained_one_by_one_give_the_same(
    whole: RunFolder, small_export: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(folder / "runs" / "pieces")
    shared = options(small_export, folder, run_name="pieces")
    assert run_command(main, [*shared, "--fold", "2"]) == 0
    assert "Folds that are not complete: 1." in capsys.readouterr().out
    assert [fold.path.name for fold in run.fold_runs] == ["fold_2"]
    assert not run.metrics.exists()
    begun = yaml.safe_load(run.config.read_text()) | UNUSED  # as an earlier version wrote it
    run.config.write_text(yaml.safe_dump(begun))
    assert run_command(main, shared) == 2  # all of them, under a name that is taken
    assert "is never overwritten" in capsys.readouterr().err

    assert run_command(main, [*shared, "--fold", "1", "--epochs", "2"]) == 2
    assert "was begun with other options (epochs: 1 -> 2): give the same" in capsys.readouterr().err
    assert run_command(main, [*shared, "--fold", "1", "--groups", r"calf_(\d)"]) == 2
    assert "needs at least 3 groups" in capsys.readouterr().err
    with only_process(run.path, "", ".fold_1.lock"):
        assert run_command(main, [*shared, "--fold", "1"]) == 2
    assert "fold 1 of" in (told := capsys.readouterr().err)
    assert "is being trained by another process" in told

    assert run_command(main, [*shared, "--fold", "1"]) == 0
    ours, expected = metrics_of(run), metrics_of(whole)
    assert ours["out_of_fold"]["loss"] == pytest.approx(expected["out_of_fold"]["loss"], rel=1e-3)
    assert ours["mean"]["mean_iou"] == pytest.approx(expected["mean"]["mean_iou"], abs=1e-3)
    assert read_folds(run) == read_folds(whole)
    assert run_command(main, ["--resume", str(run.path)]) == 2
    assert "is complete" in capsys.readouterr().err


def test_a_fold_is_evaluated_on_its_own_photos(whole: RunFolder) -> None:
    fold = whole.fold_run(1)
    assert run_command(evaluate, [str(fold.path)]) == 0
    (path,) = (fold.path / "evaluations").glob("*.json")
    record = json.loads(path.read_text())
    assert record["confusion_matrix"] == metrics_of(fold)["test"]["confusion_matrix"]
    shutil.rmtree(fold.path / "evaluations")


def test_a_fold_without_its_split_is_not_scored(
    whole: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The export's own test photos are among those that it was trained on."""
    copy = RunFolder(Path(shutil.copytree(whole.fold_run(1).path, tmp_path / "fold_1")))
    copy.split.unlink()
    assert run_command(evaluate, [str(copy.path)]) == 2
    assert "split.json is missing" in capsys.readouterr().err


def test_the_whole_is_not_reproduced_at_once(
    whole: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(reproduce, [str(whole.path)]) == 2
    assert f"give one of them, such as {whole.path / 'fold_1'}" in capsys.readouterr().err
    assert run_command(reproduce, [str(whole.fold_run(1).path), "--check_only"]) == 0


def test_other_photos_are_not_gone_on_with(
    whole: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(Path(shutil.copytree(whole.path, tmp_path / "copy")))
    run.metrics.unlink()
    record = json.loads(run.folds.read_text()) | {"fingerprint": "0" * 16}
    run.folds.write_text(json.dumps(record))
    assert run_command(main, ["--resume", str(run.path)]) == 2
    assert "is not the export that" in capsys.readouterr().err
    run.folds.write_text("{")
    assert run_command(main, ["--resume", str(run.path)]) == 2
    assert "folds.json cannot be read" in capsys.readouterr().err


def test_folds_are_read_back(whole: RunFolder) -> None:
    folds = read_folds(whole)
    assert Folds.from_json(json.loads(json.dumps(folds.to_json()))) == folds
    with pytest.raises(ValueError, match="version 2"):
        Folds.from_json(folds.to_json() | {"version": 2})


def test_options_that_contradict_each_other() -> None:
    for words, told in {
        ("--folds", "1"): "--folds must be 0 or at least 2, got 1",
        ("--fold", "1"): "--fold must lie between 1 and --folds, 0, got 1",
        ("--folds", "3", "--fold", "4", "--run_name", "x"): "--folds, 3, got 4",
        ("--folds", "3", "--fold", "2"): "--fold 2 needs --run_name",
        ("--groups", "x"): "--groups x needs --folds, or --split_groups",
        ("--folds", "3", "--split_groups"): "leave one of them out",
    }.items():
        with pytest.raises(UserError, match=told):
            main(words)


@pytest.mark.slow
def test_killed_folds_go_on_where_they_stood(
    whole: RunFolder, small_export: Path, folder: Path
) -> None:
    """kill -9 in the training of each fold and in the putting together; the result is the same."""
    run = RunFolder(folder / "runs" / "killed")
    command = [sys.executable, "-u", short_encoder.__file__]
    words = options(small_export, folder, run_name="killed")
    moments = (run.fold_run(1).history, run.fold_run(2).environment, run.out_of_fold)
    for moment in moments:
        process = subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL)
        while process.poll() is None and not moment.exists():
            pass
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        words = ["--resume", str(run.path)]
    assert not run.metrics.exists()
    assert subprocess.run([*command, *words], check=False).returncode == 0
    ours, expected = metrics_of(run), metrics_of(whole)
    assert ours["out_of_fold"]["loss"] == pytest.approx(expected["out_of_fold"]["loss"], rel=1e-3)
    assert not list(run.path.rglob("*.lock"))
    assert not list(run.path.rglob("unfinished_*"))
