from pathlib import Path

import pytest

from tf_muscle.report.history import best_epoch, ended_in_nan, read_history


def test_repeated_epoch(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mean_iou\n0,1.5,0.2\n1,1.0,0.3\n1,0.9,0.25\n2,nan,0.25\n")
    history = read_history(path)
    assert history["epoch"] == [0, 1, 2]
    assert history["loss"] == pytest.approx([1.5, 0.9, float("nan")], nan_ok=True)
    assert history["val_mean_iou"] == [0.2, 0.25, 0.25]
    assert best_epoch(history) == 2  # the first of equals, as the checkpoint keeps it


def test_an_epoch_of_nan_is_never_the_best(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_loss,val_mean_iou\n0,1.5,1.6,0.2\n1,1.0,inf,0.24\n")
    history = read_history(path)
    assert history["val_loss"] == pytest.approx([1.6, float("nan")], nan_ok=True)
    assert best_epoch(history) == 1
    assert ended_in_nan(history)
    assert not ended_in_nan({"loss": [1.0], "val_loss": [1.0]})


def test_the_later_epoch_wins_a_tie() -> None:
    scores = {"val_mean_iou": [0.30, 0.50, 0.48, 0.494, 0.489]}
    assert best_epoch(scores) == 2
    assert best_epoch(scores, tie=0.01) == 4  # .494 is within .01 of .50, .489 is not
    assert best_epoch(scores, tie=0.03) == 5
