"""Which combination comes next, and a record of it that survives a kill at any moment.

KerasTuner 1.4.8 has four faults that matter here. Its grid loses its order when it is reloaded, so
that a resumed search repeats a trial or stops early; `ListedOracle` goes through a list instead,
in which the number of a trial is its place. It writes its records over the old ones, so that a kill
leaves half a file. It gives up after three failed trials in a row, as every high learning rate of a
grid may be. And it forgets why a worker's trial failed.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from tf_muscle.errors import UserError
from tf_muscle.model.metrics import BACKGROUND_ONLY_RECALL
from tf_muscle.run_folder import write_json
from tuner.folder import SearchFolder, read_record
from tuner.options import Search

# A trial whose process was killed so often is not tried again: the system kills what takes too much
# memory, and would do so for ever.
MOST_KILLS = 3
# A trial's values reach the chief, its message does not (KerasTuner's Trial.to_proto omits it).
FAILURE = "tuner/failure"
IDENTITY = "tuner/identity"  # value that all trials share, see Search.identity

Values = dict[str, Any]


def background_only(trial: Trial) -> bool:
    """Whether a completed trial found next to no muscle."""
    found = "val_foreground_pixel_accuracy"
    return trial.metrics.exists(found) and (
        trial.metrics.get_best_value(found) < BACKGROUND_ONLY_RECALL
    )


class Durable(keras_tuner.Oracle):
    """What every method here does beyond KerasTuner's oracles.

    Args:
        combinations: values of each combination that may be tried.
        **kwargs: of the KerasTuner oracle.
    """

    def __init__(self, combinations: list[Values], **kwargs: Any):
        self.combinations = combinations
        # None: no number of failures in a row ends the search.
        super().__init__(max_consecutive_failed_trials=None, **kwargs)
        self.kills: dict[str, int] = {}
        self.heard: dict[str, float] = {}  # tuner id -> time of its last sign of life
        self.on_change: Callable[[], object] = lambda: None
        self.verbose = 0  # search.py prints less and more to the point

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "kills": self.kills}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.kills = state["kills"]

    def save(self) -> None:
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        write_json(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Reads the records; KerasTuner's own method takes the folder's name for a pattern.

        Raises:
            UserError: a record is missing or cannot be read.
        """
        folder = SearchFolder(Path(self._project_dir))
        found = {one["trial_id"]: Trial.from_state(one) for one in folder.trial_records()}
        state = read_record(folder.oracle)
        try:
            # A trial is written before the oracle, so that a kill may come between the two.
            self.trials: dict[str, Trial] = {one: found[one] for one in state["start_order"]}
            self.set_state(state)
        except KeyError as error:
            raise UserError(
                f"{folder.oracle} tells of {error}, of which there is no record, and nothing was "
                f"changed: put the files of {folder.path} back as they were, or choose another "
                "--name"
            ) from error
        self.ongoing_trials: dict[str, Trial] = {}
        self._retry_queue = []
        for trial_id, trial in self.trials.items():
            if trial.status == TrialStatus.RUNNING:
                self._retry_queue.append(trial_id)
            elif trial_id not in self.end_order:
                self.end_order.append(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        self.heard[tuner_id] = time.monotonic()
        while True:
            trial = super().create_trial(tuner_id)
            if trial.status == TrialStatus.STOPPED and self.ongoing_trials:
                # Stay at hand: a trial of another worker may yet be lost.
                self.tuner_ids.add(tuner_id)
                trial.status = TrialStatus.IDLE
            if trial.status != TrialStatus.RUNNING:
                return trial
            kills = self.kills.get(trial.trial_id, 0)
            if kills < MOST_KILLS:
                self.kills[trial.trial_id] = kills + 1  # until `absolve` or the trial's end
                self.save()
                return trial
            trial.status = TrialStatus.FAILED
            trial.message = f"its process was killed {kills} times, for want of memory perhaps"
            self.end_trial(trial)

    def absolve(self, trial_id: str) -> None:
        """Forgets how often a trial's process was killed, since memory was not the reason."""
        self.kills.pop(trial_id, None)
        self.save()

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
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        trial.message = trial.hyperparameters.values.pop(FAILURE, trial.message)
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
        super().end_trial(trial)
        self.save()  # now without the trial among those running
        self.on_change()

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The best completed trials; those that found no muscle come last, whatever their mIoU."""
        sign = -1 if self.objective.direction == "max" else 1
        completed = [one for one in self.trials.values() if one.status == TrialStatus.COMPLETED]
        completed.sort(key=lambda one: (background_only(one), sign * one.score))
        return completed[:num_trials]

    def _drawn_before(self) -> list[str]:
        """Trials whose combinations are not to be drawn again."""
        return self.start_order

    def _left(self) -> list[Values]:
        """Combinations that may be drawn."""
        drawn = [self.trials[trial_id].hyperparameters.values for trial_id in self._drawn_before()]
        return [
            one
            for one in self.combinations
            if not any(one == {name: values[name] for name in one} for values in drawn)
        ]

    def _random_values(self) -> Values | None:
        # KerasTuner draws from the whole space and gives up after 20 repeats in a row, which a
        # small space that is nearly used up gives easily.
        left = self._left()
        self._seed_state += 1
        return dict(random.Random(self._seed_state).choice(left)) if left else None

    @keras_tuner.synchronized
    def take_back_lost(self, silence: float) -> None:
        """Queues the trials of workers again that have given no sign for `silence` seconds."""
        for tuner_id in sorted(self.tuner_ids):
            if time.monotonic() - self.heard[tuner_id] < silence:
                continue
            self.tuner_ids.remove(tuner_id)
            trial = self.ongoing_trials.pop(tuner_id, None)
            if trial is None:
                continue
            self._retry_queue.append(trial.trial_id)
            self.save()
            print(f"{tuner_id} is silent: trial {trial.trial_id} goes to the next worker that asks")


class ListedOracle(Durable):
    """Goes through the combinations in order; trial number n is the n-th of them."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        number = len(self.start_order)
        if number == len(self.combinations):
            return {"status": TrialStatus.STOPPED, "values": None}
        return {"status": TrialStatus.RUNNING, "values": dict(self.combinations[number])}


class RandomOracle(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Draws combinations without repeats."""


class BayesianOracle(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's, which draws at random where it would repeat a combination."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        response = super().populate_space(trial_id)
        left = self._left()
        if left and {name: response["values"][name] for name in left[0]} in left:
            return response
        return self._random_populate_space()


class HyperbandOracle(Durable, keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's, with brackets that begin with no more trials than there are combinations.

    A bracket draws without repeats; KerasTuner's draws without repeats over all brackets, and stops
    in the middle of one for want of combinations.
    """

    def _drawn_before(self) -> list[str]:
        return [one["id"] for one in self._brackets[-1]["rounds"][0]]

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        return min(super()._get_size(bracket_num, round_num), len(self.combinations))

    def schedule(self) -> list[tuple[int, int]]:
        """Trials and their epochs, round by round, at most."""
        return [
            (self._get_size(bracket, number), self._get_epochs(bracket, number))
            for bracket in reversed(range(self._get_num_brackets()))
            for number in range(self._get_num_rounds(bracket))
        ]


def make_oracle(search: Search, space: keras_tuner.HyperParameters) -> Durable:
    """The oracle of `--method`.

    Args:
        search: the options.
        space: the hyperparameters, declared.
    """
    options = search.options
    direction = "min" if options.objective.endswith("loss") else "max"
    shared: dict[str, Any] = {
        "objective": keras_tuner.Objective(options.objective, direction),
        "hyperparameters": space,
        "seed": search.base.run.seed + 1,  # KerasTuner takes 0 for none given
    }
    combinations = [vars(one) for one in search.combinations()]
    count = search.max_trials()
    if options.method == "random":
        return RandomOracle(combinations, max_trials=count, **shared)
    if options.method == "bayesian":
        assert count is not None
        # A third at random to begin with; KerasTuner's 12 would leave a short search nothing else.
        initial = max(2, count // 3)
        return BayesianOracle(combinations, max_trials=count, num_initial_points=initial, **shared)
    if options.method == "hyperband":
        oracle = HyperbandOracle(combinations, max_epochs=combinations[0]["epochs"], **shared)
        oracle.max_trials = count
        return oracle
    return ListedOracle(combinations, **shared)
