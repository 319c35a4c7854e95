import csv
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from train_options import train_config

from tf_muscle.tuner.folder import SearchFolder
from tf_muscle.tuner.options import Combination, Search
from tf_muscle.tuner.results import Row, ranked, rows_of, write_results

GYM = {
    "synthetic": False,
    "class_names": ["background", "activated biceps", "activated calf", "activated triceps"],
    "floor_mean_iou": 0.2451,
}
ENVIRONMENT = {"device": "CPU", "data": GYM}


def row(trial: str, score: float | None, **others: Any) -> Row:
    scored = (
        {}
        if score is None
        else {
            "objective": score,
            "val_loss": 0.1234567891,
            "val_mean_iou": score,
            "val_foreground_mean_iou": score / 2,
            "val_mean_class_accuracy": 0.6,
            "val_foreground_pixel_accuracy": 0.4,
            "best_epoch": 2.0,
            "trained_epochs": 2.0,
            "seconds": 61.7,
        }
    )
    combination = Combination(0.001, 4, "adam", 2)
    return Row(
        **{"trial": trial, "combination": combination, "state": "completed"} | scored | others
    )


ROWS = [
    row("0000", 0.3),
    row(
        "0001",
        0.2451,
        combination=Combination(0.001, 4, "sgd", 2),
        state="background only",
        val_foreground_pixel_accuracy=0.001,
    ),
    row("0002", None, combination=Combination(0.5, 4, "adamw", 2), state="failed: a | b, c"),
    row("0003", 0.5, combination=Combination(0.0001, 16, "adam", 30), trained_epochs=7.0),
]


@pytest.fixture
def written(make_search: Callable[..., Search], tmp_path: Path) -> Callable[..., SearchFolder]:
    """Writes the results of `ROWS`."""

    def write(environment: dict[str, Any] = ENVIRONMENT, rows: list[Row] = ROWS) -> SearchFolder:
        trials = [one.combination for one in ROWS]
        folder = SearchFolder(tmp_path)
        write_results(folder, rows, make_search(method="list", trials=trials), environment)
        return folder

    return write


def table(page: str) -> list[list[str]]:
    """The cells of the first table of a page, without the rule."""
    lines = next(line for line in page.split("\n\n") if line.startswith("| Learning Rate"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    return [rows[0], *rows[2:]]


def test_page_has_the_columns_of_the_report_and_ranks(written: Callable[..., SearchFolder]) -> None:
    header, *rows = table(written().results_page.read_text())
    assert header[:6] == [
        "Learning Rate", "Batch Size", "Optimizer", "Val Loss", "Val mIoU", "Epochs",
    ]  # fmt: skip
    assert header[6:9] == ["Foreground mIoU", "Best Epoch", "Seconds"]
    assert [line[header.index("Trial")] for line in rows] == ["0003", "0000", "0001", "0002"]
    assert rows[0][:9] == [
        "0.0001", "16", "Adam", "0.1235", "0.5000", "7 of 30", "0.2500", "2", "62",
    ]  # fmt: skip
    assert rows[2][2] == "SGD"
    assert rows[3][3:5] == ["", ""]


def test_published_trials_stand_beside_ours(written: Callable[..., SearchFolder]) -> None:
    header, *rows = table(written().results_page.read_text())
    assert header[-2:] == ["Published Val Loss", "Published Val mIoU"]
    assert [line[-2:] for line in rows] == [
        ["0.0411", "0.5165"],
        ["0.0874", "0.3006"],
        ["0.1065", "0.2451"],
        ["", ""],
    ]


@pytest.mark.parametrize(
    "data", [GYM | {"synthetic": True}, GYM | {"class_names": ["background", "arm"]}]
)
def test_published_trials_stand_beside_no_other_data(
    written: Callable[..., SearchFolder], data: dict[str, Any]
) -> None:
    folder = written({"data": data})
    page = folder.results_page.read_text()
    assert "0.5165" not in page + folder.results_csv.read_text()
    assert ("**Every photo is synthetic**" in page) == data["synthetic"]


def test_page_names_collapse_and_failure(written: Callable[..., SearchFolder]) -> None:
    page = written().results_page.read_text()
    assert "3 of 4 trials completed, 1 failed." in page
    assert "**1 of 3 trials are background only**" in page
    assert "0.2451 on these photos" in page
    assert "| background only |" in page
    assert "| failed: a &#124; b, c |" in page
    assert "Best: trial 0003, learning_rate 0.0001, batch_size 16" in page


def test_csv_is_in_the_order_of_the_trials(written: Callable[..., SearchFolder]) -> None:
    lines = list(csv.DictReader(io.StringIO(written().results_csv.read_text())))
    assert [line["trial"] for line in lines] == ["0000", "0001", "0002", "0003"]
    assert lines[0]["val_loss"] == "0.123457"
    assert lines[2]["state"] == "failed: a | b, c"
    assert lines[2]["val_mean_iou"] == ""
    assert lines[3]["published_val_mean_iou"] == "0.5165"


def test_best_is_a_preset_of_a_training(
    written: Callable[..., SearchFolder], make_search: Callable[..., Search]
) -> None:
    best = written().best
    config = train_config("--config", str(best))
    assert config == make_search().config(ROWS[3].combination)
    assert best.read_text().startswith("# The best of the search study: trial 0003, val_mean_iou")


def test_nothing_is_best_before_a_trial_has_completed(
    written: Callable[..., SearchFolder],
) -> None:
    folder = written(rows=[ROWS[2], row("0004", None, state="running")])
    assert not folder.best.exists()
    assert "0 of 4 trials completed, 1 failed, 1 not ended yet." in folder.results_page.read_text()


def test_loss_ranks_upwards(make_search: Callable[..., Search]) -> None:
    order = [one.trial for one in ranked(ROWS, make_search(objective="val_loss"))]
    assert order == ["0000", "0003", "0001", "0002"]


def test_trial_that_found_nothing_is_not_the_best(make_search: Callable[..., Search]) -> None:
    """At the start of a training mIoU lies below that of finding nothing."""
    rows = [row("0000", 0.1), row("0001", 0.2451, val_foreground_pixel_accuracy=0.0)]
    assert [one.trial for one in ranked(rows, make_search())] == ["0000", "0001"]


def trial(trial_id: str, status: str, found: float = 0.5, epochs: float = 2.0) -> Any:
    """What KerasTuner knows of a trial."""
    scores = {"val_foreground_pixel_accuracy": found, "trained_epochs": epochs}
    return SimpleNamespace(
        trial_id=trial_id,
        status=status,
        message="the loss became nan",
        score=0.25,
        metrics=SimpleNamespace(
            exists=lambda name: True, get_best_value=lambda name: scores.get(name, 0.25)
        ),
        hyperparameters=SimpleNamespace(
            values={"learning_rate": 0.1, "batch_size": 2, "optimizer": "sgd", "epochs": 2}
        ),
    )


def test_states(make_search: Callable[..., Search]) -> None:
    trials = {
        "1": trial("1", "FAILED"),
        "0": trial("0", "COMPLETED", found=0.0099),
        "2": trial("2", "RUNNING"),
        "3": trial("3", "COMPLETED", found=0.01),
        "4": trial("4", "COMPLETED", found=0.0, epochs=1.0),
    }
    states = [one.state for one in rows_of(trials, make_search(stop_collapsed=True))]
    assert states == [
        "background only",
        "failed: the loss became nan",
        "running",
        "completed",
        "background only, ended early",
    ]
