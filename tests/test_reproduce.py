"""`reproduce` on made-up runs, with a training that takes no time.

tests/training/test_reproduction.py has a real one.
"""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from removed_options import UNUSED, USED

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.options import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from tf_muscle.reproduce import main
from tf_muscle.roboflow.archive import fingerprint
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.environment import Environment, versions
from tf_muscle.runs.folder import RunFolder, write_json
from tf_muscle.runs.manifest import make_manifest
from tf_muscle.training import reproduction
from tf_muscle.training.reproduction import (
    EVALUATION_TOLERANCE,
    LOSS_TOLERANCE,
    SCORE_TOLERANCE,
)

LOSSES = [0.9, 0.7, 0.6]
MACHINE = {"processor": "Z80, 1 threads", "device": "CPU", "precision": "bfloat16 (it has AMX)"}


def finished_run(
    config: Config,
    name: str,
    losses: list[float] = LOSSES,
    mean_iou: float = 0.5,
    environment: dict[str, Any] | None = None,
) -> RunFolder:
    """Writes what a training would have written."""
    run = RunFolder(Path(config.run.runs_dir) / name)
    run.figures.mkdir(parents=True)
    config.save(run.config)
    with run.history.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "loss", "val_loss"])
        writer.writerows([epoch, loss, loss + 0.1] for epoch, loss in enumerate(losses))
    data = {"name": config.data.data, "fingerprint": fingerprint(config.data.data)}
    info = {"num_examples": {}, "synthetic": False}
    full = {**versions(), **MACHINE, "encoder_weights": "random", "data": data | info}
    full |= environment or {}
    write_json(run.environment, full)
    metrics = {"test": {"loss": losses[-1], "mean_iou": mean_iou, "foreground_mean_iou": 0.3}}
    write_json(run.metrics, metrics)
    record = make_manifest(
        run, config, Environment.from_json(full), metrics, Path("saved_models") / name
    )
    write_json(run.manifest, record)
    return run


@pytest.fixture
def config(small_export: Path, tmp_path: Path) -> Config:
    return Config(
        data=DataConfig(data=str(small_export)),
        model=ModelConfig(encoder_weights="auto"),
        optimization=OptimizationConfig(epochs=3),
        run=RunConfig(runs_dir=str(tmp_path / "runs"), run_name="mine"),
    )


def deterministic(config: Config) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, deterministic=True))


class Trainer:
    """In place of `train`: records how it was called and leaves a run."""

    def __init__(self, **outcome: Any):
        self.outcome = outcome

    def __call__(
        self, config: Config, run_name: str, *, assignment: Assignment | None
    ) -> RunFolder:
        self.config, self.run_name = config, run_name
        return finished_run(config, run_name, **self.outcome)


def reproduce(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, *words: str, **outcome: Any
) -> tuple[int, Trainer]:
    trainer = Trainer(**outcome)
    monkeypatch.setattr(reproduction, "train_model", trainer)
    return run_command(main, [str(run.path), *words]), trainer


