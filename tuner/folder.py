"""The folder of a search: its files, who may write to it, and whose search it holds.

Needs no TensorFlow.
"""

import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tf_muscle.atomic import UNFINISHED, only_process, replacing
from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder
from tuner.options import Search

EXECUTION = "execution_"
RESULT = "result.json"  # scores of one training; marks it as complete


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
        pattern = f"trial_{trial_id}/{EXECUTION}*"
        found = [*self.path.glob(pattern), *self.workers.glob(f"*/{pattern}")]
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

    def ended_trials(self) -> list[str]:
        """Ids of the trials that need no more work."""
        ended = []
        for path in sorted(self.path.glob("trial_*/trial.json")):
            trial = json.loads(path.read_text(encoding="utf-8"))
            if trial["status"] in ("COMPLETED", "FAILED"):
                ended.append(trial["trial_id"])
        return ended

    def prune(self, kept_trials: Collection[str], executions: int) -> None:
        """Deletes the weights of every trial that has ended and is not to be kept.

        And those of trainings without a result, of a trial that another worker has ended.

        Args:
            kept_trials: ids.
            executions: trainings that make a trial.
        """
        ended = self.ended_trials()  # none in a worker's folder: the chief has the records
        for trial in [*self.path.glob("trial_*"), *self.workers.glob("*/trial_*")]:
            trial_id = trial.name.removeprefix("trial_")
            trainings = list(trial.glob(f"{EXECUTION}*"))
            complete = [one for one in trainings if (one / RESULT).is_file()]
            if trial_id in ended or len(complete) == executions:
                kept = complete if trial_id in kept_trials else []
                for one in set(trainings) - set(kept):
                    shutil.rmtree(RunFolder(one).checkpoints, ignore_errors=True)

    def lock(self) -> AbstractContextManager[None]:
        """Keeps a second process out, which gets a UserError; see `only_process`."""
        return only_process(
            self.path,
            f"{self.path} belongs to a search that is running: wait for it, or choose another "
            "--name",
        )


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
