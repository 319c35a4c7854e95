"""What happens around the epochs: records, checkpoints, a clean end, pictures for TensorBoard."""

import csv
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_muscle.model.metrics import (
    BACKGROUND_ONLY_RECALL,
    background_only_sentence,
    confusion_matrix,
)
from tf_muscle.model.unet import CORE
from tf_muscle.report.overlays import overlay
from tf_muscle.report.plots import confusion_heatmap

MONITOR = "val_mean_iou"
Logs = dict[str, Any]


def _replace_weights(model: keras.Model, path: Path) -> None:
    """Writes weights beside `path` and renames them, so that a kill never leaves half a file."""
    unfinished = path.with_name(f"unfinished_{path.name}")
    model.save_weights(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


class Backup(keras.callbacks.BackupAndRestore):
    """BackupAndRestore that survives a kill at any moment.

    Keras writes weights and epoch number into two files, one over the other. Here the epoch follows
    from the optimizer's step, which is in the weights file, and that file is replaced in one move;
    the one before is kept in case the newest cannot be read.

    Args:
        folder: of the checkpoints.
        steps_per_epoch: steps that make an epoch.
    """

    def __init__(self, folder: Path, steps_per_epoch: int):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(str(folder), double_checkpoint=True, delete_checkpoint=True)
        self.latest = Path(self._weights_path)
        self.previous = Path(self._prev_weights_path)
        self.steps_per_epoch = steps_per_epoch

    def restore(self, model: keras.Model) -> int:
        """Loads the newest readable checkpoint, if there is one.

        Returns:
            Epochs that it has behind it.
        """
        self.set_model(model)
        self.on_train_begin()
        return model._initial_epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.latest.exists() and self.previous.exists():
            self.previous.rename(self.latest)
        super().on_train_begin(logs)

    def _load_model(self) -> None:
        super()._load_model()
        self.model._initial_epoch = int(self.model.optimizer.iterations) // self.steps_per_epoch

    def _save_model(self) -> None:
        kept = self.latest.with_name("kept.weights.h5")
        if self.latest.exists():
            kept.unlink(missing_ok=True)
            os.link(self.latest, kept)
            kept.replace(self.previous)
        _replace_weights(self.model, self.latest)


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation mIoU.

    Args:
        path: of the weights file.
        best: score to beat, of the epochs before a resumed run.
    """

    def __init__(self, path: Path, best: float = -1.0):
        super().__init__()
        self.path = path
        self.best = best

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        score = (logs or {})[MONITOR]
        if score > self.best:
            self.best = score
            # The network alone, without the optimizer's state, is a third of the size.
            _replace_weights(self.model.get_layer(CORE), self.path)


class LearningRate(keras.callbacks.Callback):
    """Adds the epoch's last learning rate to the logs, for the callbacks behind it."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CallOutCollapse(keras.callbacks.Callback):
    """Says when the model predicts background almost everywhere.

    Args:
        floor: mIoU of the validation set for a model that predicts background only.
        say: prints a line.
    """

    def __init__(self, floor: float, say: Callable[[str], None]):
        super().__init__()
        self.floor = floor
        self.say = say

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if logs["val_foreground_pixel_accuracy"] < BACKGROUND_ONLY_RECALL:
            sentence = background_only_sentence(logs[MONITOR], self.floor)
            self.say(f"epoch {epoch + 1}: {sentence}")


class FinishEpochOnInterrupt(keras.callbacks.Callback):
    """The first ctrl-C ends the training after the running epoch, the second at once."""

    def __init__(self, say: Callable[[str], None]):
        super().__init__()
        self.say = say
        self.interrupted = False

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.say("\nstopping after this epoch; press ctrl-C again to stop at once")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._before = signal.signal(signal.SIGINT, self._handle)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.interrupted:
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        signal.signal(signal.SIGINT, self._before)


class TensorBoardImages(keras.callbacks.Callback):
    """Writes predictions and the confusion matrix of a few validation photos to TensorBoard.

    Args:
        folder: of the event files.
        images: uint8 [N, S, S, 3].
        masks: uint8 [N, S, S], the truth.
        class_names: K names.
        every: epochs between two sets of pictures.
    """

    def __init__(
        self,
        folder: Path,
        images: np.ndarray,
        masks: np.ndarray,
        class_names: Sequence[str],
        every: int = 5,
    ):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder / "images"))
        self.scratch = folder / "confusion.png"
        self.images, self.masks, self.class_names, self.every = images, masks, class_names, every

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        logits = self.model.predict_on_batch(self.images)
        predictions = np.argmax(logits, axis=-1).astype(np.uint8)
        rows = [
            np.concatenate([image, overlay(image, truth), overlay(image, prediction)], axis=1)
            for image, truth, prediction in zip(self.images, self.masks, predictions, strict=True)
        ]
        counts = confusion_matrix(self.masks, predictions, len(self.class_names))
        confusion_heatmap(counts, self.class_names, self.scratch)
        heatmap = tf.io.decode_png(tf.io.read_file(str(self.scratch)), channels=3)
        self.scratch.unlink()
        with self.writer.as_default(step=epoch):
            tf.summary.image("photo_truth_prediction", np.stack(rows), max_outputs=len(rows))
            tf.summary.image("confusion_matrix", heatmap[None])
        self.writer.flush()


def trim_history(path: Path, epochs: int) -> list[dict[str, str]]:
    """Cuts history.csv back to the epochs that a checkpoint has behind it.

    A run killed between writing its history and its checkpoint repeats an epoch when it is resumed.

    Args:
        path: of history.csv, which may be missing or end in half a line.
        epochs: rows to keep.

    Returns:
        The rows kept.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row["epoch"].isdigit() and int(row["epoch"]) < epochs]
        columns = reader.fieldnames or []
    unfinished = path.with_name("unfinished_history.csv")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(path)
    return rows