def test_rerun_agrees(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(config, "mine")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    losses = [loss * (1 + 0.5 * LOSS_TOLERANCE) for loss in LOSSES]
    code, trainer = reproduce(run, monkeypatch, losses=losses, mean_iou=0.5 - SCORE_TOLERANCE / 2)
    assert code == 0
    out = capsys.readouterr().out
    assert "all 9 numbers agree within" in out
    assert "DIFFERS" not in out
    # The new run stands beside the old one, which is untouched, and leaves nothing to chance.
    assert trainer.run_name.startswith("mine-again-")
    assert trainer.config.run.runs_dir == str(run.path.parent)
    assert trainer.config.model.encoder_weights == "none"  # what "auto" came to
    assert trainer.config.run.precision == "bfloat16"
    assert {path: path.read_bytes() for path in before} == before


def test_auto_that_meant_imagenet(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished_run(config, "mine", environment={"encoder_weights": "imagenet (a.h5, md5 b)"})
    _, trainer = reproduce(run, monkeypatch)
    assert trainer.config.model.encoder_weights == "imagenet"


@pytest.mark.parametrize(
    ("outcome", "wrong"),
    [
        ({"losses": [0.9, 0.7 * (1 + 2 * LOSS_TOLERANCE), 0.6]}, 1),
        ({"losses": [0.9, 0.7 * (1 + 2 * EVALUATION_TOLERANCE), 0.6]}, 2),  # validation too
        ({"mean_iou": 0.5 + 2 * SCORE_TOLERANCE}, 1),
        ({"losses": [0.9, 0.7]}, 2),
        ({"losses": [0.9, 0.7, math.nan]}, 3),
    ],
)
def test_rerun_disagrees(
    outcome: dict[str, Any],
    wrong: int,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _ = reproduce(finished_run(config, "mine"), monkeypatch, **outcome)
    assert code == 1
    out = capsys.readouterr().out
    assert f"{wrong} of 9 numbers do not agree" in out
    assert out.count("DIFFERS") == wrong


def test_deterministic_runs_agree_to_the_last_digit(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(deterministic(config), "mine", environment={"resumed": ["nothing changed"]})
    assert reproduce(run, monkeypatch, "--run_name", "same")[0] == 0
    assert "all 9 numbers agree to the last digit" in capsys.readouterr().out
    # "auto" of the first run is asked for by its name in the second.
    asked = {"precision": "bfloat16 (as asked)"}
    assert reproduce(run, monkeypatch, "--run_name", "asked", environment=asked)[0] == 0
    assert "to the last digit" in capsys.readouterr().out
    losses = [0.9, math.nextafter(0.7, 1), 0.6]
    assert reproduce(run, monkeypatch, losses=losses)[0] == 1
    assert "do not agree to the last digit" in capsys.readouterr().out


@pytest.mark.parametrize(
    "environment",
    [{"keras": "2.0"}, {"processor": "Z80, 2 threads"}, {"resumed": ["keras 2.0 -> 3.0"]}],
)
def test_no_last_digit_is_asked_of_another_machine(
    environment: dict[str, Any],
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = finished_run(deterministic(config), "mine", environment=environment)
    assert reproduce(run, monkeypatch, losses=[0.9, 0.7000001, 0.6])[0] == 0
    captured = capsys.readouterr()
    assert "agree within" in captured.out
    assert ("keras: 2.0 -> " in captured.err) == ("keras" in environment)


def test_run_that_ctrl_c_ended_is_compared_by_its_epochs(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(config, "mine", losses=LOSSES[:2])
    assert reproduce(run, monkeypatch, mean_iou=0.9)[0] == 0
    out = capsys.readouterr().out
    assert "was ended after epoch 2" in out
    assert "all 4 numbers agree" in out


def test_changed_output_is_found_before_any_training(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(config, "mine")
    run.history.write_text(run.history.read_text().replace("0.7", "0.5"))
    for words in ([], ["--check_only"]):
        code, trainer = reproduce(run, monkeypatch, *words)
        assert code == 1
        assert not hasattr(trainer, "config")
        assert f"not as the run wrote them: {run.history} (changed)" in capsys.readouterr().out


def test_check_only_trains_nothing(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished_run(config, "mine")
    code, trainer = reproduce(run, monkeypatch, "--check_only")
    assert code == 0
    assert not hasattr(trainer, "config")


def test_other_photos_are_an_error(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = finished_run(config, "mine")
    other = tmp_path / "other"
    (other / "train").mkdir(parents=True)
    (other / "train" / "a.jpg").write_bytes(b"another photo")
    assert reproduce(run, monkeypatch, "--data", str(other))[0] == 2
    assert "is not the export that" in capsys.readouterr().err
    assert reproduce(run, monkeypatch, "--data", "nowhere")[0] == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_against_a_finished_run(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a rerun that was killed, and resumed by `train --resume`."""
    run = finished_run(config, "mine")
    finished_run(config, "good", mean_iou=0.501)
    bad = finished_run(config, "bad", mean_iou=0.6)
    assert reproduce(run, monkeypatch, "--against", str(bad.path.with_name("good")))[0] == 0
    code, trainer = reproduce(run, monkeypatch, "--against", str(bad.path))
    assert code == 1
    assert not hasattr(trainer, "config")
    finished_run(deterministic(config), "other")
    assert reproduce(run, monkeypatch, "--against", str(bad.path.with_name("other")))[0] == 2
    assert "is no second run of" in capsys.readouterr().err


def rewrite_options(run: RunFolder, **options: Any) -> None:
    record = json.loads(run.manifest.read_text())
    write_json(run.manifest, record | {"config": record["config"] | options})


def test_run_of_an_earlier_version(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = finished_run(config, "mine"), finished_run(config, "other")
    rewrite_options(run, **UNUSED)
    assert reproduce(run, monkeypatch)[0] == 0
    assert reproduce(run, monkeypatch, "--against", str(other.path))[0] == 0
    rewrite_options(run, **USED)
    assert reproduce(run, monkeypatch, "--check_only")[0] == 0
    for one, words in ((run, []), (run, ["--against", str(other.path)])):
        code, trainer = reproduce(one, monkeypatch, *words)
        assert code == 2
        assert not hasattr(trainer, "config")
        assert f"error: {run.path} has unlabeled: ['film 1.mp4', 'a, b']" in capsys.readouterr().err
    assert reproduce(other, monkeypatch, "--against", str(run.path))[0] == 2


def test_incomplete_run(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(config, "mine")
    run.manifest.unlink()
    assert reproduce(run, monkeypatch)[0] == 2
    assert f"finish it by --resume {run.path}" in capsys.readouterr().err


def test_record_is_plain_json(config: Config) -> None:
    record = json.loads(finished_run(config, "mine").manifest.read_text())
    assert list(record)[:3] == ["data", "seeds", "deterministic"]
