"""How many epochs fit, and that timing them changes nothing."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main
from tf_muscle.training.budget import Costs, ExpectedEnd, affordable_epochs, duration

COSTS = Costs(start=10.0, epoch=20.0, finish=50.0)


@pytest.mark.parametrize(
    ("minutes", "spent", "epochs"),
    [
        # 95 percent of 6 minutes are 342 s. 30 are gone and both ends take 60: 252 are left.
        (6.0, 30.0, 12),
        (6.0, 42.0, 12),  # 240 s
        (6.0, 43.0, 11),
        (60.0, 30.0, 30),  # the most
        (2.5, 22.5, 3),  # 142.5 less 82.5: 60 s
    ],
)
def test_epochs_by_hand(minutes: float, spent: float, epochs: int) -> None:
    assert affordable_epochs(COSTS, spent, minutes, most=30) == epochs


def test_too_short_a_time_is_refused_with_one_that_would_do() -> None:
    # 30 s that are gone, 60 at both ends and 3 x 20 are 150 s: 95 percent of 2.63 minutes.
    with pytest.raises(UserError, match=r"--minutes 2 is too short for 3 epochs.*--minutes 3,"):
        affordable_epochs(COSTS, 30.0, 2.0, most=30)
    assert affordable_epochs(COSTS, 30.0, 3.0, most=30) >= 3
    # 30, 60 and 20 s are 95 percent of 1.93 minutes.
    assert affordable_epochs(COSTS, 30.0, 2.0, most=1) == 1
    with pytest.raises(UserError, match="too short for 1 epoch,"):
        affordable_epochs(COSTS, 30.0, 1.9, most=1)


def test_the_end_is_foretold_once_from_the_steps() -> None:
    told: list[str] = []
    timer = ExpectedEnd(valid_steps=5, say=told.append)
    timer.set_params({"epochs": 4, "steps": 20})
    timer.on_epoch_begin(2)
    timer.train_seconds, timer.warm = [9.0, 0.5, 0.5, 0.5], -timer.SECONDS
    timer.on_train_batch_begin(7)
    timer.started -= 0.5
    timer.on_train_batch_end(7, {"loss": 1.0})
    timer.on_train_batch_end(8, {"loss": 1.0})
    # Two epochs of 20 steps and 5 of validation, less 8 steps: 42 of 0.5 s.
    (sentence,) = told
    assert "in 21 s: 0.5 s a step, 20 steps an epoch" in sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (42.4, "42 s"),
        (120, "2 min"),
        (5399, "90 min"),
        (9000, "2.5 h"),
        (1e5, "28 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


TRAINED_TWICE = """
import sys
from tf_muscle.train import main
from tf_muscle.training import budget

folder, *words = sys.argv[1:]
budget.affordable_epochs = lambda costs, spent, minutes, most: 3
main([*words, "--run_name", "budget", "--minutes", "1", "--epochs", "50"])
main([*words, "--run_name", "given", "--epochs", "3"])
"""


def words(export: Path, folder: Path) -> list[str]:
    return [
        "--data", str(export), "--data_dir", str(folder / "tfds"),
        "--runs_dir", str(folder / "runs"), "--saved_models_dir", str(folder / "saved"),
        "--image_size", "32", "--batch_size", "4", "--encoder", "resnet18",
        "--encoder_weights", "none", "--precision", "float32",
        "--schedule", "one_cycle", "--minutes", "0",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_budget_trains_as_its_epochs_would(small_export: Path, tmp_path: Path) -> None:
    """Deterministic, so that a single random number drawn by the timing would show."""
    script = [sys.executable, "-c", TRAINED_TWICE, str(tmp_path)]
    done = subprocess.run(
        [*script, *words(small_export, tmp_path), "--deterministic"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--minutes 1 is time for 3 of at most 50 epochs" in done.stdout
    budget, given = (RunFolder(tmp_path / "runs" / name) for name in ("budget", "given"))
    options = [yaml.safe_load(run.config.read_text()) for run in (budget, given)]
    assert options[0]["epochs"] == 3
    assert options[0] | {"run_name": "given"} == options[1]
    assert read_environment(budget).minutes == 1.0
    first, second = (keras.saving.load_model(run.model).get_weights() for run in (budget, given))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert budget.history.read_text() == given.history.read_text()


def test_a_refused_budget_leaves_nothing(
    small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(main, [*words(small_export, tmp_path), "--minutes", "0.01"]) == 2
    assert "--minutes 0.01 is too short for 3 epochs" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
