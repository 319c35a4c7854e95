"""What a search will cost, from a few real training steps."""

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from tf_muscle.data.pipeline import batches_per_epoch
from tf_muscle.training.budget import StepTimer, duration
from tf_muscle.training.loop import fit

from .hypermodel import SegmentationHyperModel
from .options import Search
from .oracle import HyperbandOracle, ResumableOracle

WEIGHT_BYTES = 4  # float32, in every precision
ADAM_COPIES = 3  # a checkpoint of Adam holds the weights and two moments of each

Plan = list[tuple[int | None, int]]


@dataclass(frozen=True)
class Timing:
    """Measured before the first trial."""

    device: str  # in words
    parameters: int  # of the network
    startup_seconds: float  # to build a model and its graph, once a training
    epoch_seconds: dict[int, float]  # with validation, by batch size


@dataclass(frozen=True)
class Forecast:
    """What is left to do."""

    trials: int
    epochs: int  # of all trials and their executions
    seconds: float
    peak_bytes: int  # of disk while it runs
    kept_bytes: int  # of disk when it is over


def measure(hypermodel: SegmentationHyperModel, search: Search, device: str) -> Timing:
    """Trains a few steps at each batch size."""
    configs = {one.batch_size: search.config(one) for one in search.combinations()}
    started = time.monotonic()
    model = hypermodel.build(hypermodel.hyperparameters())

    def timed_fit(batch_size: int) -> StepTimer:
        timer = StepTimer()
        with contextlib.redirect_stdout(io.StringIO()):  # Keras' "Epoch 1/30"
            fit(model, configs[batch_size], hypermodel.data, [timer])
        return timer

    timed_fit(min(configs))  # builds the graph
    startup = time.monotonic() - started
    epochs = {}
    for size in sorted(configs):
        timer = timed_fit(size)
        train_steps = hypermodel.steps_per_epoch(configs[size])
        valid_steps = batches_per_epoch(hypermodel.data.splits["valid"], size)
        epochs[size] = train_steps * timer.step + valid_steps * timer.valid_step
    return Timing(device, model.count_params(), startup, epochs)


def plan(oracle: ResumableOracle, search: Search) -> Plan:
    """The batch size and the epochs of every trial in order; None where a method draws it."""
    combinations = search.combinations()
    if search.options.method in ("grid", "list"):
        return [(one.batch_size, one.epochs) for one in combinations]
    if isinstance(oracle, HyperbandOracle):
        trials: Plan = [(None, epochs) for count, epochs in oracle.schedule() for _ in range(count)]
        return trials[: oracle.max_trials]
    average = round(mean(one.epochs for one in combinations))
    return [(None, average)] * (search.max_trials() or 0)


def forecast(timing: Timing, trials: Plan, ended: Sequence[str], search: Search) -> Forecast:
    """Adds up the trials of a plan that have not ended; a trial's id is its place in the plan."""
    done = {int(trial_id) for trial_id in ended}
    left = [trial for number, trial in enumerate(trials) if number not in done]
    average = mean(timing.epoch_seconds[one.batch_size] for one in search.combinations())
    executions = search.options.executions
    epochs = executions * sum(epochs for _, epochs in left)
    seconds = executions * sum(
        timing.startup_seconds + epochs * (timing.epoch_seconds[size] if size else average)
        for size, epochs in left
    )
    weights = WEIGHT_BYTES * timing.parameters
    adam = any(optimizer != "sgd" for optimizer in search.space()["optimizer"])
    kept = min(search.options.keep_weights, len(trials)) * weights
    # Two checkpoints, the best weights of each training and their successor in the writing.
    running = weights * (2 * (ADAM_COPIES if adam else 1) + executions + 1)
    return Forecast(len(left), epochs, seconds, kept + running, kept)


def sentences(cost: Forecast, timing: Timing, search: Search, trial_count: int) -> Iterator[str]:
    """The forecast in words."""
    for name, values in search.space().items():
        yield f"  {name}: {', '.join(map(str, values))}"
    for size, seconds in timing.epoch_seconds.items():
        yield f"  batch size {size}: {duration(seconds)} an epoch, validation included"
    left = "" if cost.trials == trial_count else f" left of {trial_count}"
    yield (
        f"Forecast: {cost.trials} trials{left}, {cost.epochs} epochs, about "
        f"{duration(cost.seconds)} on {timing.device}; disk: up to {cost.peak_bytes / 1e9:.1f} GB "
        f"while it runs, {cost.kept_bytes / 1e9:.1f} GB of weights after"
    )
