"""Whose weights a search keeps, with workers on one disk."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.tuner.folder import RESULT, SearchFolder, open_folder
from tf_muscle.tuner.options import Search


def training(path: Path, *, complete: bool) -> Path:
    """One training of a trial with weights; gives their folder."""
    checkpoints = path / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "best.weights.h5").write_bytes(b"x")
    if complete:
        (path / RESULT).write_text("{}")
    return checkpoints


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    """The chief's: trial 0000 is recorded as completed, trial 0001 as running."""
    for trial_id, status in (("0000", "COMPLETED"), ("0001", "RUNNING")):
        trial = tmp_path / f"trial_{trial_id}"
        trial.mkdir()
        record = {"trial_id": trial_id, "status": status}
        (trial / "trial.json").write_text(json.dumps(record))
    return SearchFolder(tmp_path)


@pytest.mark.parametrize("kept", [[], ["0000"]])
def test_weights_of_a_worker_that_died(folder: SearchFolder, kept: list[str]) -> None:
    """worker1 died in trial 0000, worker2 completed it and is now at trial 0001."""
    dead = training(folder.workers / "worker1/trial_0000/execution_0", complete=False)
    ended = training(folder.workers / "worker2/trial_0000/execution_0", complete=True)
    running = training(folder.workers / "worker2/trial_0001/execution_0", complete=False)
    folder.prune(folder.ended_trials(), kept)
    assert not dead.exists()
    assert ended.exists() == bool(kept)
    assert running.exists()


def test_only_what_is_known_to_have_ended_is_pruned(folder: SearchFolder) -> None:
    """Also in the folder of a worker, which holds no records of the trials."""
    own = SearchFolder(folder.workers / "worker[1]*")
    half = training(own.path / "trial_0002/execution_0", complete=True)
    training(own.path / "trial_0002/execution_1", complete=False)
    whole = [
        training(own.path / f"trial_0003/execution_{number}", complete=True) for number in (0, 1)
    ]
    own.prune([], [])
    assert half.exists()
    assert all(one.exists() for one in whole)
    own.prune(["0003"], [])
    assert half.exists()
    assert not any(one.exists() for one in whole)


def test_results_that_were_not_read_back(folder: SearchFolder) -> None:
    folder.refuse_lost_trials(["0000", "0001"], ["0000"])
    with pytest.raises(UserError, match=r"cannot be read back \(0\).*nothing was changed.*--name"):
        folder.refuse_lost_trials(["0000", "0001"], [])
    with pytest.raises(UserError, match=r"cannot be read back \(2\)"):
        folder.refuse_lost_trials(["0000", "0001", "0002"], ["0000"])
    folder.results_csv.write_text("trial,state\n0000,completed\n0001,running\n")
    folder.refuse_lost_trials(["0000", "0001"], ["0000"])
    folder.results_csv.write_text("trial,state\n0000,completed\n0001,background only\n")
    with pytest.raises(UserError, match=r"cannot be read back \(1\)"):
        folder.refuse_lost_trials(["0000", "0001"], ["0000"])


@pytest.mark.parametrize("text", ["trial;state\n0;x\n", "\n", "trial,state\nfirst,completed\n"])
def test_table_that_was_edited(folder: SearchFolder, text: str) -> None:
    folder.results_csv.write_text(text)
    if not text.strip():
        folder.refuse_lost_trials(["0000", "0001"], ["0000"])
        return
    with pytest.raises(UserError, match=r"results.csv is not as the search wrote it .* elsewhere"):
        folder.refuse_lost_trials(["0000", "0001"], ["0000"])


@pytest.mark.parametrize("text", ["", "[1]", '{"trial_id": '])
def test_record_that_cannot_be_read(folder: SearchFolder, text: str) -> None:
    (folder.path / "trial_0000" / "trial.json").write_text(text)
    with pytest.raises(UserError, match=r"trial.json cannot be read .* nothing was changed"):
        folder.ended_trials()


def test_best_training_of_a_trial(folder: SearchFolder) -> None:
    assert folder.best_execution("0000", "val_loss") is None  # on another machine
    for number, (loss, mean_iou) in enumerate([(0.3, 0.5), (0.2, 0.4), (0.4, 0.6)]):
        run = folder.execution("0000", number)
        run.path.mkdir()
        scores = {"val_loss": loss, "val_mean_iou": mean_iou}
        (run.path / RESULT).write_text(json.dumps(scores))
    folder.execution("0000", 3).path.mkdir()  # without a result yet
    assert folder.best_execution("0000", "val_loss") == folder.execution("0000", 1)
    assert folder.best_execution("0000", "val_mean_iou") == folder.execution("0000", 2)


def test_second_process_is_kept_out(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path)
    refused = pytest.raises(UserError, match="wait for it, or choose another --name")
    with folder.lock(), refused, folder.lock():
        pass
    with folder.lock():
        assert (tmp_path / ".lock").exists()


@pytest.mark.parametrize("text", ["[", "7", "- a list"])
def test_options_that_cannot_be_read(
    text: str, make_search: Callable[..., Search], tmp_path: Path
) -> None:
    SearchFolder(tmp_path).options.write_text(text)
    with pytest.raises(UserError, match=r"search.yaml cannot be read .* choose another --name"):
        open_folder(SearchFolder(tmp_path), make_search(), "0123456789abcdef")


def test_folder_that_cannot_be_made(make_search: Callable[..., Search], tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match=r"study cannot be made .* choose another --runs_dir"):
        open_folder(SearchFolder(tmp_path / "runs" / "study"), make_search(), "0123456789abcdef")
