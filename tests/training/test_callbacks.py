import csv
import os
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_muscle.model.keras_metrics import SegmentationScores
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.optimizers import optimizer
from tf_muscle.model.unet import CORE
from tf_muscle.options import OptimizationConfig
from tf_muscle.training.callbacks import (
    MONITOR,
    BestWeights,
    EarlyStopping,
    FinishEpochOnInterrupt,
    LearningRate,
    StopOnNaN,
    SyncedCSVLogger,
    TensorBoardImages,
    WarnOnCollapse,
    trim_history,
)
from tf_muscle.training.checkpoints import Backup, corruption_reason

CLASS_NAMES = ["background", "biceps", "calf"]
STEPS = 3  # steps an epoch
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4 * STEPS, 8, 8, 3), np.uint8)
MASKS = RNG.integers(0, 3, (4 * STEPS, 8, 8)).astype(np.uint8)


def network(**options: Any) -> keras.Model:
    """A network of the U-Net's form: uint8 photos, an inner model called CORE, logits."""
    keras.utils.set_random_seed(0)
    features = keras.Input((None, None, 3))
    core = keras.Model(features, keras.layers.Conv2D(3, 1, name="logits")(features), name=CORE)
    images = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(images, core(keras.layers.Rescaling(1 / 255)(images)))
    config = OptimizationConfig(**{"learning_rate": 0.01, "step_epochs": 1} | options)
    model.compile(
        optimizer(config, STEPS),
        SegmentationLoss(),
        metrics=[SegmentationScores(CLASS_NAMES)],
        run_eagerly=True,  # a graph takes longer to build than these few steps
    )
    return model


def fit(
    model: keras.Model, epochs: int, *callbacks: keras.callbacks.Callback, epochs_done: int = 0
) -> keras.callbacks.History:
    return model.fit(
        IMAGES,
        MASKS,
        batch_size=4,
        epochs=epochs,
        initial_epoch=epochs_done,
        shuffle=False,
        validation_data=(IMAGES[:4], MASKS[:4]),
        callbacks=list(callbacks),
        verbose=0,
    )


def with_best_weights(path: Path, values: list[float], losses: list[float]) -> BestWeights:
    """Ends epochs of these scores; the weights of epoch i are all i."""
    model = network()
    best = BestWeights(path)
    best.set_model(model)
    for epoch, (value, loss) in enumerate(zip(values, losses, strict=True)):
        model.set_weights([np.full(weight.shape, epoch) for weight in model.weights])
        best.on_epoch_end(epoch, {"val_mean_iou": value, "loss": loss})
    return best


def kept_epoch(path: Path) -> float:
    core = network().get_layer(CORE)
    core.load_weights(path)
    (value,) = {float(value) for weight in core.get_weights() for value in weight.ravel()}
    return value


def test_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    best = with_best_weights(path, [0.2, 0.5, 0.4, 0.5], [1.0] * 4)
    assert kept_epoch(path) == 1  # the first of equals
    assert best.best == 0.5
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert corruption_reason(path) is None


def test_resumed_run_keeps_what_was_better(tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    with_best_weights(path, [0.5], [1.0])
    resumed = BestWeights(path, best=0.5)
    resumed.set_model(network())
    resumed.on_epoch_end(1, {"val_mean_iou": 0.4, "loss": 1.0})
    assert kept_epoch(path) == 0


def test_network_of_nan_is_never_the_best(tmp_path: Path) -> None:
    """Its argmax is class 0 everywhere, which scores as background does."""
    path = tmp_path / "best.weights.h5"
    with_best_weights(path, [0.245], [float("nan")])
    assert not path.exists()
    with_best_weights(path, [0.2, 0.3], [1.0, float("nan")])
    assert kept_epoch(path) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_the_last_step_spoiled_are_never_kept(bad: float, tmp_path: Path) -> None:
    """The loss of an epoch of one step is taken before the only update."""
    spoiled = network()
    spoiled.set_weights([np.full(weight.shape, bad) for weight in spoiled.weights])
    best = BestWeights(tmp_path / "best.weights.h5")
    backup = Backup(tmp_path, STEPS)
    for callback in (best, backup):
        callback.set_model(spoiled)
        callback.on_epoch_end(0, {"val_mean_iou": 0.3, "loss": 1.0, "val_loss": 1.0})
    sound = network()
    for callback in (best, backup):
        callback.set_model(sound)
        callback.on_epoch_end(0, {"val_mean_iou": 0.3, "loss": 1.0, "val_loss": bad})
    assert list(tmp_path.iterdir()) == []


def test_spoiled_weights_end_the_training(tmp_path: Path) -> None:
    model = network(epochs=9)
    poison = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            model.set_weights([np.full(weight.shape, np.inf) for weight in model.weights])
            if epoch == 1
            else None
        )
    )
    stop, best = StopOnNaN(), BestWeights(tmp_path / "best.weights.h5")
    history = fit(model, 9, poison, stop, best)
    assert history.epoch == [0, 1]
    assert stop.epoch == 1
    assert np.isnan(history.history["val_loss"][1])
    core = network().get_layer(CORE)
    core.load_weights(best.path)
    assert all(np.isfinite(weight).all() for weight in core.get_weights())


