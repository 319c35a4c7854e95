from pathlib import Path

import pytest

from tf_muscle.report.history import best_epoch, read_history


def test_repeated_epoch(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mean_iou\n0,1.5,0.2\n1,1.0,0.3\n1,0.9,0.25\n2,nan,0.25\n")
    history = read_history(path)
    assert history["epoch"] == [0, 1, 2]
    assert history["loss"] == pytest.approx([1.5, 0.9, float("nan")], nan_ok=True)
    assert history["val_mean_iou"] == [0.2, 0.25, 0.25]
    assert best_epoch(history) == 2  # the first of equals, as the checkpoint keeps it
