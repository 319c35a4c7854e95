"""history.csv of a run that was killed and goes on."""

import csv
from pathlib import Path

import pytest
from small_network import STEPS, fit, network

from tf_muscle.training.callbacks import LearningRate, SyncedCSVLogger, trim_history
from tf_muscle.training.checkpoints import Backup

HEADER = "epoch,loss,val_mean_iou\r\n"
ROWS = ["0,0.9,0.25\r\n", "1,0.5,0.31\r\n", "2,0.4,0.35\r\n"]


def test_history_is_cut_to_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HEADER + "".join(ROWS), newline="")
    rows = trim_history(path, 2)
    assert [row["val_mean_iou"] for row in rows] == ["0.25", "0.31"]
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()
    assert trim_history(path, 5) == rows
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()
    assert trim_history(path, 0) == []
    assert path.read_bytes() == HEADER.encode()


@pytest.mark.parametrize("half", ["2", "2,0.4", "2,0.4,", "1", "1,0"])
def test_half_a_line_of_history_is_cut_off(half: str, tmp_path: Path) -> None:
    """A lone 1 is the beginning of epoch 12, for example, and no second epoch 1."""
    path = tmp_path / "history.csv"
    path.write_text(HEADER + "".join(ROWS[:2]) + half, newline="")
    assert [row["epoch"] for row in trim_history(path, 2)] == ["0", "1"]
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()


def test_history_without_an_epoch(tmp_path: Path) -> None:
    """A run killed in its first epoch has a history of no byte; the resumed one needs a header."""
    path = tmp_path / "history.csv"
    assert trim_history(path, 0) == []
    assert not path.exists()
    path.touch()
    assert trim_history(path, 0) == []
    fit(network(), 1, SyncedCSVLogger(path, append=True))
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "0"
    assert float(row["val_mean_iou"]) >= 0


def test_history_goes_on_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    backup = Backup(tmp_path / "backup", STEPS)
    fit(network(), 2, LearningRate(), SyncedCSVLogger(path, append=True), backup)
    with path.open("a", newline="") as file:
        file.write("2,0.1,")  # killed here
    model = network()
    epochs_done = backup.restore(model)
    assert len(trim_history(path, epochs_done)) == 2
    logger = SyncedCSVLogger(path, append=True)
    fit(model, 4, LearningRate(), logger, backup, epochs_done=epochs_done)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
