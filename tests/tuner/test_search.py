"""Whole searches, each in processes of its own, some of which are killed."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tf_muscle.tuner.workers import VARIABLES

pytestmark = pytest.mark.slow

TINY = ["--image_size", "32", "--encoder", "resnet18", "--encoder_weights", "none"]
LIMIT = 900  # seconds; a process takes 15 to start


class Bench:
    """Starts searches over a small export in a folder of their own."""

    def __init__(self, folder: Path, export: Path):
        self.folder = folder
        self.base = [*TINY, "--data", str(export), "--data_dir", str(folder / "tfds")]
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *argv: str, **environment: str) -> "subprocess.Popen[str]":
        """A search in the background; its output goes to a file."""
        number = len(self.processes)
        with (self.folder / f"output{number}.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tf_muscle.tuner", *self.base, *argv],
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
                env={k: v for k, v in os.environ.items() if k not in VARIABLES} | environment,
            )
        self.processes.append(process)
        return process

    def output(self, process: "subprocess.Popen[str]") -> str:
        """What the process has printed so far."""
        return (self.folder / f"output{self.processes.index(process)}.txt").read_text()

    def finish(self, process: "subprocess.Popen[str]") -> str:
        """Waits for its end, which has to be a good one."""
        code = process.wait(LIMIT)
        assert code == 0, self.output(process)
        return self.output(process)

    def wait_for(self, process: "subprocess.Popen[str]", reached: Callable[[], object]) -> None:
        """Waits for a moment in the process' life."""
        deadline = time.monotonic() + LIMIT
        while not reached():
            assert process.poll() is None, self.output(process)
            assert time.monotonic() < deadline, self.output(process)
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path, small_export: Path) -> Iterator[Bench]:
    one = Bench(tmp_path, small_export)
    yield one
    for process in one.processes:
        if process.poll() is None:
            process.kill()


def result_lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_killed_twice(bench: Bench) -> None:
    """Twelve trials, killed in the middle of one and between the end of one and its record."""
    argv = ["--learning_rate", "0.01", "0.001", "--batch_size", "4", "6", "12"]
    argv += ["--optimizer", "adam", "sgd", "--epochs", "3", "--name", "study"]
    folder = bench.folder / "runs" / "tuner" / "study"
    largest = 0

    def weight_bytes() -> int:
        total = 0
        for path in folder.rglob("*.weights.h5"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # deleted since
                continue
        return total

    def watched(reached: Callable[[], bool]) -> Callable[[], bool]:
        def look() -> bool:
            nonlocal largest
            largest = max(largest, weight_bytes())
            return reached()

        return look

    outputs = []
    first = bench.start(*argv)
    history = folder / "trial_0002" / "execution_0" / "history.csv"
    bench.wait_for(first, watched(lambda: history.exists() and history.stat().st_size > 800))
    first.send_signal(signal.SIGKILL)
    first.wait()
    outputs.append(bench.output(first))
    checkpoint = folder / "trial_0002" / "execution_0" / "checkpoints" / "backup"
    adam_checkpoint = max(path.stat().st_size for path in checkpoint.iterdir())

    second = bench.start(*argv)
    result = folder / "trial_0006" / "execution_0" / "result.json"
    bench.wait_for(second, watched(result.exists))
    second.send_signal(signal.SIGKILL)
    second.wait()
    outputs.append(bench.output(second))

    third = bench.start(*argv, "--retrain")
    bench.wait_for(third, watched(lambda: "Results: " in bench.output(third)))
    outputs.append(bench.finish(third))

    lines = result_lines(folder)
    assert [line["trial"] for line in lines] == [f"{number:04d}" for number in range(12)]
    columns = ("learning_rate", "batch_size", "optimizer", "epochs")
    assert len({tuple(line[name] for name in columns) for line in lines}) == 12
    assert all(line["state"] in ("completed", "background only") for line in lines)
    assert all(line["trained_epochs"] == "3" for line in lines)
    starts = Counter(
        line.split()[1].rstrip(":")
        for output in outputs
        for line in output.splitlines()
        if line.startswith("Trial ") and "learning_rate" in line
    )
    again = {trial for trial, count in starts.items() if count > 1}
    assert "0002" in again
    assert again <= {"0002", "0006", "0007"}
    assert "going on with it" in outputs[1]

    (kept,) = folder.rglob("*.weights.h5")
    # When an epoch is the best so far: the two backups, the weights of the best epoch and their
    # successor in the writing, and those of the best trial before. One percent for HDF5's own.
    assert largest < 1.01 * (2 * adam_checkpoint + 3 * kept.stat().st_size)
    found_something = [line for line in lines if line["state"] == "completed"]
    best = max(found_something, key=lambda line: float(line["val_mean_iou"]))
    assert kept.parents[2].name == f"trial_{best['trial']}"
    for name in ("hyperparameter_effects", "best_learning_curves"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
    retrained = json.loads((bench.folder / "runs" / "study-best" / "metrics.json").read_text())
    assert retrained["valid"]["mean_iou"] == pytest.approx(float(best["val_mean_iou"]), abs=1e-3)
    assert (bench.folder / "saved_models" / "study-best" / "saved_model.pb").is_file()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_chief_and_two_workers_one_of_which_dies(bench: Bench) -> None:
    argv = ["--learning_rate", "0.001", "1e38", "--batch_size", "4", "6", "--optimizer", "sgd"]
    argv += ["--epochs", "2", "--name", "study"]
    place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": free_port()}
    folder = bench.folder / "runs" / "tuner" / "study"

    chief = bench.start(*argv, KERASTUNER_TUNER_ID="chief", **place)
    dying = bench.start(*argv, KERASTUNER_TUNER_ID="worker1", **place)
    bench.wait_for(dying, lambda: list(folder.glob("workers/worker1/trial_*/execution_0")))
    living = bench.start(*argv, KERASTUNER_TUNER_ID="worker2", **place)
    other = bench.start(*argv, "--seed", "1", KERASTUNER_TUNER_ID="worker3", **place)
    dying.send_signal(signal.SIGKILL)
    dying.wait()

    assert other.wait(LIMIT) == 2
    assert "has another search or other data" in bench.output(other)
    assert "No trial is left; the chief writes the results." in bench.finish(living)
    output = bench.finish(chief)
    assert "worker1 is silent: trial 0000 goes to the next worker that asks" in output
    lines = result_lines(folder)
    assert [line["state"] for line in lines if line["learning_rate"] == "0.001"] == [
        "completed",
        "completed",
    ]
    for line in lines:
        if line["learning_rate"] == "1e+38":
            assert line["state"].startswith("failed: loss became")
    assert [line["trial"] for line in lines] == ["0000", "0001", "0002", "0003"]
    assert len(list(folder.glob("workers/worker2/trial_*/execution_0/result.json"))) == 2
    assert (folder / "figures" / "best_learning_curves.png").exists()
    assert len(list(folder.rglob("*.weights.h5"))) == 1


def test_dry_run_leaves_nothing_behind(bench: Bench) -> None:
    process = bench.start("--epochs", "1", "2", "--name", "study", "--dry_run")
    output = bench.finish(process)
    assert "Forecast: 48 trials, 72 epochs, about" in output
    assert "disk: up to" in output
    assert not (bench.folder / "runs").exists()
