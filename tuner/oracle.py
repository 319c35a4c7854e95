"""Which combination comes next, and a record of it that survives a kill at any moment.

KerasTuner 1.4.8 has faults that matter here. Its grid loses its order when it is reloaded, so that
a resumed search repeats a trial or stops early. It writes its records over the old ones, so that a
kill leaves half a file, and reads them by a pattern that contains the folder's name. It gives up
after three failed trials in a row, as every high learning rate of a grid may be, and forgets why a
worker's trial failed. docs/internals.md lists what is overridden.
"""

import math
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from tf_muscle.runs.folder import write_json

from .folder import SearchFolder, read_record
from .options import Combination, Search, drawn_combination, is_loss
from .results import ranked, rows_of

# A trial whose process was killed so often is not tried again: the system kills what takes too much
# memory, and would do so for ever.
MOST_KILLS = 3
KILLS = "tuner/kills"  # a trial's value
# A trial's values reach the chief, its message does not (KerasTuner's Trial.to_proto omits it).
FAILURE = "tuner/failure"
IDENTITY = "tuner/identity"  # value that all trials share, see Search.identity
HYPERBAND_FACTOR = 3  # KerasTuner's default


class ResumableOracle(keras_tuner.Oracle):
    """What every method here does beyond KerasTuner's oracles.

    Args:
        search: the options.
        space: the hyperparameters, declared.
        folder: for the records; nothing is written before the first trial.
        **kwargs: of the KerasTuner oracle.
    """

    def __init__(
        self,
        search: Search,
        space: keras_tuner.HyperParameters,
        folder: SearchFolder,
        **kwargs: Any,
    ):
        self.search = search
        self.combinations = search.combinations()
        self.folder = folder
        name = search.options.objective
        super().__init__(
            objective=keras_tuner.Objective(name, "min" if is_loss(name) else "max"),
            hyperparameters=space,
            seed=search.base.run.seed + 1,  # KerasTuner takes 0 for none given
            max_consecutive_failed_trials=None,  # no number of failures in a row ends the search
            **kwargs,
        )
        self.heard: dict[str, float] = {}  # tuner id -> time of its last sign of life
        self.on_change: Callable[[], object] = lambda: None
        self.verbose = 0  # search.py prints less and more to the point

    def save(self) -> None:
        write_json(self.folder.oracle, self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        write_json(self.folder.trial(trial.trial_id) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Reads the records; a trial that was running is handed out again.

        Raises:
            UserError: a record is missing or cannot be read.
        """
        found = {one["trial_id"]: Trial.from_state(one) for one in self.folder.trial_records()}
        state = read_record(self.folder.oracle)
        # A trial is written before the oracle, so that a kill may come between the two.
        self.trials = {one: found[one] for one in state["start_order"] if one in found}
        # `create_trial` finds by their status which trials are to be handed out again.
        self.set_state(state | {"ongoing_trials": {}, "retry_queue": []})
        for trial_id, trial in self.trials.items():
            if trial.status != TrialStatus.RUNNING and trial_id not in self.end_order:
                self.end_order.append(trial_id)
            if any(any(run.backup.glob("*")) for run in self.folder.executions(trial_id)):
                trial.hyperparameters.values.pop(KILLS, None)  # it got through an epoch once

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        self.heard[tuner_id] = time.monotonic()
        while True:
            ongoing = self.ongoing_trials.values()
            waiting = [
                trial
                for trial in self.trials.values()
                if trial.status == TrialStatus.RUNNING and trial not in ongoing
            ]
            if waiting and tuner_id not in self.ongoing_trials:
                self.ongoing_trials[tuner_id] = waiting[0]  # which KerasTuner then returns
                self.tuner_ids.add(tuner_id)
            trial = super().create_trial(tuner_id)
            if trial.status == TrialStatus.STOPPED and self.ongoing_trials:
                # Stay at hand: a trial of another worker may yet be lost.
                self.tuner_ids.add(tuner_id)
                trial.status = TrialStatus.IDLE
            if trial.status != TrialStatus.RUNNING:
                return trial
            kills = trial.hyperparameters.values.get(KILLS, 0)
            if kills < MOST_KILLS:
                trial.hyperparameters.values[KILLS] = kills + 1  # until `absolve`
                self._save_trial(trial)
                return trial
            trial.status = TrialStatus.FAILED
            trial.message = f"its process was killed {kills} times, for want of memory perhaps"
            self.end_trial(trial)

    def absolve(self, trial_id: str) -> None:
        """Forgets how often a trial's process was killed, since memory was not the reason."""
        self.trials[trial_id].hyperparameters.values.pop(KILLS, None)
        self._save_trial(self.trials[trial_id])

    @keras_tuner.synchronized
    def get_trial(self, trial_id: str) -> Trial:
        for tuner_id, trial in self.ongoing_trials.items():
            if trial.trial_id == trial_id:
                self.heard[tuner_id] = time.monotonic()
        return super().get_trial(trial_id)

    @keras_tuner.synchronized
    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        if trial_id not in self.end_order:
            trial = self.trials[trial_id]
            trial.metrics = type(trial.metrics)()  # a repeated report replaces the first
            super().update_trial(trial_id, metrics, step=step)
        return self.trials[trial_id]

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        if trial.trial_id in self.end_order:
            return  # of a worker that was thought dead, while another has done its trial
        trial.message = trial.hyperparameters.values.pop(FAILURE, trial.message)
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
        trial.hyperparameters.values.pop(KILLS, None)
        super().end_trial(trial)
        self.on_change()

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        rows = ranked(rows_of(self.trials, self.search), self.search)
        completed = [self.trials[row.trial] for row in rows if row.objective is not None]
        return completed[:num_trials]

    def untried(self, trials: Iterable[Trial]) -> list[Combination]:
        """The combinations that none of these trials has."""
        tried = {drawn_combination(trial.hyperparameters.values) for trial in trials}
        return [one for one in self.combinations if one not in tried]

    def draw(self, combinations: list[Combination]) -> dict[str, Any]:
        """The values of one of these at random."""
        # By the number of the trial, so that a resumed search draws as one that was not killed.
        generator = random.Random(self.seed + len(self.start_order))
        return dict(vars(generator.choice(combinations)))

    @keras_tuner.synchronized
    def take_back_lost(self, silence: float) -> None:
        """Takes trials back from workers that have been silent for `silence` seconds."""
        for tuner_id in sorted(self.tuner_ids):
            if time.monotonic() - self.heard[tuner_id] < silence:
                continue
            self.tuner_ids.remove(tuner_id)
            if trial := self.ongoing_trials.pop(tuner_id, None):
                self.save()
                print(
                    f"{tuner_id} is silent: trial {trial.trial_id} goes to the next worker that "
                    "asks"
                )


class ListedOracle(ResumableOracle):
    """Goes through the combinations in order, shuffled for a random search.

    Trial number n is the n-th of them.
    """

    def __init__(self, search: Search, *args: Any):
        super().__init__(search, *args)
        if search.options.method == "random":
            random.Random(self.seed).shuffle(self.combinations)
            del self.combinations[search.max_trials() :]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        number = len(self.start_order)
        if number == len(self.combinations):
            return {"status": TrialStatus.STOPPED, "values": None}
        return {"status": TrialStatus.RUNNING, "values": dict(vars(self.combinations[number]))}


class BayesianOracle(ResumableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's, which draws at random where it would repeat a combination."""

    def __init__(self, search: Search, *args: Any):
        count = search.max_trials() or 0
        # A third at random to begin with; KerasTuner's 12 would leave a short search nothing else.
        initial = max(2, count // 3)
        super().__init__(search, *args, max_trials=count, num_initial_points=initial)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        response = super().populate_space(trial_id)
        left = self.untried(self.trials.values())
        if response["values"] and drawn_combination(response["values"]) in left:
            return response
        return {"status": TrialStatus.RUNNING, "values": self.draw(left)}


class HyperbandOracle(ResumableOracle, keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's, with brackets that begin with no more trials than there are combinations.

    A bracket draws without repeats; KerasTuner's draws without repeats over all brackets, and stops
    in the middle of one for want of combinations.
    """

    def __init__(self, search: Search, *args: Any):
        epochs = max(search.space()["epochs"])
        super().__init__(search, *args, max_epochs=epochs, factor=HYPERBAND_FACTOR)
        self.max_trials = search.max_trials()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        response = super().populate_space(trial_id)
        values = response.get("values") or {}
        if values.get("tuner/round") == 0:
            place = (values["tuner/bracket"], 0)
            drawn = [one for one in self.trials.values() if _place(one) == place]
            values.update(self.draw(self.untried(drawn)))
        return response

    def _random_values(self) -> dict[str, Any]:
        # KerasTuner's ends the search when a small space is used up; `populate_space` draws.
        return dict(vars(self.combinations[0]))

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        return min(super()._get_size(bracket_num, round_num), len(self.combinations))

    def schedule(self) -> list[tuple[int, int]]:
        """Trials and their epochs, round by round, at most."""
        return [
            (
                self._get_size(bracket, number),
                math.ceil(self.max_epochs / HYPERBAND_FACTOR ** (bracket - number)),
            )
            for bracket in reversed(range(self._get_num_brackets()))
            for number in range(bracket + 1)
        ]


def _place(trial: Trial) -> tuple[int, int]:
    """Bracket and round of a trial of Hyperband."""
    values = trial.hyperparameters.values
    return values["tuner/bracket"], values["tuner/round"]


ORACLES: dict[str, type[ResumableOracle]] = {
    "grid": ListedOracle,
    "list": ListedOracle,
    "random": ListedOracle,
    "bayesian": BayesianOracle,
    "hyperband": HyperbandOracle,
}


def make_oracle(
    search: Search, space: keras_tuner.HyperParameters, folder: SearchFolder
) -> ResumableOracle:
    """The oracle of `--method`; see `ResumableOracle`."""
    return ORACLES[search.options.method](search, space, folder)
