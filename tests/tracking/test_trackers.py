"""What a run tells its trackers, and that none of them can end a training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.options import RunConfig
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tracking import trackers as module
from tf_muscle.tracking.records import Beginning, End, Result
from tf_muscle.tracking.trackers import read_ids, refuse_unreachable, result_of, tracked
from tf_muscle.train import main as train

CONFIG = Config(run=RunConfig(log=["mlflow"]))


class Notebook:
    """A tracker that writes down what it is told; calls fail while `down`."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.down = False

    def note(self, *what: Any) -> None:
        if self.down:
            raise ConnectionError("no\nanswer")
        self.told.append(what)

    def reach(self, run_id: str | None) -> None:
        self.note("reach", run_id)

    def begin(self, beginning: Beginning, run_id: str | None) -> str:
        self.note("begin", beginning, run_id)
        return run_id or "id1"

    def log_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        self.note("epoch", epoch, dict(scores))

    def log_result(self, result: Result) -> None:
        self.note("result", result)

    def end(self, how: End) -> None:
        self.note("end", how)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    notebook = Notebook()
    monkeypatch.setitem(module.TRACKERS, "mlflow", lambda: notebook)
    monkeypatch.setattr(module, "refuse_missing", lambda *_: None)
    return notebook


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with scores and a figure."""
    run = RunFolder(tmp_path / "mine")
    run.figures.mkdir(parents=True)
    (run.figures / "bars.png").touch()
    run.report.touch()
    test = {
        "image_count": 4, "loss": 0.5, "mean_iou": 0.25, "intervals": {"loss": [0.1, 0.9]},
        "iou": {"background": 0.9, "calf": None}, "background_only": False,
    }  # fmt: skip
    run.metrics.write_text(json.dumps({"test": test, "folds": [test]}))
    return run


def names(notebook: Notebook) -> list[str]:
    return [told[0] for told in notebook.told]


def test_a_tracker_is_told_everything(run: RunFolder, notebook: Notebook) -> None:
    with tracked(run, CONFIG, "0123") as trackers:
        trackers.log_epoch(0, {"loss": 1})
        trackers.log_result()
    _, beginning, run_id = notebook.told[0]
    assert (beginning.name, beginning.group, run_id) == ("mine", None, None)
    assert beginning.parameters == CONFIG.flat() | {"data_fingerprint": "0123"}
    assert notebook.told[1] == ("epoch", 0, {"loss": 1.0})
    assert notebook.told[2][1] == Result(
        {"test/loss": 0.5, "test/mean_iou": 0.25, "test/iou/background": 0.9},
        (run.metrics, run.report),
        (run.figures / "bars.png",),
    )
    assert notebook.told[3] == ("end", "finished")
    with tracked(run, CONFIG, "0123"):
        pass
    assert notebook.told[4][2] == "id1", "a resumed run goes on where it was"


def test_the_scores_of_folds_are_those_over_all_photos(run: RunFolder) -> None:
    record = {"out_of_fold": {"mean_iou": 0.5}, "folds": [{"mean_iou": 0.1}],
              "standard_deviation": {"mean_iou": 0.01, "loss": None}}  # fmt: skip
    run.metrics.write_text(json.dumps(record))
    assert result_of(run).scores == {
        "out_of_fold/mean_iou": 0.5,
        "standard_deviation/mean_iou": 0.01,
    }


def test_what_a_tracker_missed_is_sent_again_and_said_once(
    run: RunFolder, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked(run, CONFIG, "0123") as trackers:
        trackers.log_epoch(0, {"loss": 1.0})
        notebook.down = True
        trackers.log_epoch(1, {"loss": 0.9})
        trackers.log_epoch(2, {"loss": 0.8})
        notebook.down = False
        trackers.log_epoch(3, {"loss": 0.7})
        trackers.log_result()
    assert [told[1] for told in notebook.told if told[0] == "epoch"] == [0, 1, 2, 3]
    assert names(notebook)[-2:] == ["result", "end"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "WARNING: mlflow failed (no answer): what is missing is sent again later; "
        f"{run.path} has everything"
    ]


def test_a_tracker_that_stays_away_ends_nothing(
    run: RunFolder, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked(run, CONFIG, "0123") as trackers:
        notebook.down = True
        trackers.log_epoch(0, {"loss": 0.9})
        trackers.log_result()
    assert names(notebook) == ["begin"]
    first, second = capsys.readouterr().err.splitlines()
    assert "is sent again later" in first
    assert "not all of this run is there" in second

    run.trackers.unlink()
    with tracked(run, CONFIG, "0123") as trackers:
        trackers.log_epoch(0, {"loss": 0.9})
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing of this training is there" in line
    assert not run.trackers.exists()


@pytest.mark.parametrize(
    ("error", "how"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")]
)
def test_how_a_run_ended_is_told(
    run: RunFolder, notebook: Notebook, error: type[BaseException], how: str
) -> None:
    with pytest.raises(error), tracked(run, CONFIG, "0123"):
        raise error
    assert notebook.told[-1] == ("end", how)


def test_a_training_is_refused_before_it_begins(
    notebook: Notebook, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.down = True
    words = small_run(small_export, tmp_path, run_name="refused", log="mlflow")
    assert run_command(train, words) == 2
    assert capsys.readouterr().err == (
        "error: --log mlflow cannot be used (no answer): mend that, or leave --log mlflow out\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_gone_on_with_where_its_tracker_is_away(
    run: RunFolder, notebook: Notebook
) -> None:
    with tracked(run, CONFIG, "0123"):
        pass
    refuse_unreachable(["tensorboard", "mlflow"], run)
    assert notebook.told[-1] == ("reach", "id1")
    notebook.down = True
    with pytest.raises(UserError, match=r"or take mlflow out of log in .*mine/config\.yaml$"):
        refuse_unreachable(["mlflow"], run)
    run.trackers.write_text("[1]")
    with pytest.raises(UserError, match=r"trackers\.json cannot be read"):
        read_ids(run)


def test_a_run_whose_name_has_braces_is_named(tmp_path: Path, notebook: Notebook) -> None:
    notebook.down = True
    with pytest.raises(UserError, match=r"take mlflow out of log in .*\{1\}/config\.yaml$"):
        refuse_unreachable(["mlflow"], RunFolder(tmp_path / "{1}"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r'^--log wandb needs wandb: .*"\.\[wandb\]"$'):
        refuse_unreachable(["wandb"])
