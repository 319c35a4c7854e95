"""The loop over the trials, with trainings that take no time."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from quick_search import FINGERPRINT, SIX, WEIGHTS, Bench, good, write_history
from removed_options import UNUSED

from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tuner.folder import SearchFolder, open_folder
from tf_muscle.tuner.hypermodel import scores
from tf_muscle.tuner.options import Combination, Search
from tf_muscle.tuner.oracle import make_oracle
from tf_muscle.tuner.results import rows_of, write_results
from tf_muscle.tuner.trial_runner import TrialRunner
from tf_muscle.tuner.workers import Role

ENVIRONMENT = {
    "data": {"synthetic": False, "class_names": ["background", "arm"], "floor_mean_iou": 0.3}
}


def test_every_combination_is_trained_once(make_search: Callable[..., Search]) -> None:
    bench = Bench(make_search(**SIX), good)
    bench.runner.search()
    assert bench.hypermodel.calls == [(one, 0) for one in bench.search.combinations()]
    assert [row.objective for row in bench.rows()] == pytest.approx(
        [good(one, 0) for one in bench.search.combinations()]
    )
    assert {row.state for row in bench.rows()} == {"completed"}
    again = Bench(bench.search, good)
    again.runner.search()
    assert again.hypermodel.calls == []
    assert again.rows() == bench.rows()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_whose_name_looks_like_a_pattern(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    """KerasTuner searches for its records with the folder's name as a pattern."""
    search = make_search(**SIX)
    for name in ("a [1] *b? é ü", "a [1] xxb? é ü"):  # the first, as a pattern, means the second
        run = dataclasses.replace(search.base.run, runs_dir=str(tmp_path / name))
        named = dataclasses.replace(search, base=dataclasses.replace(search.base, run=run))
        bench = Bench(named, good)
        bench.runner.search()
        assert len(bench.hypermodel.calls) == 6
        write_results(bench.folder, bench.rows(), named, ENVIRONMENT)
        before = contents(bench.folder.path)
        again = Bench(named, good)
        again.runner.search()
        write_results(again.folder, again.rows(), named, ENVIRONMENT)
        assert again.hypermodel.calls == []
        assert contents(bench.folder.path) == before


@pytest.mark.parametrize(
    "lost",
    [
        "oracle.json",
        "trial_0003/trial.json",
        "trial_*/trial.json",
        "oracle.json trial_*/trial.json",
    ],
)
def test_records_that_are_not_read_back_end_the_search(
    make_search: Callable[..., Search], lost: str
) -> None:
    """Before anything is emptied, pruned or trained again."""
    search = make_search(**SIX)
    bench = Bench(search, good)
    bench.runner.search()
    write_results(bench.folder, bench.rows(), search, ENVIRONMENT)
    for pattern in lost.split():
        for path in bench.folder.path.glob(pattern):
            path.unlink()
    before = contents(bench.folder.path)
    with pytest.raises(UserError, match="nothing was changed"):
        Bench(search, good)
    assert contents(bench.folder.path) == before


def test_search_goes_on_under_a_chief(make_search: Callable[..., Search]) -> None:
    """KerasTuner would look for chief.json, which a process alone does not write."""
    bench = Bench(make_search(**SIX), good)
    bench.runner.search()
    oracle = make_oracle(bench.search, bench.hypermodel.hyperparameters(), bench.folder)
    chief = Role("chief", "chief", "127.0.0.1:8000")
    TrialRunner(bench.hypermodel, oracle, bench.search, bench.folder, chief)
    assert rows_of(oracle.trials, bench.search) == bench.rows()


