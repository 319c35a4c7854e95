"""history.csv of a run that was killed and goes on."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_network import STEPS, fit, network

from tf_muscle.training.callbacks import HistoryFile, LearningRate, trim_history
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
    fit(network(), 1, HistoryFile(path))
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "0"
    assert float(row["val_mean_iou"]) >= 0


def test_history_goes_on_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    backup = Backup(tmp_path / "backup", STEPS)
    fit(network(), 2, LearningRate(), HistoryFile(path), backup)
    with path.open("a", newline="") as file:
        file.write("2,0.1,")  # killed here
    model = network()
    epochs_done = backup.restore(model)
    assert len(trim_history(path, epochs_done)) == 2
    logger = HistoryFile(path)
    fit(model, 4, LearningRate(), logger, backup, epochs_done=epochs_done)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.01, 0.005, 0.0025, 0.00125])


IN_ASCII = """
import sys
from pathlib import Path
from tf_muscle.report.history import read_history
from tf_muscle.training.callbacks import HistoryFile, trim_history
path = Path(sys.argv[1])
for epoch in (0, 1):
    HistoryFile(path).on_epoch_end(epoch, {"val_iou_\\u80a9": 0.5})
print(ascii(trim_history(path, 2)), ascii(read_history(path)))
"""


def test_the_file_is_utf_8_where_the_locale_has_no_such_letters(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = subprocess.run(
        [sys.executable, "-c", IN_ASCII, str(path)],
        env=os.environ | ascii_locale,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert path.read_bytes() == "epoch,val_iou_肩\r\n0,0.5\r\n1,0.5\r\n".encode()
    assert "{'epoch': [0.0, 1.0], 'val_iou_\\u80a9': [0.5, 0.5]}" in told.stdout
