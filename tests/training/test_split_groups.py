"""A single run whose split keeps groups together."""

import json
import shutil
from pathlib import Path

import pytest
from fold_options import GROUP_COUNT, metrics_of, options

from tf_muscle.command import run_command
from tf_muscle.evaluate import main as evaluate
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main


@pytest.mark.slow
def test_a_split_by_groups(
    small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export of train/ alone: 80/10/10 with no person in two splits, and so it is evaluated."""
    export = tmp_path / "train_only"
    shutil.copytree(small_export / "train", export / "train")
    words = options(export, tmp_path, folds=0, run_name="one")
    assert run_command(main, [*words, "--split_groups"]) == 0
    assert "Split by groups, seed 0: " in capsys.readouterr().out
    run = RunFolder(tmp_path / "runs" / "one")
    split = json.loads(run.split.read_text())["photos"]
    photos = sorted(path.name for path in export.rglob("*.jpg"))
    person = {f"train/{name}": i % GROUP_COUNT for i, name in enumerate(photos)}
    assert sorted(name for names in split.values() for name in names) == sorted(person)
    seen = [{person[name] for name in names} for names in split.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == GROUP_COUNT
    assert run_command(evaluate, [str(run.path)]) == 0
    (path,) = (run.path / "evaluations").glob("*.json")
    expected = metrics_of(run)["test"]["confusion_matrix"]
    assert json.loads(path.read_text())["confusion_matrix"] == expected
