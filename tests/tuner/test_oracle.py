import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial, TrialStatus

from tf_muscle.tuner import oracle as oracle_module
from tf_muscle.tuner.folder import SearchFolder
from tf_muscle.tuner.options import SEARCHED, Combination, Search, combination_of
from tf_muscle.tuner.oracle import (
    FAILURE,
    MOST_KILLS,
    HyperbandOracle,
    ResumableOracle,
    make_oracle,
)

TWELVE = {
    "learning_rate": [0.1, 0.01],
    "batch_size": [2, 4, 8],
    "optimizer": ["adam", "sgd"],
    "epochs": [1],
}


def opened(search: Search, folder: Path, *, reload: bool = False) -> ResumableOracle:
    """The oracle of a search in a folder, as a tuner opens it."""
    space = keras_tuner.HyperParameters()
    for name, values in search.space().items():
        space.Choice(name, values)
    oracle = make_oracle(search, space, SearchFolder(folder))
    if reload:
        oracle.reload()
    return oracle


def score_of(trial: Trial) -> float:
    """Some score that depends on the values."""
    values = combination_of(trial.hyperparameters.values)
    return values.learning_rate + values.batch_size / 100 + values.epochs / 1000


def complete(oracle: ResumableOracle, trial: Trial) -> None:
    oracle.update_trial(trial.trial_id, {"val_mean_iou": score_of(trial)})
    trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def run_out(oracle: ResumableOracle, tuner_id: str = "tuner0") -> list[Trial]:
    """Completes trials until the oracle has no more."""
    trials = []
    while (trial := oracle.create_trial(tuner_id)).status == TrialStatus.RUNNING:
        trials.append(trial)
        complete(oracle, trial)
    assert trial.status == TrialStatus.STOPPED
    return trials


def values_of(trials: list[Trial]) -> list[Combination]:
    return [combination_of(trial.hyperparameters.values) for trial in trials]


