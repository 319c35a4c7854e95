"""How many epochs fit into a number of minutes, and when a training will end: from real steps."""

import contextlib
import dataclasses
import io
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import keras

from tf_muscle.config import Config
from tf_muscle.data.dataset import Data
from tf_muscle.data.pipeline import batches_per_epoch
from tf_muscle.errors import UserError
from tf_muscle.training.callbacks import BestWeights
from tf_muscle.training.checkpoints import Backup
from tf_muscle.training.evaluation import evaluate_model

LEAST_EPOCHS = 3  # the fewest that a budget may leave: below it, no schedule has a middle
PLANNED = 0.95  # share of the minutes that is planned; the rest is for what cannot be foreseen
TIMED = 0.02  # share of the minutes in which steps are timed
TIMED_STEPS = 3  # at least, after one that waits for the graph and the pipeline
JUDGED = 16  # validation photos that are evaluated to know how long it takes
# What `finish` does besides evaluating (build the networks, draw, write the SavedModel) is Python
# and graphs, as the start of a training is, and takes so many times as long: docs/performance.md.
FINISH_BY_START = 1.8

Logs = dict[str, Any]
Build = Callable[[Config], keras.Model]
Fit = Callable[[keras.Model, Config, Data, Sequence[keras.callbacks.Callback]], None]


class StepTimer(keras.callbacks.Callback):
    """Times training and validation steps, and ends the training when it has enough.

    Args:
        seconds: in which to time steps, at least `TIMED_STEPS` after the first.

    Attributes:
        train_seconds, valid_seconds: of each step.
        warm: `time.monotonic` after the first training step.
        judged: the same after the validation.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.train_seconds: list[float] = []
        self.valid_seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.started = time.monotonic()

    on_test_batch_begin = on_train_batch_begin

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        float((logs or {})["loss"])  # a GPU may not have computed it yet
        now = time.monotonic()
        if not self.train_seconds:
            self.warm = now
        self.train_seconds.append(now - self.started)
        if len(self.train_seconds) > TIMED_STEPS and now - self.warm >= self.seconds:
            self.enough()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        float((logs or {})["loss"])
        self.valid_seconds.append(time.monotonic() - self.started)
        self.model.stop_evaluating = len(self.valid_seconds) > TIMED_STEPS

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.judged = time.monotonic()

    def enough(self) -> None:
        """Called after every step once there are enough."""
        self.model.stop_training = True

    @property
    def step(self) -> float:
        """Seconds of a training step, without the first, which builds the graph."""
        return mean(self.train_seconds[1:] or self.train_seconds)

    @property
    def valid_step(self) -> float:
        """Seconds of a validation step, likewise."""
        return mean(self.valid_seconds[1:] or self.valid_seconds)


@dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take."""

    start: float  # to build the model and its graphs
    epoch: float  # with validation and checkpoint
    finish: float  # evaluation, pictures, report, SavedModel

    def of(self, epochs: int) -> float:
        """All of a training."""
        return self.start + epochs * self.epoch + self.finish


def affordable_epochs(costs: Costs, spent: float, minutes: float, most: int) -> int:
    """The epochs with which everything ends in time.

    Args:
        costs: measured.
        spent: seconds that are gone.
        minutes: the budget.
        most: the option `epochs`.

    Raises:
        UserError: not even `LEAST_EPOCHS` (or `most`, if that is less) fit.
    """
    left = minutes * 60 * PLANNED - spent
    epochs = min(most, math.floor((left - costs.of(0)) / costs.epoch))
    least = min(most, LEAST_EPOCHS)
    if epochs < least:
        needed = math.ceil((spent + costs.of(least)) / 60 / PLANNED)
        raise UserError(
            f"--minutes {minutes:g} is too short for {least} epoch{'s' * (least > 1)}, evaluation "
            f"and pictures: give at least --minutes {needed}, or a smaller --image_size"
        )
    return epochs


