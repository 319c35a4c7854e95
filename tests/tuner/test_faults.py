"""What must end a search, and not pass for the fault of one combination."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from tf_muscle.data.dataset import Data
from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tuner import hypermodel
from tf_muscle.tuner.options import Search
from tf_muscle.tuner.trial_runner import failure


def test_full_disk_is_no_want_of_memory() -> None:
    full = f"events; {os.strerror(errno.ENOSPC)} [Op:FlushSummaryWriter]"
    assert failure(tf.errors.ResourceExhaustedError(None, None, full)) is None
    assert failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) is None
    memory = failure(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"))
    assert memory is not None
    assert memory.startswith("out of memory")


@pytest.fixture
def refused_training(
    make_search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> Callable[[RunFolder], object]:
    """A training that ends in a UserError."""

    def fit_with_records(*_: object) -> bool:
        raise UserError("no sound checkpoint is left")

    monkeypatch.setattr(hypermodel, "fit_with_records", fit_with_records)
    monkeypatch.setattr(hypermodel.SegmentationHyperModel, "steps_per_epoch", lambda *_: 1)
    data = Data({}, DataInfo("0123456789abcdef"), Geometry("pad", 32), {})
    trainings = hypermodel.SegmentationHyperModel(make_search(), data, "float32")
    return lambda run: trainings.fit(trainings.hyperparameters(), None, run=run)


def test_damaged_checkpoints_are_no_diverged_trial(
    refused_training: Callable[[RunFolder], object], tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "execution_0")
    with pytest.raises(UserError, match="no sound checkpoint"):
        refused_training(run)
    run.history.write_text("epoch,loss,val_loss,val_mean_iou,seconds\n0,0.5,0.4,0.3,2\n")
    with pytest.raises(UserError, match="no sound checkpoint"):
        refused_training(run)


def test_nan_in_the_first_epoch_is_a_diverged_trial(
    refused_training: Callable[[RunFolder], object], tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "execution_0")
    run.path.mkdir()
    run.history.write_text("epoch,loss,val_loss,val_mean_iou,seconds\n0,nan,0.4,0.3,2\n")
    with pytest.raises(hypermodel.DivergedError, match="loss became nan in epoch 1"):
        refused_training(run)
