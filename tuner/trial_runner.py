"""Runs the trials: KerasTuner's loop, with each training in a run folder of its own."""

import errno
import json
import os
import shutil
import time
from contextlib import nullcontext
from statistics import mean
from typing import Any

import keras_tuner
import tensorflow as tf
from keras_tuner.engine.trial import Trial, TrialStatus

from tf_muscle.errors import UserError
from tf_muscle.run_folder import RunFolder, read_options, write_json
from tuner.folder import RESULT, SearchFolder
from tuner.hypermodel import DivergedError, SegmentationHyperModel
from tuner.options import NOT_OF_THE_SEARCH, Search, combination_of
from tuner.oracle import FAILURE, Durable
from tuner.workers import Role, signs_of_life

IDLE_SECONDS = 2.0  # a worker without work asks again after so long; KerasTuner's asks at once
ALL = 2**31 - 1  # more trials than a search can have, in KerasTuner's protocol's int32
OUT_OF_MEMORY = ("out of memory", "failed to allocate", "resource_exhausted", "oom when")


class TrialRunner(keras_tuner.Tuner):
    """KerasTuner's tuner; a trial that was interrupted goes on from its last epoch.

    Args:
        hypermodel: what to train.
        oracle: which combination comes next.
        search: the options.
        folder: of this process.
        process: what this process is in the search.
    """

    def __init__(
        self,
        hypermodel: SegmentationHyperModel,
        oracle: Durable,
        search: Search,
        folder: SearchFolder,
        process: Role,
    ):
        self.search_options = search.options
        self.folder = folder
        self.process = process
        self.waiting = False
        super().__init__(
            oracle,
            hypermodel,
            directory=str(folder.path.parent),
            project_name=folder.path.name,
            executions_per_trial=search.options.executions,
        )
        if not process.worker:
            # KerasTuner reloads by a file of the process' name, which a chief and a process alone
            # do not share.
            if folder.oracle.is_file():
                oracle.reload()
            folder.refuse_lost_trials(oracle.end_order)
            for trial_id in list(oracle.kills):
                if any(any(run.backup.glob("*")) for run in folder.executions(trial_id)):
                    oracle.absolve(trial_id)  # it got through an epoch once

    def _populate_initial_space(self) -> None:
        """Builds no model: the oracle was given the hyperparameters when it was made."""

    def save(self) -> None:
        if not self.process.worker:
            self.oracle.save()

    def pre_create_trial(self) -> None:
        if self.waiting:
            self.prune()  # another worker's trial may have overtaken ours
            time.sleep(IDLE_SECONDS)
        self.waiting = True

    def on_trial_begin(self, trial: Trial) -> None:
        self.waiting = False
        combination = vars(combination_of(trial.hyperparameters.values))
        values = ", ".join(f"{name} {value}" for name, value in combination.items())
        print(f"\nTrial {trial.trial_id}: {values}", flush=True)

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        self.prune()

    def prune(self) -> None:
        """Deletes the weights of all but the best trials."""
        best = [one.trial_id for one in self.oracle.get_best_trials(ALL)]
        # A worker hears of completed trials only; a failed one has left no weights.
        ended = best if self.process.worker else self.oracle.end_order
        self.folder.prune(ended, best[: self.search_options.keep_weights])

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        """Runs a trial, and records what belongs to its combination as the trial's failure.

        Any other error (a full disk, a fault of the program) would meet the next trials too: it
        ends the search, which goes on with this trial when it is started again.
        """
        try:
            worker = self.process.worker
            with signs_of_life(self.oracle, trial.trial_id) if worker else nullcontext():
                self._run_and_update_trial(trial)
            trial.status = TrialStatus.COMPLETED
        except BaseException as error:  # ctrl-C too
            reason = failure(error)
            if reason is None:
                if not self.process.worker:
                    self.oracle.absolve(trial.trial_id)
                raise
            print(f"Trial {trial.trial_id} failed: {reason}")
            trial.status = TrialStatus.FAILED
            trial.hyperparameters.values[FAILURE] = reason
            for run in self.folder.executions(trial.trial_id):
                shutil.rmtree(run.checkpoints, ignore_errors=True)

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> list[dict[str, float]]:
        """Trains a combination as often as asked; keeps the weights of the best training."""
        results = []
        for number in range(self.executions_per_trial):
            run = self.folder.execution(trial.trial_id, number)
            results.append(self.execute(trial.hyperparameters, run, number))
        objective = self.oracle.objective.name
        best = self.folder.best_execution(trial.trial_id, objective)
        for run in self.folder.executions(trial.trial_id):
            if run != best:
                shutil.rmtree(run.checkpoints, ignore_errors=True)
        score = mean(one[objective] for one in results)
        print(f"Trial {trial.trial_id}: {objective} {score:.4f}", flush=True)
        return results

    def execute(
        self, hp: keras_tuner.HyperParameters, run: RunFolder, number: int
    ) -> dict[str, float]:
        """One training, or the result of an earlier start that came to its end."""
        result = run.path / RESULT
        self.hypermodel.execution = number
        if run.config.is_file() and decisive(read_options(run)) != decisive(
            self.hypermodel.config(hp).flat()
        ):
            raise UserError(
                f"{run.path} is a training of another search with the same name: delete "
                f"{self.folder.path}, or choose another --name"
            )
        if not result.is_file():
            model = self._try_build(hp)
            scores = self.hypermodel.fit(hp, model, run=run)
            write_json(result, scores)
        shutil.rmtree(run.backup, ignore_errors=True)
        return dict(json.loads(result.read_text(encoding="utf-8")))


def decisive(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a training but for those that say where things lie."""
    return {name: value for name, value in options.items() if name not in NOT_OF_THE_SEARCH}


def failure(error: BaseException) -> str | None:
    """The reason, in a line, of an error that the combination brought about; None for others."""
    text = " ".join(str(error).split())
    if isinstance(error, DivergedError):
        return text
    if os.strerror(errno.ENOSPC) in text:  # which TensorFlow calls an exhausted resource too
        return None
    memory = isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)
    if isinstance(error, tf.errors.OpError):  # a GPU's may come as an InternalError
        memory = memory or any(words in text.lower() for words in OUT_OF_MEMORY)
    if memory:
        return f"out of memory ({text[:120]})" if text else "out of memory"
    return None
