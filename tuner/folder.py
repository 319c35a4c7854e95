"""The folder of a search: its files, who may write to it, and whose search it holds.

Needs no TensorFlow.
"""

import csv
import json
import shutil
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tf_muscle.atomic import UNFINISHED, only_process, write_text
from tf_muscle.errors import UserError
from tf_muscle.runs.folder import OLDER_GEOMETRY, RunFolder, read_json

from .options import Search, is_loss

RESULT = "result.json"  # scores of one training; marks it as complete
ENDED = ("COMPLETED", "FAILED")  # states of KerasTuner's trials
RUNNING = "running"  # state in results.csv of a trial that has not ended


@dataclass
class SearchFolder:
    """Names of the files in runs/tuner/NAME/, or in a worker's own folder."""

    path: Path

    def __post_init__(self) -> None:
        self.options = self.path / "search.yaml"  # resolved, for --config
        self.environment = self.path / "environment.json"  # versions, device, info of the data
        self.oracle = self.path / "oracle.json"  # what KerasTuner knows beside trial_*/trial.json
        self.results_csv = self.path / "results.csv"  # one line a trial
        self.results_page = self.path / "results.md"
        self.best = self.path / "best.yaml"  # preset for `python -m tf_muscle.train --config`
        self.figures = self.path / "figures"
        self.workers = self.path / "workers"  # a folder each

    def trial(self, trial_id: str) -> Path:
        """The folder of a trial."""
        return self.path / f"trial_{trial_id}"

    def execution(self, trial_id: str, number: int) -> RunFolder:
        """The records of one training of a trial."""
        return RunFolder(self.trial(trial_id) / f"execution_{number}")

    def executions(self, trial_id: str) -> list[RunFolder]:
        """The trainings of a trial that have begun, also those of a worker on this disk."""
        owners = [self, *map(SearchFolder, sorted(self.workers.glob("*")))]
        trials = [owner.trial(trial_id) for owner in owners]
        return [RunFolder(one) for trial in trials for one in sorted(trial.glob("execution_*"))]

    def best_execution(self, trial_id: str, objective: str) -> RunFolder | None:
        """The training of a trial with the best score; None if it lies on another machine."""
        sign = -1 if is_loss(objective) else 1
        complete = [run for run in self.executions(trial_id) if (run.path / RESULT).is_file()]
        return max(
            complete,
            key=lambda run: sign * read_record(run.path / RESULT)[objective],
            default=None,
        )

    def trial_records(self) -> list[dict[str, Any]]:
        """The contents of trial_*/trial.json, by the number of the trial.

        Raises:
            UserError: one cannot be read.
        """
        return [read_record(path) for path in sorted(self.path.glob("trial_*/trial.json"))]

    def ended_trials(self) -> list[str]:
        """Ids of the trials that need no more work."""
        return [one["trial_id"] for one in self.trial_records() if one["status"] in ENDED]

    def refuse_lost_trials(self, started: Collection[str], ended: Collection[str]) -> None:
        """Compares what is recorded here with what was read back, before anything is changed.

        Args:
            started: ids of the trials that the oracle has handed out.
            ended: ids of those that it knows to have ended.

        Raises:
            UserError: a started trial has no record, or more have ended than the oracle knows of.
        """
        recorded = {record["trial_id"] for record in self.trial_records()}
        numbers = {int(trial_id) for trial_id in self.ended_trials()} | self._ended_by_the_table()
        lost = {int(one) for one in started if one not in recorded}
        lost |= numbers - {int(one) for one in ended}
        if lost:
            raise UserError(
                f"{self.path} has results of trials that cannot be read back "
                f"({', '.join(map(str, sorted(lost)))}), and nothing was changed: put "
                f"{self.oracle.name} and the trial_*/trial.json back as they were, or choose "
                "another --name"
            )

    def _ended_by_the_table(self) -> set[int]:
        if not self.results_csv.is_file():
            return set()
        try:
            with self.results_csv.open(newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
            return {int(line["trial"]) for line in lines if line["state"] != RUNNING}
        except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
            raise UserError(
                f"{self.results_csv} is not as the search wrote it ({error!r}): move it elsewhere, "
                "and the same command writes it again"
            ) from error

    def prune(self, ended: Collection[str], kept: Collection[str]) -> None:
        """Deletes the weights of the trials that have ended and are not to be kept.

        And those of trainings without a result, of a trial that another worker has ended. `ended`
        is what the oracle knows; all other trials are left alone.
        """
        for trial_id in ended:
            for run in self.executions(trial_id):
                if trial_id not in kept or not (run.path / RESULT).is_file():
                    shutil.rmtree(run.checkpoints, ignore_errors=True)

    def lock(self) -> AbstractContextManager[None]:
        """Keeps a second process out, which gets a UserError; see `only_process`."""
        return only_process(
            self.path,
            f"{self.path} belongs to a search that is running: wait for it, or choose another "
            "--name",
        )


def read_record(path: Path) -> dict[str, Any]:
    """Reads a JSON record of the search.

    Raises:
        UserError: it is missing or cannot be read.
    """
    remedy = "nothing was changed; put it back as it was, or choose another --name"
    return read_json(path, dict, remedy)


def open_folder(folder: SearchFolder, search: Search, data_fingerprint: str) -> bool:
    """Makes the folder of a search, or finds it with this same search in it.

    A dry run makes nothing.

    Returns:
        Whether it is an earlier start's.

    Raises:
        UserError: it holds something else, or cannot be made.
    """
    path = folder.path
    if folder.options.is_file():
        refuse_other_options(folder, search.identity(data_fingerprint))
        return True
    # A worker on the same disk may have made its own folder in it before.
    ours = {"workers", f"{UNFINISHED}{folder.options.name}"}
    if path.exists() and {one.name for one in path.iterdir()} - ours:
        raise UserError(f"{path} is no search and is never overwritten: choose another --name")
    if search.options.dry_run:
        return False
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be made ({error}): choose another --runs_dir") from error
    record = search.flat() | {"data_fingerprint": data_fingerprint}
    write_text(folder.options, yaml.safe_dump(record, sort_keys=False))
    return False


def refuse_other_options(folder: SearchFolder, identity: dict[str, Any]) -> None:
    """Compares the search in a folder with the one that is asked for.

    Raises:
        UserError: they differ, or the folder's options cannot be read.
    """
    try:
        there = OLDER_GEOMETRY | dict(yaml.safe_load(folder.options.read_text("utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(
            f"{folder.options} cannot be read ({error}): choose another --name"
        ) from error
    differences = [
        f"{name}: {json.dumps(there.get(name))} there, {json.dumps(here)} here"
        for name, here in identity.items()
        if name not in there or there[name] != here
    ]
    if differences:
        raise UserError(
            f"{folder.path} holds another search, which is never overwritten "
            f"({'; '.join(differences)}): choose another --name"
        )