def test_grid_goes_through_its_list_in_order(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search()
    trials = run_out(opened(search, tmp_path / "study"))
    assert values_of(trials) == search.combinations()
    assert [int(trial.trial_id) for trial in trials] == list(range(72))


def test_killed_after_any_write(
    make_search: Callable[..., Search], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever record was the last to be written, twelve combinations are completed once each."""
    search = make_search(**TWELVE)
    states: list[Path] = []
    write_json = oracle_module.write_json

    def write_and_copy(path: Path, record: dict[str, Any]) -> None:
        write_json(path, record)
        states.append(tmp_path / f"killed{len(states)}")
        shutil.copytree(tmp_path / "study", states[-1])

    monkeypatch.setattr(oracle_module, "write_json", write_and_copy)
    run_out(opened(search, tmp_path / "study"))
    monkeypatch.setattr(oracle_module, "write_json", write_json)
    usable = [state for state in states if (state / "oracle.json").exists()]
    assert len(usable) > 12 * 3
    for state in usable:
        before = [json.loads(path.read_text()) for path in state.glob("trial_*/trial.json")]
        ended = [trial["trial_id"] for trial in before if trial["status"] == "COMPLETED"]
        oracle = opened(search, state, reload=True)
        rerun = [trial.trial_id for trial in run_out(oracle)]
        assert Counter(ended + rerun) == Counter(f"{n:04d}" for n in range(12))
        assert sorted(oracle.end_order) == sorted(oracle.trials)
        assert values_of([oracle.trials[one] for one in sorted(oracle.trials)]) == (
            search.combinations()
        )
        for trial in oracle.trials.values():
            assert trial.metrics.get_history("val_mean_iou")[0].value == [score_of(trial)]


def test_trial_in_kerastuners_own_queue_is_handed_out_once(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search(**TWELVE)
    opened(search, tmp_path / "study").create_trial("tuner0")
    record = tmp_path / "study" / "oracle.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"retry_queue": ["0000"]}))
    trials = run_out(opened(search, tmp_path / "study", reload=True))
    assert [int(trial.trial_id) for trial in trials] == list(range(12))


def test_trial_that_kills_its_process_is_given_up(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search(**TWELVE)
    opened(search, tmp_path / "study").create_trial("tuner0")
    for _ in range(MOST_KILLS - 1):
        again = opened(search, tmp_path / "study", reload=True).create_trial("tuner0")
        assert again.trial_id == "0000"
    shutil.copytree(tmp_path / "study", tmp_path / "spared")
    oracle = opened(search, tmp_path / "study", reload=True)
    assert len(run_out(oracle)) == 11
    assert oracle.trials["0000"].status == TrialStatus.FAILED
    assert "memory" in oracle.trials["0000"].message
    spared = opened(search, tmp_path / "spared", reload=True)
    spared.absolve("0000")
    assert len(run_out(spared)) == 12


def test_failures_in_a_row_do_not_end_the_search(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    oracle = opened(make_search(**TWELVE), tmp_path / "study")
    for _ in range(5):  # KerasTuner raises after 3
        trial = oracle.create_trial("tuner0")
        trial.status = TrialStatus.FAILED
        trial.hyperparameters.values[FAILURE] = "the loss became nan"
        oracle.end_trial(trial)
    assert len(run_out(oracle)) == 7
    reloaded = opened(make_search(**TWELVE), tmp_path / "study", reload=True)
    assert [trial.message for trial in reloaded.trials.values()].count("the loss became nan") == 5
    assert all(FAILURE not in trial.hyperparameters.values for trial in reloaded.trials.values())


def test_trial_that_found_nothing_is_not_the_best(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    oracle = opened(make_search(**TWELVE), tmp_path / "study")
    for score, found in ((0.45, 0.0), (0.2, 0.3), (0.3, 0.3)):
        trial = oracle.create_trial("tuner0")
        scores = {"val_mean_iou": score, "val_foreground_pixel_accuracy": found}
        oracle.update_trial(trial.trial_id, scores)
        trial.status = TrialStatus.COMPLETED
        oracle.end_trial(trial)
    oracle.create_trial("tuner0")  # runs, and is not ranked
    assert [trial.trial_id for trial in oracle.get_best_trials(9)] == ["0002", "0001", "0000"]


def test_random_draws_every_combination_once(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search(**TWELVE, method="random", max_trials=12)
    drawn = values_of(run_out(opened(search, tmp_path / "study")))
    assert drawn != search.combinations()
    assert set(drawn) == set(search.combinations())
    assert len(drawn) == 12


def test_random_goes_on_where_it_stopped(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search(**TWELVE, method="random", max_trials=9)
    whole = values_of(run_out(opened(search, tmp_path / "whole")))
    oracle = opened(search, tmp_path / "halves")
    halves = []
    for _ in range(4):
        halves.append(oracle.create_trial("tuner0"))
        complete(oracle, halves[-1])
    halves += run_out(opened(search, tmp_path / "halves", reload=True))
    assert values_of(halves) == whole


def test_bayesian_repeats_no_combination(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    """Of four, two are drawn at random and two proposed, which would often repeat the best."""
    four = TWELVE | {"batch_size": [2], "learning_rate": [0.1, 0.01]}
    search = make_search(**four, method="bayesian", max_trials=4)
    drawn = values_of(run_out(opened(search, tmp_path / "study")))
    assert len(drawn) == 4
    assert set(drawn) == set(search.combinations())


def test_hyperband_promotes_the_best(make_search: Callable[..., Search], tmp_path: Path) -> None:
    """With 12 combinations and 9 epochs: brackets of Li et al. 2018, factor 3."""
    search = make_search(**TWELVE | {"epochs": [9]}, method="hyperband")
    oracle = opened(search, tmp_path / "study")
    assert isinstance(oracle, HyperbandOracle)
    trials = run_out(oracle)
    rounds = Counter(combination_of(trial.hyperparameters.values).epochs for trial in trials)
    planned: Counter[int] = Counter()
    for count, epochs in oracle.schedule():
        planned[epochs] += count
    assert rounds == planned
    assert set(rounds) == {1, 3, 9}
    first = [t for t in trials if t.hyperparameters.values["tuner/bracket"] == 2]
    by_round = {
        n: [t for t in first if t.hyperparameters.values["tuner/round"] == n] for n in (0, 1)
    }
    assert len(set(values_of(by_round[0]))) == len(by_round[0])  # no repeats in a bracket
    promoted = {t.hyperparameters.values["tuner/trial_id"] for t in by_round[1]}
    best = sorted(by_round[0], key=score_of, reverse=True)[: len(promoted)]
    assert {score_of(oracle.trials[one]) for one in promoted} == {score_of(one) for one in best}


def test_silent_worker_loses_its_trial(make_search: Callable[..., Search], tmp_path: Path) -> None:
    oracle = opened(make_search(**TWELVE), tmp_path / "study")
    lost = oracle.create_trial("worker1")
    kept = oracle.create_trial("worker2")
    oracle.heard["worker1"] -= 100
    oracle.take_back_lost(60)
    assert set(oracle.tuner_ids) == {"worker2"}
    complete(oracle, kept)
    assert oracle.create_trial("worker2").trial_id == lost.trial_id
    complete(oracle, lost)
    assert len(run_out(oracle, "worker2")) == 10


def test_sign_of_life_keeps_the_trial(make_search: Callable[..., Search], tmp_path: Path) -> None:
    oracle = opened(make_search(**TWELVE), tmp_path / "study")
    trial = oracle.create_trial("worker1")
    oracle.heard["worker1"] -= 100
    oracle.get_trial(trial.trial_id)
    oracle.take_back_lost(60)
    assert oracle.ongoing_trials == {"worker1": trial}


def test_worker_waits_while_another_may_lose_its_trial(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    search = make_search(**TWELVE, max_trials=2)
    oracle = opened(search, tmp_path / "study")
    slow = oracle.create_trial("worker1")
    complete(oracle, oracle.create_trial("worker2"))
    assert oracle.create_trial("worker2").status == TrialStatus.IDLE
    oracle.heard["worker1"] -= 100
    oracle.take_back_lost(60)
    again = oracle.create_trial("worker2")
    assert again.trial_id == slow.trial_id
    complete(oracle, again)
    assert oracle.create_trial("worker2").status == TrialStatus.STOPPED
    assert not oracle.tuner_ids  # else the chief would wait for ever


def test_first_result_of_a_trial_counts(make_search: Callable[..., Search], tmp_path: Path) -> None:
    """A worker that was thought dead reports after another has done its trial."""
    oracle = opened(make_search(**TWELVE), tmp_path / "study")
    trial = oracle.create_trial("worker1")
    oracle.heard["worker1"] -= 100
    oracle.take_back_lost(60)
    complete(oracle, oracle.create_trial("worker2"))
    oracle.update_trial(trial.trial_id, {"val_mean_iou": 0.0})
    oracle.end_trial(trial)
    assert oracle.end_order == ["0000"]
    assert oracle.trials["0000"].score == pytest.approx(score_of(trial))


def test_worker_outlives_the_chief(make_search: Callable[..., Search], tmp_path: Path) -> None:
    """The chief is started again while a worker trains, and takes what the worker then reports."""
    search = make_search(**TWELVE)
    trial = opened(search, tmp_path / "study").create_trial("worker1")
    oracle = opened(search, tmp_path / "study", reload=True)
    complete(oracle, trial)
    others = run_out(oracle, "worker2")
    assert trial.trial_id not in {one.trial_id for one in others}
    assert len(others) == 11
    assert oracle.trials[trial.trial_id].status == TrialStatus.COMPLETED


def test_every_option_is_a_hyperparameter(make_search: Callable[..., Search]) -> None:
    assert set(make_search().space()) == set(SEARCHED)
