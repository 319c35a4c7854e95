"""What happens around the epochs: records, best weights, a clean end, pictures for TensorBoard."""

import csv
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_muscle.atomic import replacing
from tf_muscle.model.metrics import (
    BACKGROUND_ONLY_RECALL,
    background_only_sentence,
    confusion_matrix,
)
from tf_muscle.model.unet import CORE
from tf_muscle.report.history import replaces_best
from tf_muscle.report.overlays import overlay
from tf_muscle.report.plots import confusion_heatmap
from tf_muscle.tracking.trackers import Trackers
from tf_muscle.training.checkpoints import is_finite, write_weights

MONITOR = "val_mean_iou"
Logs = dict[str, Any]


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation mIoU.

    Args:
        path: the weights file, .weights.h5.
        best: score to beat, of the epochs before a resumed run.
        tie: an epoch so close below the best replaces it, as in `history.best_epoch`.
    """

    def __init__(self, path: Path, best: float = -1.0, tie: float = 0.0):
        super().__init__()
        self.path = path
        self.best = best
        self.tie = tie

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        score = logs[MONITOR]
        # A network of NaN predicts class 0 everywhere, which scores as background only.
        if replaces_best(score, self.best, self.tie) and is_finite(self.model, logs):
            self.best = max(score, self.best)
            # The network alone, without the optimizer's state, is a third of the size.
            write_weights(self.model.get_layer(CORE), self.path)


class StopOnNaN(keras.callbacks.Callback):
    """Ends the training after an epoch that left NaN or infinity in the losses or the weights.

    Keras' TerminateOnNaN sees the loss alone, and not what the last step did to the weights.

    Attributes:
        epoch: that one, counted from 0; None as long as there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        if not is_finite(self.model, logs):
            logs["val_loss"] = math.nan  # the records are to show which epoch it was
            self.epoch = epoch
            self.model.stop_training = True


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' own, that counts the epochs before a resumed run too.

    Args:
        patience: epochs without a better validation mIoU that end the training.
        scores_before: validation mIoU of the epochs that a resumed run has behind it.
    """

    def __init__(self, patience: int, scores_before: Sequence[float] = ()):
        super().__init__(MONITOR, mode="max", patience=patience)
        self.best_before = max(scores_before, default=None)
        best_epoch = scores_before.index(self.best_before) if scores_before else -1
        self.wait_before = len(scores_before) - 1 - best_epoch

    @property
    def is_over(self) -> bool:
        """Whether the epochs before have used up the patience."""
        return self.wait_before >= self.patience

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self.best, self.wait = self.best_before, self.wait_before


class LearningRate(keras.callbacks.Callback):
    """Adds the learning rate that the epoch began with to the logs, for the callbacks after it.

    At the end of an epoch the optimizer already names the rate of the next.
    """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.rate


class WarnOnCollapse(keras.callbacks.Callback):
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
        if not math.isfinite(logs.get("val_loss", 0.0)):  # NaN looks like background
            return
        has_foreground = self.floor < 1.0
        if has_foreground and logs["val_foreground_pixel_accuracy"] < BACKGROUND_ONLY_RECALL:
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

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes ctrl-C for the length of the block, which is to hold the training.

        Not in another thread than the main one, where Python lets nobody take it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:  # Keras calls no `on_train_end` after an error
            signal.signal(signal.SIGINT, before)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.interrupted:
            self.model.stop_training = True


class TensorBoardImages(keras.callbacks.Callback):
    """Writes predictions and the confusion matrix of a few validation photos to TensorBoard.

    The photos are shown as the network sees them, in its square.

    Args:
        folder: where the event files go.
        images: uint8 [N, S, S, 3].
        masks: uint8 [N, S, S], the truth.
        class_names: K names.
        every: epochs between two sets of pictures; the last epoch has one too.
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
        if (epoch + 1) % self.every and epoch + 1 < self.params["epochs"]:
            return
        # Not predict_on_batch, which repeats its result for every GPU of a MirroredStrategy.
        logits = self.model(self.images, training=False)
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


def tensorboard(
    folder: Path, images: np.ndarray, masks: np.ndarray, class_names: Sequence[str]
) -> list[keras.callbacks.Callback]:
    """Curves and pictures for TensorBoard; arguments as of `TensorBoardImages`."""
    return [
        keras.callbacks.TensorBoard(folder, write_graph=False),
        TensorBoardImages(folder, images, masks, class_names),
    ]


class LogToTrackers(keras.callbacks.Callback):
    """Tells the trackers of each epoch."""

    def __init__(self, trackers: Trackers):
        super().__init__()
        self.trackers = trackers

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.trackers.log_epoch(epoch, logs or {})


class HistoryFile(keras.callbacks.Callback):
    """Adds a row to history.csv for each epoch, on the disk before the epoch's checkpoint is.

    Keras' CSVLogger writes in the locale's encoding, which may lack the letters of a class' name.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = {"epoch": epoch} | dict(sorted((logs or {}).items()))
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())


def trim_history(path: Path, epochs: int) -> list[dict[str, str]]:
    """Cuts history.csv back to the epochs that a checkpoint has behind it.

    A run killed between writing its history and its checkpoint repeats an epoch when it is resumed.

    Args:
        path: history.csv, which may be missing or end in half a line.
        epochs: rows to keep.

    Returns:
        The rows kept.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        complete = [row for row in reader if None not in row.values()]
        rows = [row for row in complete if int(row["epoch"]) < epochs]
        columns = reader.fieldnames
    if not columns:  # killed before the names of the columns were written
        path.unlink()
        return []
    with (
        replacing(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return rows
