"""Commands with and without `--cluster local`, each a process of its own: the same files.

The loop has as many threads as a worker gets, for more of them add up a training otherwise.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clips import write_sources
from fold_options import metrics_of, options
from tiny_run import tiny_run

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main as train

pytest.importorskip("ray", reason="needs the extra cluster")
TINY = ("--image_size", "32", "--encoder", "resnet18", "--encoder_weights", "none",
        "--batch_size", "4")  # fmt: skip
slow = pytest.mark.slow

ONE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
TWO = dict.fromkeys(ONE, "2")  # the cores of a cluster that is `local`
LIMIT = 900.0  # seconds


def command(folder: Path, *words: object, **variables: str) -> str:
    """Runs a command, which has to end well; gives what it said."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"} | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout + done.stderr


@slow
def test_folds_score_as_in_a_loop(small_export: Path, tmp_path: Path) -> None:
    words = options(small_export, tmp_path, deterministic="true")
    command(tmp_path, "tf_muscle.train", *words, "--run_name", "loop", **ONE)
    command(tmp_path, "tf_muscle.train", *words, "--run_name", "many", "--cluster", "local", **TWO)
    loop, many = (RunFolder(tmp_path / "runs" / name) for name in ("loop", "many"))
    for number in (1, 2):
        ours, theirs = (one.fold_run(number) for one in (many, loop))
        assert ours.history.read_bytes() == theirs.history.read_bytes()
        assert metrics_of(ours) == metrics_of(theirs)
    ours, theirs = (metrics_of(one)["out_of_fold"] for one in (many, loop))
    # The command that puts them together has two threads here, which is another sum of the loss.
    assert ours.pop("loss") == pytest.approx(theirs.pop("loss"), rel=1e-6)
    assert ours["foreground_mean_iou"] == theirs["foreground_mean_iou"]
    assert ours["confusion_matrix"] == theirs["confusion_matrix"]


@slow
def test_the_search_finds_the_same(small_export: Path, tmp_path: Path) -> None:
    words = [*TINY, "--data", small_export, "--data_dir", tmp_path / "tfds"]
    words += ["--learning_rate", 0.01, 0.001, "--optimizer", "adam", "--epochs", 1]
    words += ["--deterministic", "true"]
    command(tmp_path, "tuner", *words, "--name", "loop", **ONE)
    command(tmp_path, "tuner", *words, "--name", "many", "--cluster", "local", **TWO)
    rows = []
    for name in ("loop", "many"):
        with (tmp_path / "runs/tuner" / name / "results.csv").open(newline="") as file:
            rows.append(
                [(row["learning_rate"], row["val_mean_iou"]) for row in csv.DictReader(file)]
            )
    assert len(rows[0]) == 2
    assert rows[1] == rows[0]
    best = yaml.safe_load((tmp_path / "runs/tuner/many/best.yaml").read_text())
    assert best["epochs"] == 1


@slow
def test_an_export_is_inspected_alike(small_export: Path, tmp_path: Path) -> None:
    for name, cluster in (("one", []), ("many", ["--cluster", "local"])):
        command(tmp_path, "tf_muscle.inspect", small_export, "--out", name, *cluster)
    one, many = ((tmp_path / name / "inspection.json").read_text() for name in ("one", "many"))
    assert many == one
    assert json.loads(one)


@slow
def test_the_same_photos_and_frames_are_suggested(small_export: Path, tmp_path: Path) -> None:
    tiny_run(tmp_path / "mine", small_export, tmp_path / "tfds", size=32)
    write_sources(tmp_path / "photos", 40, 2)
    words = ["tf_muscle.suggest", "mine", "photos", "--count", 6]
    for name, cluster in (("one", []), ("many", ["--cluster", "local"])):
        said = command(tmp_path, *words, "--out", name, *cluster, **ONE)
        assert "skipped: photos/001.png" in said
    one, many = ((tmp_path / name / "suggested.csv").read_text() for name in ("one", "many"))
    assert many == one
    assert one.count("\n") > 2


def test_one_training_is_refused_in_a_sentence(
    small_export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names what is divided among machines: folds, and the trials of a search."""
    monkeypatch.chdir(tmp_path)
    refusal = (
        "--cluster local trains no single model, since one training stays on one machine: give "
        "--folds with it, or search with it by tf-muscle tune"
    )
    words = ["--data", str(small_export), "--cluster", "local"]
    assert run_command(train, words) == 2
    assert refusal in capsys.readouterr().err
    assert not list(tmp_path.iterdir())  # no run was begun
    (tmp_path / "begun").mkdir()
    Config.of(data=str(small_export)).save(tmp_path / "begun" / "config.yaml")
    assert run_command(train, ["--resume", "begun", "--cluster", "local"]) == 2
    assert refusal in capsys.readouterr().err
    assert run_command(train, [*words, "--folds", "2", "--fold", "1"]) == 2
    assert "--fold is done by this process" in capsys.readouterr().err
