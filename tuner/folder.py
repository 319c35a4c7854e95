"""The folder of a search: its files, who may write to it, and whose search it holds.

Needs no TensorFlow.
"""

import csv
import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tf_muscle.atomic import UNFINISHED, replacing
from tf_muscle.errors import UserError
from tf_muscle.folder_lock import only_process
from tf_muscle.run_folder import RunFolder
from tuner.options import Search

EXECUTION = "execution_"
RESULT = "result.json"  # scores of one training; marks it as complete
ENDED = ("COMPLETED", "FAILED")  # states of KerasTuner's trials
RUNNING = "running"  # state in results.csv of a trial that has not ended


@dataclass(frozen=True)
class SearchFolder:
    """Names of the files in runs/tuner/NAME/."""

    path: Path

    @property
    def options(self) -> Path:
        """The resolved options, which --config reads."""
        return self.path / "search.yaml"

    @property
    def environment(self) -> Path:
        """Versions, device and what is known of the data."""
        return self.path / "environment.json"

    @property
    def forecast(self) -> Path:
        """Times measured before the first trial."""
        return self.path / "forecast.json"

    @property
    def results_csv(self) -> Path:
        """One line a trial."""
        return self.path / "results.csv"

    @property
    def results_page(self) -> Path:
        """The page for people."""
        return self.path / "results.md"

    @property
    def best(self) -> Path:
        """The best combination as a preset for `python -m tf_muscle.train --config`."""
        return self.path / "best.yaml"

    @property
    def figures(self) -> Path:
        """Folder of the pictures."""
        return self.path / "figures"

    @property
    def workers(self) -> Path:
        """Folder of the workers' own folders; see workers.py."""
        return self.path / "workers"

    def execution(self, trial_id: str, number: int) -> RunFolder:
        """The records of one training of a trial."""
        return RunFolder(self.path / f"trial_{trial_id}" / f"{EXECUTION}{number}")

    def executions(self, trial_id: str) -> list[RunFolder]:
        """The trainings of a trial that have begun, also those of a worker on this disk."""
        ours = self.path.glob(f"trial_*/{EXECUTION}*")
        theirs = self.workers.glob(f"*/trial_*/{EXECUTION}*")
        found = (path for path in (*ours, *theirs) if path.parent.name == f"trial_{trial_id}")
        return [RunFolder(path) for path in sorted(found)]

    def best_execution(self, trial_id: str, objective: str) -> RunFolder | None:
        """The training of a trial with the best score; None if it lies on another machine."""
        sign = -1 if objective.endswith("loss") else 1
        scores = {
            run: sign * json.loads((run.path / RESULT).read_text(encoding="utf-8"))[objective]
            for run in self.executions(trial_id)
            if (run.path / RESULT).is_file()
        }
        return max(scores, key=lambda run: scores[run]) if scores else None

    @property
    def oracle(self) -> Path:
        """What the oracle knows beside the trials' own records."""
        return self.path / "oracle.json"

    def trial_records(self) -> list[dict[str, Any]]:
        """The contents of trial_*/trial.json, by the number of the trial.

        Raises:
            UserError: one cannot be read.
        """
        return [read_record(path) for path in sorted(self.path.glob("trial_*/trial.json"))]

    def ended_trials(self) -> list[str]:
        """Ids of the trials that need no more work."""
        return [one["trial_id"] for one in self.trial_records() if one["status"] in ENDED]

    def refuse_lost_trials(self, known: Collection[str]) -> None:
        """Compares what is recorded here with what was read back, before anything is changed.

        Args:
            known: ids of the trials that the oracle knows to have ended.

        Raises:
            UserError: more trials have ended by the records than the oracle knows of.
        """
        recorded = {int(trial_id) for trial_id in self.ended_trials()}
        recorded |= self._trials_of_the_table()
        lost = sorted(recorded - {int(trial_id) for trial_id in known})
        if lost:
            raise UserError(
                f"{self.path} has results of trials that cannot be read back "
                f"({', '.join(map(str, lost))}), and nothing was changed: put {self.oracle.name} "
                "and the trial_*/trial.json back as they were, or choose another --name"
            )

    def _trials_of_the_table(self) -> set[int]:
        """Numbers of the trials that have ended according to results.csv."""
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

        And those of trainings without a result, of a trial that another worker has ended.

        Args:
            ended: ids of trials, as the oracle knows them; all others are left alone.
            kept: ids of trials.
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
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}), and nothing was changed: put it back as it was, or "
            "choose another --name"
        ) from error


def open_folder(path: Path, search: Search, data_fingerprint: str) -> tuple[SearchFolder, bool]:
    """Makes the folder of a search, or finds it with this same search in it.

    Returns:
        The folder, and whether it is an earlier start's.

    Raises:
        UserError: it holds something else, or cannot be made.
    """
    folder = SearchFolder(path)
    identity = search.identity(data_fingerprint)
    if folder.options.is_file():
        differences = list(_differences(folder, identity))
        if differences:
            raise UserError(
                f"{path} holds another search, which is never overwritten ({'; '.join(differences)}"
                "): choose another --name"
            )
        return folder, True
    # A worker on the same disk may have made its own folder in it before.
    ours = {"workers", f"{UNFINISHED}{folder.options.name}"}
    if path.exists() and {one.name for one in path.iterdir()} - ours:
        raise UserError(f"{path} is no search and is never overwritten: choose another --name")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be made ({error}): choose another --runs_dir") from error
    record = search.flat() | {"data_fingerprint": data_fingerprint}
    with replacing(folder.options) as unfinished:
        unfinished.write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")
    return folder, False


def _differences(folder: SearchFolder, identity: dict[str, Any]) -> Iterator[str]:
    """What the search in the folder has otherwise, in words."""
    try:
        there = dict(yaml.safe_load(folder.options.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(
            f"{folder.options} cannot be read ({error}): choose another --name"
        ) from error
    for name, here in identity.items():
        if name not in there or there[name] != here:
            yield f"{name}: {json.dumps(there.get(name))} there, {json.dumps(here)} here"
