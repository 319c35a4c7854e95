"""The trainings that KerasTuner chooses among: those of tf_muscle.train, by the same code."""

import math
import time
from typing import Any

import keras
import keras_tuner
from tensorboard.plugins.hparams import api as hparams

from tf_muscle.atomic import replacing
from tf_muscle.config import Config
from tf_muscle.data.dataset import Data
from tf_muscle.data.pipeline import batches_per_epoch
from tf_muscle.errors import UserError
from tf_muscle.model.compiled import compiled_model
from tf_muscle.model.metrics import BACKGROUND_ONLY_RECALL
from tf_muscle.report.history import best_epoch, read_history
from tf_muscle.runs.environment import EncoderStart
from tf_muscle.runs.folder import RunFolder
from tf_muscle.training.device import seed_everything, strategy
from tf_muscle.training.loop import fit_with_records

from .options import Search, combination_of, digest
from .oracle import IDENTITY

# With the step schedule the learning rate is halved after 5 epochs: what has found nothing by then
# goes on with smaller steps.
COLLAPSED_EPOCHS = 5

Logs = dict[str, Any]


class EpochSeconds(keras.callbacks.Callback):
    """Adds an epoch's duration, validation included, to the logs, for the callbacks after it."""

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


class DivergedError(Exception):
    """The loss became NaN or infinite, which belongs to the combination."""


class SegmentationHyperModel(keras_tuner.HyperModel):
    """A U-Net with its training, as a function of the hyperparameters.

    Args:
        search: the options.
        data: the loaded export; its train and valid splits are used.
        precision: "float32", "bfloat16" or "float16".
    """

    def __init__(self, search: Search, data: Data, precision: str):
        super().__init__()
        self.search = search
        self.data = data
        self.precision = precision
        self.devices = strategy()
        self.execution = 0  # number of the training that is to come, from 0
        self.encoder_weights = EncoderStart("random")  # of the last model

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The space of the search, for its oracle."""
        hp = keras_tuner.HyperParameters()
        for name, values in self.search.space().items():
            hp.Choice(name, values)
        hp.Fixed(IDENTITY, digest(self.search.identity(self.data.info.fingerprint)))
        return hp

    def config(self, hp: keras_tuner.HyperParameters) -> Config:
        """The training run that the values stand for."""
        return self.search.config(combination_of(hp.values), self.execution)

    def steps_per_epoch(self, config: Config) -> int:
        """Batches that make an epoch."""
        return batches_per_epoch(
            self.data.splits["train"],
            config.optimization.batch_size,
            drop_remainder=self.devices.num_replicas_in_sync > 1,
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the model, after seeding, so that no earlier trial matters."""
        config = self.config(hp)
        seed_everything(config.run.seed, config.run.deterministic)
        steps = self.steps_per_epoch(config)
        with self.devices.scope():
            model, self.encoder_weights = compiled_model(config, self.data, self.precision, steps)
        return model

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *, run: RunFolder
    ) -> dict[str, float]:
        """Trains the model, from the run's last checkpoint if there is one.

        Args:
            hp: the trial's values.
            model: of `build`.
            run: folder of the training's records.

        Returns:
            The scores of the best epoch; see `scores`.

        Raises:
            DivergedError: the loss became NaN.
            KeyboardInterrupt: ctrl-C asked for an end after the running epoch.
        """
        config = self.config(hp)
        with replacing(run.config) as unfinished:
            config.save(unfinished)
        callbacks: list[keras.callbacks.Callback] = [
            EpochSeconds(),
            hparams.KerasCallback(str(run.tensorboard), vars(combination_of(hp.values))),
        ]
        if self.search.options.stop_collapsed:
            callbacks.append(StopCollapsed())
        steps = self.steps_per_epoch(config)
        try:
            interrupted = fit_with_records(model, config, self.data, run, steps, callbacks)
        except UserError:
            if run.history.is_file():
                scores(run)  # raises DivergedError if it was NaN in the first epoch
            raise
        if interrupted:
            raise KeyboardInterrupt
        return scores(run, config.optimization.tie)


def scores(run: RunFolder, tie: float = 0.0) -> dict[str, float]:
    """The validation scores of the epoch whose weights are kept, and what it took.

    Returns:
        The columns `val_...` of history.csv at the epoch with the best validation mIoU, and
        `best_epoch` (from 1), `trained_epochs` and `seconds`.

    Raises:
        DivergedError: the loss became NaN.
    """
    history = read_history(run.history)
    for column in ("loss", "val_loss"):
        for epoch, value in enumerate(history[column], 1):
            if not math.isfinite(value):
                raise DivergedError(f"{column} became {value} in epoch {epoch}")
    best = best_epoch(history, tie)
    kept = {name: values[best - 1] for name, values in history.items() if name.startswith("val_")}
    return kept | {
        "best_epoch": best,
        "trained_epochs": len(history["loss"]),
        "seconds": sum(history["seconds"]),
    }
