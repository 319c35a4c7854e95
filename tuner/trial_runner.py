"""Runs the trials: KerasTuner's loop, with each training in a run folder of its own."""

import errno
import os
import shutil
import time
from contextlib import nullcontext, suppress
from statistics import mean
from typing import Any

import grpc
import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.engine.trial import Trial, TrialStatus

from tf_muscle.config import from_options
from tf_muscle.errors import UserError, one_line
from tf_muscle.runs.folder import read_options, write_json

from .folder import RESULT, SearchFolder, read_record
from .hypermodel import DivergedError, SegmentationHyperModel
from .options import NOT_OF_THE_SEARCH, Search, combination_of
from .oracle import FAILURE, ResumableOracle
from .workers import Role, repeating

IDLE_SECONDS = 2.0  # a worker without work asks again after so long; KerasTuner's asks at once
ALL = 10**9  # more trials than a search can have
OUT_OF_MEMORY = ("out of memory", "failed to allocate", "resource_exhausted", "oom when")


class TrialRunner(keras_tuner.Tuner):
    """KerasTuner's tuner; a trial that was interrupted goes on from its last epoch.

    Args:
        hypermodel: what to train.
        oracle: which combination comes next.
        search: the options.
        folder: of this process.
        process: what this process is in the search.

    Raises:
        UserError: the folder's records cannot be read back; nothing was changed.
    """

    def __init__(
        self,
        hypermodel: SegmentationHyperModel,
        oracle: ResumableOracle,
        search: Search,
        folder: SearchFolder,
        process: Role,
    ):
        self.options = search.options
        self.folder = folder
        self.is_worker = process.kind == "worker"
        self.waiting = False
        super().__init__(oracle, directory=str(folder.path.parent), project_name=folder.path.name)
        # Only now: KerasTuner would build models of it to find the hyperparameters, which the
        # oracle has.
        self.hypermodel = hypermodel
        if not self.is_worker:
            # KerasTuner reloads by a file of the process' name, which a chief and a process alone
            # do not share.
            if folder.oracle.is_file():
                oracle.reload()
            folder.refuse_lost_trials(oracle.start_order, oracle.end_order)

    def save(self) -> None:
        """Leaves out KerasTuner's record of the tuner, which holds nothing."""
        self.oracle.save()

    def search(self) -> None:
        """Runs trials until the oracle has no more."""
        try:
            super().search()
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None

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
        if trial.status == TrialStatus.INVALID:  # the training was good, recording it failed
            reason = " ".join((trial.message or "").splitlines()[-1:])
            raise UserError(
                f"the scores of trial {trial.trial_id} could not be recorded ({reason}): mend that "
                "and give the same command again, which goes on from there"
            )
        self.oracle.end_trial(trial)
        self.prune()

    def prune(self) -> None:
        """Deletes the weights of all but the best trials."""
        best = [one.trial_id for one in self.oracle.get_best_trials(ALL)]
        # A worker hears of completed trials only; a failed one has left no weights.
        ended = best if self.is_worker else self.oracle.end_order
        self.folder.prune(ended, best[: self.options.keep_weights])

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> list[dict[str, float]]:
        """Trains a combination as often as asked; keeps the weights of the best training.

        Raises:
            FailedTrialError: it failed by what belongs to its combination.
            FatalError: of any other error (a full disk, a fault of the program), which the next
                trials would meet too: it ends the search, which goes on with this trial when it is
                started again.
        """

        def sign_of_life() -> None:
            with suppress(grpc.RpcError):  # the chief may be starting again
                self.oracle.get_trial(trial.trial_id)

        try:
            with repeating(sign_of_life) if self.is_worker else nullcontext():
                results = [self.execute(trial, number) for number in range(self.options.executions)]
        except BaseException as error:  # ctrl-C too
            if reason := failure(error):
                self.record_failure(trial, reason)
                raise keras_tuner.errors.FailedTrialError(reason) from error
            if not self.is_worker:
                self.oracle.absolve(trial.trial_id)
            if isinstance(error, Exception):
                raise keras_tuner.errors.FatalError(str(error)) from error
            raise
        objective = self.oracle.objective.name
        best = self.folder.best_execution(trial.trial_id, objective)
        for run in self.folder.executions(trial.trial_id):
            if run != best:
                shutil.rmtree(run.checkpoints, ignore_errors=True)
        score = mean(one[objective] for one in results)
        print(f"Trial {trial.trial_id}: {objective} {score:.4f}", flush=True)
        return results

    def record_failure(self, trial: Trial, reason: str) -> None:
        """Says why a trial failed and deletes its weights."""
        print(f"Trial {trial.trial_id} failed: {reason}")
        trial.hyperparameters.values[FAILURE] = reason
        for run in self.folder.executions(trial.trial_id):
            shutil.rmtree(run.checkpoints, ignore_errors=True)

    def execute(self, trial: Trial, number: int) -> dict[str, float]:
        """One training, or the result of an earlier start that came to its end."""
        hp = trial.hyperparameters
        run = self.folder.execution(trial.trial_id, number)
        result = run.path / RESULT
        self.hypermodel.execution = number
        ours = decisive(self.hypermodel.config(hp).flat())
        if run.config.is_file() and decisive(from_options(read_options(run)).flat()) != ours:
            raise UserError(
                f"{run.path} is a training of another search with the same name: delete "
                f"{self.folder.path}, or choose another --name"
            )
        if not result.is_file():
            keras.backend.clear_session()  # frees the model before
            write_json(result, self.hypermodel.fit(hp, self.hypermodel.build(hp), run=run))
        shutil.rmtree(run.backup, ignore_errors=True)
        return read_record(result)


def decisive(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a training but for those that say where things lie."""
    return {name: value for name, value in options.items() if name not in NOT_OF_THE_SEARCH}


def failure(error: BaseException) -> str | None:
    """The reason, in a line, of an error that the combination brought about; None for others."""
    text = one_line(error)
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