def within_minutes(config: Config, data: Data, build: Build, fit: Fit, started: float) -> Config:
    """Sets the epochs so that the whole training ends in `minutes`, counted from its start.

    Times some real steps with a model of its own, which is thrown away. Whoever seeds again
    afterwards trains as if nothing had been timed.

    Args:
        config: with `minutes`; `epochs` are the most.
        data: the loaded export.
        build: makes a compiled model.
        fit: trains it.
        started: `time.time` at the start.

    Returns:
        The configuration with these epochs, and without `minutes`, so that it repeats the training.

    Raises:
        UserError: the minutes are too few.
    """
    minutes, most = config.run.minutes, config.optimization.epochs
    costs = measure(config, data, build, fit, minutes * 60 * TIMED)
    spent = time.time() - started
    epochs = affordable_epochs(costs, spent, minutes, most)
    enough = f"all {epochs}" if epochs == most else f"{epochs} of at most {most}"
    print(
        f"--minutes {minutes:g} is time for {enough} epochs: {duration(costs.epoch)} an epoch, "
        f"{duration(costs.finish)} for evaluation and pictures; it ends at about "
        f"{clock(costs.of(epochs))}"
    )
    return dataclasses.replace(
        config,
        optimization=dataclasses.replace(config.optimization, epochs=epochs),
        run=dataclasses.replace(config.run, minutes=0.0),
    )


def measure(config: Config, data: Data, build: Build, fit: Fit, seconds: float) -> Costs:
    """Trains for some seconds, writes a checkpoint and evaluates a few photos.

    Args: those of `within_minutes`, and `seconds` in which to time steps.
    """
    for _ in data.splits["train"]:  # decoded and cached, which no step has to wait for then
        pass
    weightless = dataclasses.replace(config.model, encoder_weights="none")
    batch_size = config.optimization.batch_size
    counts = {split: int(examples.cardinality()) for split, examples in data.splits.items()}
    steps = batches_per_epoch(data.splits["train"], batch_size)
    timer = StepTimer(seconds)
    started = time.monotonic()
    model = build(dataclasses.replace(config, model=weightless))
    with tempfile.TemporaryDirectory() as folder:
        records = [BestWeights(Path(folder, "best.weights.h5")), Backup(Path(folder), steps)]
        with contextlib.redirect_stdout(io.StringIO()):  # Keras' "Epoch 1/30"
            fit(model, config, data, [timer, *records])
        checkpoint = time.monotonic() - timer.judged
    start = timer.warm - started + timer.valid_seconds[0]
    graph = timer.valid_seconds[0]
    few = min(JUDGED, counts["valid"])
    plain = _judging(model, data, own_size=False)
    photo = max(plain - graph, 0.0) / few
    own_size = max(_judging(model, data, own_size=True) - plain, 0.0) / few
    # Photos of the training are not scored at their own size.
    judging = 3 * graph + sum(counts.values()) * photo
    judging += (counts["valid"] + counts["test"]) * own_size
    valid_steps = batches_per_epoch(data.splits["valid"], batch_size)
    epoch = steps * timer.step + valid_steps * timer.valid_step + checkpoint
    return Costs(start, epoch, judging + FINISH_BY_START * start)


def _judging(model: keras.Model, data: Data, *, own_size: bool) -> float:
    """Seconds to evaluate some validation photos."""
    started = time.monotonic()
    evaluate_model(
        model,
        data.splits["valid"].take(JUDGED),
        data.class_names,
        model.loss,
        geometry=data.geometry,
        own_sizes=data.own_sizes["valid"].take(JUDGED) if own_size else None,
    )
    return time.monotonic() - started


class ExpectedEnd(StepTimer):
    """Says after the first steps of a training when its last epoch will end.

    Args:
        valid_steps: of a validation. Each is counted as long as a training step, which is longer.
        say: prints a line.
    """

    SECONDS = 10.0  # in which steps are timed

    def __init__(self, valid_steps: int, say: Callable[[str], None]) -> None:
        super().__init__(self.SECONDS)
        self.valid_steps = valid_steps
        self.say = say
        self.said = False
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self.said:
            self.batch = batch
            super().on_train_batch_end(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Ends no validation."""

    def enough(self) -> None:
        self.said = True
        steps = self.params["steps"]
        epochs = self.params["epochs"] - self.epoch
        left = epochs * (steps + self.valid_steps) - self.batch - 1
        self.say(
            f"{chr(10) * sys.stdout.isatty()}"  # below Keras' progress bar
            f"The last epoch ends at about {clock(left * self.step)}, in "
            f"{duration(left * self.step)}: {self.step:.2g} s a step, {steps} steps an epoch"
        )


def clock(seconds: float) -> str:
    """The time of day in so many seconds, such as "14:05"."""
    return f"{datetime.now() + timedelta(seconds=seconds):%H:%M}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, in two digits or so."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36000 else f"{seconds / 3600:.0f} h"
