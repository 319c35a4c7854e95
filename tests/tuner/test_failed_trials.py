"""Trials that fail by their combination, and errors that end the search and are met again."""

from collections.abc import Callable

import pytest
import tensorflow as tf
from quick_search import SIX, Bench, good

from tf_muscle.errors import UserError
from tf_muscle.tuner.options import Combination, Search
from tf_muscle.tuner.oracle import KILLS, MOST_KILLS
from tf_muscle.tuner.trial_runner import failure


def out_of_memory(combination: Combination, execution: int) -> float | None:
    if combination.batch_size == 8:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor [8,8]")
    return None if combination.learning_rate == 0.1 else good(combination, execution)


def test_failed_trials_are_recorded_and_the_search_goes_on(
    make_search: Callable[..., Search],
) -> None:
    """Three failures in a row, at which KerasTuner would have ended it."""
    bench = Bench(make_search(**SIX), out_of_memory)
    bench.runner.search()
    states = [row.state for row in bench.rows()]
    assert states[:2] == ["failed: loss became nan in epoch 1"] * 2
    assert states[2] == states[5] == "failed: out of memory (OOM when allocating tensor [8,8])"
    assert states[3:5] == ["completed"] * 2
    best = bench.folder.execution("0004", 0).best_weights
    assert list(bench.folder.path.rglob("*.weights.h5")) == [best]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (tf.errors.ResourceExhaustedError(None, None, "too\n  much"), "out of memory (too much)"),
        (
            tf.errors.InternalError(None, None, "CUDA: Failed to allocate 3 GB"),
            "out of memory (CUDA: Failed to allocate 3 GB)",
        ),
        (tf.errors.NotFoundError(None, None, "no such file"), None),
        (OSError("out of memory cards"), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_what_a_combination_can_help(error: BaseException, reason: str | None) -> None:
    assert failure(error) == reason


def test_any_other_error_ends_the_search_and_is_met_again(
    make_search: Callable[..., Search],
) -> None:
    def disk_full(combination: Combination, execution: int) -> float:
        if combination.batch_size == 8:
            raise OSError("No space left on device")
        return good(combination, execution)

    bench = Bench(make_search(**SIX), disk_full)
    with pytest.raises(OSError, match="No space left"):
        bench.runner.search()
    assert [row.state for row in bench.rows()] == ["completed", "completed", "running"]
    again = Bench(bench.search, good)
    again.runner.search()
    assert [one for one, _ in again.hypermodel.calls] == bench.search.combinations()[2:]
    assert {row.state for row in again.rows()} == {"completed"}


def test_scores_that_cannot_be_recorded_end_the_search(
    make_search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KerasTuner would take it for a failure of the trial, and go on to the next."""

    def disk_full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    bench = Bench(make_search(**SIX), good)
    monkeypatch.setattr(bench.oracle, "update_trial", disk_full)
    with pytest.raises(UserError, match=r"trial 0000 could not be recorded \(OSError: No space"):
        bench.runner.search()
    again = Bench(bench.search, good)
    again.runner.search()
    assert len(again.hypermodel.calls) == 5  # the first had come to its end
    assert {row.state for row in again.rows()} == {"completed"}


def test_ctrl_c_leaves_the_trial_for_later(make_search: Callable[..., Search]) -> None:
    def interrupted(combination: Combination, execution: int) -> float:
        raise KeyboardInterrupt

    bench = Bench(make_search(**SIX), interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.search()
    assert [row.state for row in bench.rows()] == ["running"]
    assert bench.folder.execution("0000", 0).backup.exists()  # goes on from here


def test_ctrl_c_is_no_sign_of_too_little_memory(make_search: Callable[..., Search]) -> None:
    def interrupted(combination: Combination, execution: int) -> float:
        raise KeyboardInterrupt

    search = make_search(**SIX)
    for _ in range(MOST_KILLS + 1):
        with pytest.raises(KeyboardInterrupt):
            Bench(search, interrupted).runner.search()
    bench = Bench(search, good)
    bench.runner.search()
    assert {row.state for row in bench.rows()} == {"completed"}


def test_killed_after_an_epoch_is_no_sign_of_too_little_memory(
    make_search: Callable[..., Search],
) -> None:
    search = make_search(**SIX)
    for _ in range(MOST_KILLS + 1):
        bench = Bench(search, good)
        assert bench.oracle.create_trial("tuner0").trial_id == "0000"
        checkpoint = bench.folder.execution("0000", 0).backup / "latest.weights.h5"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
    assert bench.oracle.trials["0000"].hyperparameters.values[KILLS] == 1