def test_training_that_becomes_nan_leaves_the_last_good_state(tmp_path: Path) -> None:
    """With the whole list of callbacks in Keras' own order of events."""
    model = network(epochs=9)
    poison = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            model.get_layer(CORE).set_weights([np.full(w.shape, np.nan) for w in model.weights])
            if epoch == 2
            else None
        )
    )
    backup = Backup(tmp_path / "backup", STEPS)
    best = BestWeights(tmp_path / "best.weights.h5")
    history = fit(model, 9, keras.callbacks.TerminateOnNaN(), poison, best, backup)
    assert history.epoch == [0, 1, 2]
    restored = network()
    assert backup.restore(restored) == 2
    core = network().get_layer(CORE)
    core.load_weights(best.path)
    for weight in (*restored.get_weights(), *core.get_weights()):
        assert np.isfinite(weight).all()


def test_early_stopping_counts_the_epochs_before_a_resumed_run() -> None:
    model = network()
    stopping = EarlyStopping(3, [0.1, 0.5, 0.4])
    stopping.set_model(model)
    stopping.on_train_begin()
    model.stop_training = False
    stopping.on_epoch_end(3, {MONITOR: 0.3})
    assert not model.stop_training
    stopping.on_epoch_end(4, {MONITOR: 0.5})  # no better than .5
    assert model.stop_training


def test_early_stopping_is_over_when_the_patience_is_used_up() -> None:
    assert EarlyStopping(2, [0.5, 0.4, 0.3]).is_over
    assert not EarlyStopping(3, [0.5, 0.4, 0.3]).is_over
    assert not EarlyStopping(1).is_over


def test_learning_rate_of_every_epoch_stands_in_the_logs(tmp_path: Path) -> None:
    model = network(learning_rate=0.01, step_epochs=2, gamma=0.1)
    history = fit(model, 5, LearningRate(), SyncedCSVLogger(tmp_path / "history.csv"))
    expected = [0.01, 0.01, 0.001, 0.001, 0.0001]
    assert history.history["learning_rate"] == pytest.approx(expected)
    with (tmp_path / "history.csv").open(newline="") as file:
        logged = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert logged == pytest.approx(expected)


def test_collapse_is_called_by_its_name() -> None:
    said: list[str] = []
    callback = WarnOnCollapse(0.2451, said.append)
    for epoch, found in enumerate([0.0, 0.5, 0.0099, 0.01]):
        logs = {"val_mean_iou": 0.245, "val_foreground_pixel_accuracy": found}
        callback.on_epoch_end(epoch, logs)
    assert [line.partition(":")[0] for line in said] == ["epoch 1", "epoch 3"]
    assert "background only: mIoU 0.245 is the floor of this data set, 0.2451" in said[0]


class Interrupt(keras.callbacks.Callback):
    """Presses ctrl-C after the first batch of an epoch, and counts."""

    def __init__(self, epoch: int, presses: int):
        super().__init__()
        self.at, self.presses = epoch, presses
        self.batches = 0
        self.validated = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.batches += 1
        if (self.epoch, batch) == (self.at, 0):
            for _ in range(self.presses):
                os.kill(os.getpid(), signal.SIGINT)

    def on_test_end(self, logs: dict | None = None) -> None:
        self.validated += 1


