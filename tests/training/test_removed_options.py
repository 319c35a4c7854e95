"""A run that an earlier version trained by an option that is none any more."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from removed_options import RECORD, USED

from tf_muscle.command import run_command
from tf_muscle.evaluate import main as evaluate
from tf_muscle.export import main as export
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main as train


@pytest.fixture
def earlier(small: RunFolder, tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "earlier")
    shutil.copytree(small.path, run.path)
    options = yaml.safe_load(run.config.read_text()) | USED
    run.config.write_text(yaml.safe_dump(options))
    environment = json.loads(run.environment.read_text()) | {"unlabeled": RECORD}
    run.environment.write_text(json.dumps(environment))
    return run


@pytest.mark.slow
def test_its_model_is_evaluated_used_and_exported(
    earlier: RunFolder, small: RunFolder, small_export: Path, tmp_path: Path
) -> None:
    scores = []
    for run in (earlier, small):
        assert run_command(evaluate, [str(run.path), "--split", "valid"]) == 0
        (path,) = (run.path / "evaluations").glob("*valid*.json")
        scores.append(json.loads(path.read_text())["foreground_mean_iou"])
    assert scores[0] == scores[1]
    photo = next((small_export / "test").glob("*.jpg"))
    masks = [load_predictor(run).predict(photo).mask for run in (earlier, small)]
    assert (masks[0] == masks[1]).all()
    words = [str(earlier.path), "--saved_models_dir", str(tmp_path / "models")]
    assert run_command(export, words) == 0
    assert (tmp_path / "models" / "earlier" / "saved_model.pb").is_file()


def test_its_training_does_not_go_on(
    earlier: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in earlier.path.rglob("*") if path.is_file()}
    assert run_command(train, ["--resume", str(earlier.path)]) == 2
    told = capsys.readouterr().err
    assert f"{earlier.path} has unlabeled: ['film 1.mp4', 'a, b'], an option that was" in told
    assert {path: path.read_bytes() for path in before} == before
