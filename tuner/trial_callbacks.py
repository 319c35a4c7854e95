"""What a trial's training does beyond any training: timing, and an early end where asked for."""

import time
from typing import Any

import keras

from tf_muscle.model.metrics import BACKGROUND_ONLY_RECALL

# With the step schedule the learning rate is halved after 5 epochs: what has found nothing by then
# goes on with smaller steps.
COLLAPSED_EPOCHS = 5

Logs = dict[str, Any]


class EpochSeconds(keras.callbacks.Callback):
    """Adds the duration of an epoch, validation included, to the logs for the callbacks behind."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["seconds"] = time.monotonic() - self.started


class StopCollapsed(keras.callbacks.Callback):
    """Ends a training that has predicted background only for some epochs in a row."""

    def __init__(self, epochs: int = COLLAPSED_EPOCHS):
        super().__init__()
        self.epochs = epochs
        self.collapsed = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        found = (logs or {})["val_foreground_pixel_accuracy"]
        self.collapsed = self.collapsed + 1 if found < BACKGROUND_ONLY_RECALL else 0
        if self.collapsed == self.epochs:
            print(f"no muscle found in {self.epochs} epochs: the trial ends here")
            self.model.stop_training = True