@pytest.fixture
def handler() -> Any:
    """The handler of SIGINT, which every test leaves as it was."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    signal.signal(signal.SIGINT, before)


def test_first_interrupt_ends_after_the_epoch(handler: Any) -> None:
    said: list[str] = []
    interrupt = Interrupt(epoch=1, presses=1)
    history = fit(network(), 9, FinishEpochOnInterrupt(said.append), interrupt)
    assert history.epoch == [0, 1]
    assert interrupt.batches == 2 * STEPS  # the epoch was finished
    assert interrupt.validated == 2
    assert len(said) == 1
    assert "ctrl-C" in said[0]
    assert signal.getsignal(signal.SIGINT) is handler


def test_second_interrupt_ends_at_once(handler: Any) -> None:
    interrupt = Interrupt(epoch=1, presses=2)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), 9, FinishEpochOnInterrupt(lambda line: None), interrupt)
    assert interrupt.batches == STEPS + 1


def test_training_without_interrupt_is_left_alone(handler: Any) -> None:
    assert fit(network(), 2, FinishEpochOnInterrupt(print)).epoch == [0, 1]
    assert signal.getsignal(signal.SIGINT) is handler


def test_pictures_for_tensorboard(tmp_path: Path) -> None:
    pictures = TensorBoardImages(tmp_path, IMAGES[:2], MASKS[:2], CLASS_NAMES, every=2)
    fit(network(), 5, pictures)
    events = EventAccumulator(str(tmp_path / "images"), size_guidance={"tensors": 0})
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"photo_truth_prediction", "confusion_matrix"}
    for tag in events.Tags()["tensors"]:
        assert [event.step for event in events.Tensors(tag)] == [1, 3, 4]
    # Width, height and the two photos of one event.
    width, height, *photos = events.Tensors("photo_truth_prediction")[0].tensor_proto.string_val
    assert (width, height, len(photos)) == (b"24", b"8", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


HEADER = "epoch,loss,val_mean_iou\r\n"
ROWS = ["0,0.9,0.25\r\n", "1,0.5,0.31\r\n", "2,0.4,0.35\r\n"]


def test_history_is_cut_to_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HEADER + "".join(ROWS), newline="")
    rows = trim_history(path, 2)
    assert [row["val_mean_iou"] for row in rows] == ["0.25", "0.31"]
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()
    assert trim_history(path, 5) == rows
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()
    assert trim_history(path, 0) == []
    assert path.read_bytes() == HEADER.encode()


@pytest.mark.parametrize("half", ["2", "2,0.4", "2,0.4,", "1", "1,0"])
def test_half_a_line_of_history_is_cut_off(half: str, tmp_path: Path) -> None:
    """A lone 1 is the beginning of epoch 12, for example, and no second epoch 1."""
    path = tmp_path / "history.csv"
    path.write_text(HEADER + "".join(ROWS[:2]) + half, newline="")
    assert [row["epoch"] for row in trim_history(path, 2)] == ["0", "1"]
    assert path.read_bytes() == (HEADER + "".join(ROWS[:2])).encode()


def test_history_without_an_epoch(tmp_path: Path) -> None:
    """A run killed in its first epoch has a history of no byte; the resumed one needs a header."""
    path = tmp_path / "history.csv"
    assert trim_history(path, 0) == []
    assert not path.exists()
    path.touch()
    assert trim_history(path, 0) == []
    fit(network(), 1, SyncedCSVLogger(path, append=True))
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "0"
    assert float(row["val_mean_iou"]) >= 0


def test_history_goes_on_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    backup = Backup(tmp_path / "backup", STEPS)
    fit(network(), 2, LearningRate(), SyncedCSVLogger(path, append=True), backup)
    with path.open("a", newline="") as file:
        file.write("2,0.1,")  # killed here
    model = network()
    epochs_done = backup.restore(model)
    assert len(trim_history(path, epochs_done)) == 2
    logger = SyncedCSVLogger(path, append=True)
    fit(model, 4, LearningRate(), logger, backup, epochs_done=epochs_done)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
