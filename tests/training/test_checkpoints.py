import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.training.checkpoints import Backup, corruption_reason

STEPS = 3  # steps an epoch
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(4 * STEPS, 5)).astype(np.float32)
TARGETS = RNG.normal(size=(4 * STEPS, 1)).astype(np.float32)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(40), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    return model


def fit(
    model: keras.Model, epochs: int, *callbacks: keras.callbacks.Callback, epochs_done: int = 0
) -> list[int]:
    """Trains; gives the epochs that were run."""
    history = model.fit(
        INPUTS, TARGETS, batch_size=4, epochs=epochs, initial_epoch=epochs_done, shuffle=False,
        callbacks=list(callbacks), verbose=0,
    )  # fmt: skip
    return history.epoch


def state(model: keras.Model) -> list[np.ndarray]:
    """Weights and all that the optimizer knows."""
    return [np.array(value) for value in (*model.weights, *model.optimizer.variables)]


def assert_same_state(model: keras.Model, expected: list[np.ndarray]) -> None:
    for value, other in zip(state(model), expected, strict=True):
        np.testing.assert_array_equal(value, other)


States = dict[int, list[np.ndarray]]  # by the number of epochs done


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory: pytest.TempPathFactory) -> tuple[States, Path]:
    states: States = {}
    model = network()
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: states.update({epoch + 1: state(model)})
    )
    folder = tmp_path_factory.mktemp("backup")
    fit(model, 3, keep, Backup(folder, STEPS))
    return states, folder


@pytest.fixture
def trained(three_epochs: tuple[States, Path], tmp_path: Path) -> States:
    """Leaves the backup of a training of three epochs in `tmp_path`; gives the state after each."""
    states, folder = three_epochs
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return states


def test_backup_restores_weights_optimizer_and_epoch(trained: States, tmp_path: Path) -> None:
    model = network()
    backup = Backup(tmp_path, STEPS)
    assert backup.restore(model) == 3
    assert_same_state(model, trained[3])
    assert fit(model, 5, backup, epochs_done=3) == [3, 4]
    assert int(model.optimizer.iterations) == 5 * STEPS
    straight = network()
    fit(straight, 5)
    for value, other in zip(state(model), state(straight), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-7)


def test_without_backup_the_training_starts_from_nothing(tmp_path: Path) -> None:
    model = network()
    before = state(model)
    backup = Backup(tmp_path / "new", STEPS)
    assert not backup.exists
    assert backup.restore(model) == 0
    assert_same_state(model, before[: len(state(model))])


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbled_head(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:200] = bytes(200)
    path.write_bytes(content)


def one_wrong_number(path: Path) -> None:
    """Of a weight, which HDF5 reads without a complaint."""
    content = path.read_bytes()
    weights = np.array(network().layers[0].kernel)  # not these, but of this size
    import h5py

    with h5py.File(path) as file:
        found: list[bytes] = []
        file.visititems(
            lambda name, item: (
                found.append(item[()].tobytes())
                if isinstance(item, h5py.Dataset) and item.shape == weights.shape
                else None
            )
        )
    place = content.index(found[0])
    path.write_bytes(content[:place] + b"\x00\x00\xc0\x7f" + content[place + 4 :])


@pytest.mark.parametrize("accident", [half, empty, garbled_head, one_wrong_number])
def test_checkpoint_before_stands_in_for_a_damaged_one(
    accident: Callable[[Path], None], trained: States, tmp_path: Path
) -> None:
    said: list[str] = []
    backup = Backup(tmp_path, STEPS, said.append)
    accident(backup.latest)
    model = network()
    assert backup.restore(model) == 2
    assert_same_state(model, trained[2])
    (line,) = said
    assert line.startswith(f"{backup.latest} (")
    assert line.endswith("is damaged: going on from the checkpoint before, epoch 2")
    assert fit(model, 3, backup, epochs_done=2) == [2]
    assert corruption_reason(backup.latest) is None
    assert corruption_reason(backup.previous) is None  # the damaged one is gone
    assert Backup(tmp_path, STEPS).restore(network()) == 3


def test_checkpoint_before_stands_in_for_a_missing_one(trained: States, tmp_path: Path) -> None:
    """As after a kill between the two renames."""
    backup = Backup(tmp_path, STEPS)
    backup.latest.unlink()
    assert backup.exists
    model = network()
    assert backup.restore(model) == 2
    assert_same_state(model, trained[2])


def test_no_sound_checkpoint_is_an_error_and_no_new_start(trained: States, tmp_path: Path) -> None:
    backup = Backup(tmp_path, STEPS)
    half(backup.latest)
    empty(backup.previous)
    with pytest.raises(UserError, match=r"latest.*previous.*no sound checkpoint is left"):
        backup.restore(network())
    assert {backup.latest, backup.previous} == set(tmp_path.iterdir())


def test_kill_while_writing_leaves_the_checkpoint_before(
    trained: States, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(model: keras.Model, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    model = network()
    backup = Backup(tmp_path, STEPS)
    backup.restore(model)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(model, 4, backup, epochs_done=3)
    again = network()
    assert Backup(tmp_path, STEPS).restore(again) == 3
    assert_same_state(again, trained[3])


def test_full_disk_keeps_the_checkpoint_before(
    trained: States, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    backup = Backup(tmp_path, STEPS)
    backup.restore(model)
    size = backup.latest.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=size // 2))
        with pytest.raises(OSError, match="No space left") as caught:
            fit(model, 4, backup, epochs_done=3)
    assert caught.value.filename == str(backup.latest)
    assert Backup(tmp_path, STEPS).restore(network()) == 3


def test_steps_left_out_by_float16_do_not_lose_an_epoch(tmp_path: Path) -> None:
    model = network()
    fit(model, 2)
    model.optimizer.iterations.assign(2 * STEPS - 1)
    backup = Backup(tmp_path, STEPS)
    backup.set_model(model)
    backup.on_epoch_end(1, {"loss": 1.0})
    assert backup.restore(network()) == 2


def test_the_loss_scale_of_float16_goes_on(tmp_path: Path) -> None:
    """Keras adds the scale's variables again where a built optimizer is built."""
    model, again = network(), network()
    for one in (model, again):
        one.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)), "mse")
        one.optimizer.build(one.trainable_variables)
    fit(model, 1)
    model.optimizer.dynamic_scale.assign(1024.0)
    backup = Backup(tmp_path, STEPS)
    backup.set_model(model)
    backup.on_epoch_end(0, {"loss": 1.0})
    assert backup.restore(again) == 1
    assert_same_state(again, state(model))
