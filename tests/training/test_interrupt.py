"""Ctrl-C during a training."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import pytest
from small_network import STEPS, fit, network

from tf_muscle.training.callbacks import FinishEpochOnInterrupt


def interruptible(
    epochs: int, interrupt: FinishEpochOnInterrupt, *more: keras.callbacks.Callback
) -> keras.callbacks.History:
    with interrupt.listening():
        return fit(network(), epochs, interrupt, *more)


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
    history = interruptible(9, FinishEpochOnInterrupt(said.append), interrupt)
    assert history.epoch == [0, 1]
    assert interrupt.batches == 2 * STEPS  # the epoch was finished
    assert interrupt.validated == 2
    assert len(said) == 1
    assert "ctrl-C" in said[0]
    assert signal.getsignal(signal.SIGINT) is handler


def test_second_interrupt_ends_at_once(handler: Any) -> None:
    interrupt = Interrupt(epoch=1, presses=2)
    with pytest.raises(KeyboardInterrupt):
        interruptible(9, FinishEpochOnInterrupt(lambda line: None), interrupt)
    assert interrupt.batches == STEPS + 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_training_without_interrupt_is_left_alone(handler: Any) -> None:
    assert interruptible(2, FinishEpochOnInterrupt(print)).epoch == [0, 1]
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_is_given_back_after_an_error(handler: Any) -> None:
    def fail(epoch: int, logs: object) -> None:
        raise ValueError("a fault")

    failing = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
    with pytest.raises(ValueError, match="a fault"):
        interruptible(2, FinishEpochOnInterrupt(print), failing)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_training_in_another_thread(handler: Any) -> None:
    """Where Python lets nobody take ctrl-C."""
    with ThreadPoolExecutor(1) as threads:
        trained = threads.submit(interruptible, 2, FinishEpochOnInterrupt(print))
        assert trained.result().epoch == [0, 1]
    assert signal.getsignal(signal.SIGINT) is handler
