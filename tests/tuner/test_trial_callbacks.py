from typing import Any

import keras
import numpy as np
import pytest

from tf_muscle.tuner.hypermodel import COLLAPSED_EPOCHS, EpochSeconds, StopCollapsed


class Found(keras.callbacks.Callback):
    """Puts a score into the logs as validation would, and keeps all logs."""

    def __init__(self, shares: list[float]):
        super().__init__()
        self.shares = shares

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_foreground_pixel_accuracy"] = self.shares[epoch]


@pytest.mark.parametrize(
    ("shares", "epochs"),
    [
        ([0.0] * 9, COLLAPSED_EPOCHS),
        ([0.009] * 4 + [0.011] + [0.0] * 5, 10),  # five in a row, not five in all
        ([0.5] * 6, 6),
    ],
)
def test_collapsed_training_ends_after_five_epochs_in_a_row(
    shares: list[float], epochs: int
) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    history = model.fit(
        np.ones((1, 1)),
        np.ones((1, 1)),
        epochs=len(shares),
        callbacks=[Found(shares), StopCollapsed(), EpochSeconds()],
        verbose=0,
    )
    assert len(history.history["loss"]) == epochs
    assert len(history.history["seconds"]) == epochs
    assert all(0 < seconds < 60 for seconds in history.history["seconds"])