def test_records_are_strict_json(make_search: Callable[..., Search]) -> None:
    """Also those of a training whose loss was no number."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    bench = Bench(make_search(**SIX), lambda *_: None)
    bench.runner.search()
    assert {row.state for row in bench.rows()} == {"failed: loss became nan in epoch 1"}
    paths = list(bench.folder.path.rglob("*.json"))
    assert len(paths) == 7  # six trials and the oracle
    for path in paths:
        json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_only_the_best_keep_their_weights(make_search: Callable[..., Search], kept: int) -> None:
    bench = Bench(make_search(**SIX, keep_weights=kept), good)
    bench.runner.search()
    best = sorted(bench.search.combinations(), key=lambda one: good(one, 0), reverse=True)[:kept]
    weights = sorted(bench.folder.path.rglob("*.weights.h5"))
    indices = [bench.search.combinations().index(one) for one in best]
    assert weights == sorted(
        bench.folder.execution(f"{index:04d}", 0).best_weights for index in indices
    )
    # The running trial's checkpoint and best weights, and those of the best trials before it.
    assert max(bench.hypermodel.disk) <= (3 + kept) * WEIGHTS


def test_executions_are_averaged(make_search: Callable[..., Search]) -> None:
    bench = Bench(make_search(**SIX, executions=3, max_trials=2), good)
    bench.runner.search()
    first = bench.search.combinations()[0]
    assert bench.hypermodel.calls[:3] == [(first, 0), (first, 1), (first, 2)]
    assert bench.rows()[0].objective == pytest.approx(good(first, 0) + 0.001)
    assert bench.rows()[0].seconds == 2.0
    runs = [bench.folder.execution("0000", number) for number in range(3)]
    assert [yaml.safe_load(run.config.read_text())["seed"] for run in runs] == [0, 1, 2]
    kept = bench.folder.execution("0001", 2).best_weights
    assert list(bench.folder.path.rglob("*.weights.h5")) == [kept]


def test_execution_that_came_to_its_end_is_not_repeated(
    make_search: Callable[..., Search],
) -> None:
    """Killed in the second of two trainings of a trial."""

    def killed(combination: Combination, execution: int) -> float:
        if execution == 1:
            raise KeyboardInterrupt
        return good(combination, execution)

    bench = Bench(make_search(**SIX, executions=2, max_trials=1), killed)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.search()
    again = Bench(bench.search, good)
    again.runner.search()
    assert [execution for _, execution in again.hypermodel.calls] == [1]
    assert again.rows()[0].state == "completed"


def test_training_that_an_earlier_version_began_is_ours(
    make_search: Callable[..., Search],
) -> None:
    bench = Bench(make_search(**SIX), good)
    run = bench.folder.execution("0000", 0)
    run.path.mkdir(parents=True)
    options = bench.search.config(bench.search.combinations()[0]).flat()
    run.config.write_text(yaml.safe_dump(options | UNUSED))
    bench.runner.search()
    assert len(bench.rows()) == 6


def test_training_of_another_search_is_not_taken_for_ours(
    make_search: Callable[..., Search],
) -> None:
    bench = Bench(make_search(**SIX), good)
    other = bench.search.config(bench.search.combinations()[3])
    run = bench.folder.execution("0000", 0)
    run.path.mkdir(parents=True)
    other.save(run.config)
    with pytest.raises(UserError, match="another search with the same name"):
        bench.runner.search()


def test_scores_are_those_of_the_epoch_whose_weights_are_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_history(run, [0.2, 0.5, 0.4], val_loss=[0.9, 0.8, 0.1], seconds=[3.0, 1.0, 1.5])
    result = scores(run)
    assert result["val_mean_iou"] == 0.5
    assert result["val_loss"] == 0.8  # not the lowest
    assert (result["best_epoch"], result["trained_epochs"], result["seconds"]) == (2, 3, 5.5)
    assert scores(run, tie=0.1)["val_loss"] == 0.1  # the later epoch wins the tie


@pytest.mark.parametrize("column", ["loss", "val_loss"])
def test_loss_that_is_no_number_is_a_failure(tmp_path: Path, column: str) -> None:
    run = RunFolder(tmp_path)
    write_history(run, [0.2, 0.5], **{column: [0.5, np.inf]})
    with pytest.raises(Exception, match=f"{column} became nan in epoch 2"):
        scores(run)


def test_folder_of_a_search(make_search: Callable[..., Search], tmp_path: Path) -> None:
    search = make_search(**SIX)
    folder = SearchFolder(tmp_path / "a")
    assert not open_folder(folder, search, FINGERPRINT)
    assert open_folder(folder, search, FINGERPRINT)
    with pytest.raises(UserError, match=r"epochs: \[2\] there, \[3\] here.*--name"):
        open_folder(folder, make_search(**SIX | {"epochs": [3]}), FINGERPRINT)
    with pytest.raises(UserError, match="data_fingerprint"):
        open_folder(folder, search, "another")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").touch()
    with pytest.raises(UserError, match="is no search and is never overwritten"):
        open_folder(SearchFolder(tmp_path / "b"), search, FINGERPRINT)


def test_second_process_is_kept_out(make_search: Callable[..., Search], tmp_path: Path) -> None:
    folder, again = SearchFolder(tmp_path / "a"), SearchFolder(tmp_path / "a")
    open_folder(folder, make_search(), FINGERPRINT)
    with folder.lock(), pytest.raises(UserError, match="search that is running"), again.lock():
        pass
