from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.data.dataset import Data
from tf_muscle.data.geometry import Geometry
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.tuner.folder import SearchFolder
from tf_muscle.tuner.forecast import Forecast, Timing, forecast, plan, sentences
from tf_muscle.tuner.hypermodel import SegmentationHyperModel
from tf_muscle.tuner.options import Search
from tf_muscle.tuner.oracle import make_oracle

TIMING = Timing("CPU", 1_000_000, 10.0, {4: 3.0, 8: 2.0})
GRID = {"learning_rate": [0.1], "batch_size": [4, 8], "optimizer": ["adam", "sgd"], "epochs": [5]}


def planned(search: Search) -> list[tuple[int | None, int]]:
    data = Data({}, DataInfo("f"), Geometry("pad", 32), {})
    space = SegmentationHyperModel(search, data, "float32")
    return plan(make_oracle(search, space.hyperparameters(), SearchFolder(Path("none"))), search)


def test_grid_by_hand(make_search: Callable[..., Search]) -> None:
    search = make_search(**GRID)
    cost = forecast(TIMING, planned(search), [], search)
    # Four starts, ten epochs of 3 s and ten of 2 s. Adam: two checkpoints of 12 MB, the best
    # weights with their successor, and the best trial's: three of 4 MB.
    assert cost == Forecast(4, 20, 4 * 10 + 10 * 3 + 10 * 2, 36_000_000, 4_000_000)


def test_what_has_ended_costs_nothing_more(make_search: Callable[..., Search]) -> None:
    search = make_search(**GRID)
    cost = forecast(TIMING, planned(search), ["0000", "0003"], search)
    assert (cost.trials, cost.epochs) == (2, 10)
    assert cost.seconds == 2 * 10 + 5 * 3 + 5 * 2


def test_executions_multiply(make_search: Callable[..., Search]) -> None:
    search = make_search(**GRID, executions=3, keep_weights=0)
    cost = forecast(TIMING, planned(search), [], search)
    assert (cost.trials, cost.epochs, cost.seconds) == (4, 60, 270)
    assert cost.kept_bytes == 0
    assert cost.peak_bytes == 24_000_000 + 4 * 4_000_000


def test_sgd_checkpoints_are_a_third(make_search: Callable[..., Search]) -> None:
    search = make_search(**GRID | {"optimizer": ["sgd"]})
    assert forecast(TIMING, planned(search), [], search).peak_bytes == 20_000_000


def test_drawn_trials_cost_the_average(make_search: Callable[..., Search]) -> None:
    search = make_search(**GRID, method="random", max_trials=2)
    cost = forecast(TIMING, planned(search), [], search)
    assert (cost.trials, cost.epochs) == (2, 10)
    assert cost.seconds == pytest.approx(2 * 10 + 10 * 2.5)


def test_hyperband_is_planned_round_by_round(make_search: Callable[..., Search]) -> None:
    """Li et al. 2018 with factor 3, 9 epochs and four combinations: 4 trials of 1 epoch ..."""
    search = make_search(**GRID | {"epochs": [9]}, method="hyperband")
    epochs = [one for _, one in planned(search)]
    assert epochs == [1] * 4 + [3] * 3 + [9] * 1 + [3] * 4 + [9] * 2 + [9] * 3


def test_the_default_grid(make_search: Callable[..., Search]) -> None:
    search = make_search()
    timing = Timing("CPU", 24_000_000, 10.0, {4: 30.0, 8: 25.0, 16: 20.0})
    cost = forecast(timing, planned(search), [], search)
    assert (cost.trials, cost.epochs) == (72, 24 * 60)
    text = "\n".join(sentences(cost, timing, search, 72))
    # 72 x 10 s + 8 x 60 epochs of each: 36,720 s
    assert "Forecast: 72 trials, 1440 epochs, about 10 h on CPU" in text
    assert "learning_rate: 0.01, 0.0005, 0.001, 0.0001" in text
    assert "batch size 16: 20 s an epoch" in text
    assert "up to 0.9 GB while it runs, 0.1 GB of weights after" in text
