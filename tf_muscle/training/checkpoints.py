"""Weights on disk that a kill cannot halve, and that say when they have been damaged."""

import errno
import math
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.errors import UserError, one_line

CHECKSUM = "crc32"  # attribute of the file; 0.1 s for the 290 MB of a ResNet34 U-Net with Adam
HDF5_BYTES = 4096  # more than a variable takes in a file beside its values
Logs = dict[str, Any]


def is_finite(model: keras.Model, logs: Logs) -> bool:
    """Whether an epoch has left a model that can be used.

    The weights are looked at too: an epoch's training loss is taken before its last update.

    Args:
        model: after the epoch.
        logs: scores of the epoch, float; with `loss` and, if there was a validation, `val_loss`.
    """
    losses = (logs["loss"], logs.get("val_loss", 0.0))
    return all(map(math.isfinite, losses)) and all(
        np.isfinite(weights).all() for weights in model.get_weights()
    )


def write_weights(model: keras.Model, path: Path) -> None:
    """Writes weights in one move, with a checksum of them: HDF5 could, but Keras asks for none.

    Raises:
        OSError: the disk has no room for them, or refuses them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(model, path)
    with replacing(path) as unfinished:
        model.save_weights(unfinished)
        with h5py.File(unfinished, "r+") as file:
            file.attrs[CHECKSUM] = _checksum(file)


def _refuse_full_disk(model: keras.Model, path: Path) -> None:
    """HDF5 cannot close a file that the disk has no room for, and crashes when Python ends."""
    optimizer = getattr(model, "optimizer", None)  # a model that is not compiled has none
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    byte_count = sum(HDF5_BYTES + 4 * math.prod(variable.shape) for variable in variables)
    if shutil.disk_usage(path.parent).free < byte_count:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def corruption_reason(path: Path) -> str | None:
    """Why a file of `write_weights` cannot be used, in words; None for a sound one."""
    try:
        with h5py.File(path) as file:
            if int(file.attrs[CHECKSUM]) != _checksum(file):
                return "its checksum is wrong"
    # What h5py raises depends on the place of the damage.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        return one_line(error)
    return None


def _checksum(file: h5py.File) -> int:
    checksum = 0

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        nonlocal checksum
        checksum = zlib.crc32(name.encode(), checksum)
        if isinstance(item, h5py.Dataset):
            checksum = zlib.crc32(item[()].tobytes(), checksum)

    file.visititems(add)  # in the order of the names
    return checksum


class Backup(keras.callbacks.Callback):
    """Keeps the state after the last two epochs, so that a run can go on after a kill.

    Keras' BackupAndRestore writes weights and epoch number into two files, one over the other. Here
    the epoch follows from the optimizer's step, which is in the weights file, and that file is
    replaced in one move; the one before is kept in case the newest is damaged. Both stay when the
    training ends: a run that is killed before its model is saved would have to start from nothing
    otherwise.

    Args:
        folder: where the two checkpoints lie.
        steps_per_epoch: steps that make an epoch.
        say: prints a line.
    """

    def __init__(self, folder: Path, steps_per_epoch: int, say: Callable[[str], None] = print):
        super().__init__()
        self.latest = folder / "latest.weights.h5"
        self.previous = folder / "previous.weights.h5"
        self.steps_per_epoch = steps_per_epoch
        self.say = say

    @property
    def exists(self) -> bool:
        """Whether there is a state to go on from."""
        return self.latest.is_file() or self.previous.is_file()

    def restore(self, model: keras.Model) -> int:
        """Loads the newest sound checkpoint, if there is one.

        Returns:
            Epochs that it has behind it.

        Raises:
            UserError: there are checkpoints, but all of them are damaged.
        """
        damaged = []
        for path in (self.latest, self.previous):
            if not path.is_file():
                continue
            if reason := corruption_reason(path):
                damaged.append(f"{path} ({reason})")
                continue
            if not model.optimizer.built:  # float16's would add its variables a second time
                model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
            if path == self.previous:
                # Else the next checkpoint would push this one out and keep the damaged one.
                self.previous.replace(self.latest)
            # Rounded, for float16's loss scaling leaves out the few steps whose gradients overflow.
            # numpy(), since int() takes no variable that is mirrored on several GPUs.
            epochs = round(int(model.optimizer.iterations.numpy()) / self.steps_per_epoch)
            for name in damaged:
                self.say(f"{name} is damaged: going on from the checkpoint before, epoch {epochs}")
            return epochs
        if damaged:
            raise UserError(
                f"{' and '.join(damaged)}: no sound checkpoint is left, start a new run"
            )
        return 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not is_finite(self.model, logs or {}):  # no run can go on from NaN
            return
        if self.latest.exists():
            # First, so that the disk never has to hold three.
            self.latest.replace(self.previous)
        write_weights(self.model, self.latest)
