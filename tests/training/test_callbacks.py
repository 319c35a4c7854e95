import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from small_network import CLASS_NAMES, IMAGES, MASKS, STEPS, fit, network
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_muscle.model.unet import CORE
from tf_muscle.training.callbacks import (
    MONITOR,
    BestWeights,
    EarlyStopping,
    HistoryFile,
    LearningRate,
    StopOnNaN,
    TensorBoardImages,
    WarnOnCollapse,
)
from tf_muscle.training.checkpoints import Backup, corruption_reason


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
    history = fit(model, 5, LearningRate(), HistoryFile(tmp_path / "history.csv"))
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
