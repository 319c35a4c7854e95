"""The folder of a run: its name, its files, its options."""

import json
import math
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tf_muscle.atomic import only_process, replacing, write_text
from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.options import SAMPLE, RunConfig

PUT_BACK = "put it back as the run wrote it"  # what helps where a file of a run is damaged
Record = TypeVar("Record")
# Runs from before these options stretched every photo, or padded it to a square.
OLDER_GEOMETRY = {"resize": "stretch", "aspect": 1.0}
FOLD = re.compile(r"fold_([1-9]\d*)")  # folder of a fold
PATTERN_CHARACTERS = re.compile(r"[*?\[\]\\]")  # which tf.saved_model.load takes for a pattern


@dataclass
class RunFolder:
    """Names of the files in runs/NAME/; itself a path of the folder."""

    path: Path

    def __post_init__(self) -> None:
        self.config = self.path / "config.yaml"  # the resolved options, which --config reads
        self.encoder = self.path / "encoder.json"  # a KerasHub backbone, see encoder.py
        # Versions, device, what is known of the data, the encoder weights really used.
        self.environment = self.path / "environment.json"
        self.history = self.path / "history.csv"  # scores of every epoch
        self.metrics = self.path / "metrics.json"  # scores of the best model on every split
        # What a rerun is compared with, see manifest.py; marks the run as complete.
        self.manifest = self.path / "run.json"
        self.model = self.path / "best.keras"  # the best model, of Keras' own layers in float32
        self.report = self.path / "report.md"  # the page for people
        # Settings of prediction chosen after the run, so not in the manifest; see calibration.py.
        self.calibration = self.path / "calibration.json"
        self.figures = self.path / "figures"
        self.tensorboard = self.path / "tensorboard"  # for `tensorboard --logdir`
        self.trackers = self.path / "trackers.json"  # ids that the trackers of --log gave it
        # What a resumed training needs; gone when the run is complete.
        self.checkpoints = self.path / "checkpoints"
        self.best_weights = self.checkpoints / "best.weights.h5"  # of the best epoch so far
        self.backup = self.checkpoints / "backup"  # newest states of weights and optimizer
        # Masks of a few test photos before the first epoch.
        self.untrained_masks = self.checkpoints / "untrained_masks.npy"
        # Which photo is in which split, where that is not the export's own: `assignment.py`.
        self.split = self.path / "split.json"
        # Of a run with folds, which holds one run folder a fold.
        self.folds = self.path / "folds.json"  # which photo is tested in which fold
        self.out_of_fold = self.path / "out_of_fold"  # what the fold's model says of each photo

    def __fspath__(self) -> str:
        return str(self.path)

    def fold_run(self, number: int) -> "RunFolder":
        """The run of one fold, which may not have been started; numbers start at 1."""
        return RunFolder(self.path / f"fold_{number}")

    @property
    def fold_runs(self) -> "tuple[RunFolder, ...]":
        """The runs of the folds that were started, by their number; none in a run without folds."""
        found = (FOLD.fullmatch(path.parent.name) for path in self.path.glob("fold_*/config.yaml"))
        return tuple(self.fold_run(number) for number in sorted(int(m[1]) for m in found if m))

    def lock(self) -> AbstractContextManager[None]:
        """Keeps a second process out, which gets a UserError; see `only_process`."""
        return only_process(
            self.path,
            f"{self.path} is being trained by another process: wait for it, or end that one first",
        )


def refuse_existing(options: RunConfig, run_name: str) -> None:
    """Refuses a name that is taken, before any work is done for it.

    Raises:
        UserError: a run or a SavedModel of that name exists, or nobody could load one of that name.
    """
    refuse_pattern(run_name, "--run_name")
    run = Path(options.runs_dir) / run_name
    if run.exists():
        raise UserError(
            f"{run} exists and is never overwritten: choose another --run_name, or go on with it "
            f"by --resume {run}"
        )
    saved_model = Path(options.saved_models_dir) / run_name
    if saved_model.exists():
        raise UserError(f"{saved_model} exists and is never overwritten: choose another --run_name")


def refuse_pattern(name: str, option: str) -> None:
    """Refuses a name for a SavedModel that TensorFlow does not find.

    Raises:
        UserError: TensorFlow takes the name for a pattern.
    """
    if PATTERN_CHARACTERS.search(name):
        raise UserError(
            f"a SavedModel called {name} could not be loaded, since TensorFlow takes "
            f"* ? [ ] and \\ for a pattern: choose another {option}"
        )


def new_run(config: Config, run_name: str, **records: dict[str, Any]) -> RunFolder:
    """Makes the folder of a new run with its options in it, so that it can be resumed.

    Args:
        config: every option.
        run_name: of the folder in runs_dir; that of a fold is "NAME/fold_2".
        **records: JSON objects that lie in it from its first moment on, each by the name that its
            file has in `RunFolder`.

    Raises:
        UserError: the folder cannot be made.
    """
    run = RunFolder(Path(config.run.runs_dir) / run_name)
    try:
        with replacing(run.path) as unfinished:
            unfinished.mkdir()
            config.save(RunFolder(unfinished).config)
            for name, record in records.items():
                write_json(getattr(RunFolder(unfinished), name), record)
    except OSError as error:
        raise UserError(
            f"{run.path} cannot be made ({error}): choose another --runs_dir"
        ) from error
    return run


def find_run(name: str | os.PathLike[str], runs_dir: str = "runs") -> RunFolder:
    """The folder of a run, given as its path or its name in runs_dir.

    Raises:
        UserError: there is no such run.
    """
    for path in (Path(name), Path(runs_dir) / name):
        if (path / "config.yaml").is_file():
            return RunFolder(path)
    raise UserError(
        f"{os.fspath(name)} is no run: give a folder such as runs/NAME with a config.yaml in it"
    )


def find_data(data: str, command: str) -> str:
    """The export of an earlier run, which may have been moved since.

    Args:
        data: option of the run.
        command: that can be given the new place.

    Raises:
        UserError: it is not there.
    """
    if data != SAMPLE and not Path(data).expanduser().exists():
        raise UserError(
            f"{data}, the run's export, is gone: say where it was moved to by {command} --data NEW"
        )
    return data


def refuse_other_export(run: RunFolder, data: str, now: str, then: str) -> None:
    """Refuses photos or masks that are not those of the run.

    Args:
        run: that they are given for.
        data: where they lie.
        now: their fingerprint.
        then: that of the run's export.

    Raises:
        UserError: the fingerprints differ.
    """
    if now != then:
        raise UserError(
            f"--data {data} is not the export that {run.path} was trained on, or has changed since "
            f"then (fingerprint {now}, not {then}): give that export as it was, or train a new run"
        )


def saved_model_folder(options: RunConfig, run: RunFolder) -> Path:
    """Where the SavedModel of a run goes: saved_models/NAME, of a fold saved_models/NAME/fold_2."""
    path = run.path.absolute()
    name = path.name if options.fold is None else f"{path.parent.name}/{path.name}"
    return Path(options.saved_models_dir) / name


def default_name(preset: str) -> str:
    """The preset's name and the time; characters of `refuse_pattern` become underscores."""
    return f"{PATTERN_CHARACTERS.sub('_', preset)}-{datetime.now():%Y%m%d-%H%M%S}"


def read_options(run: RunFolder) -> dict[str, Any]:
    """The options of an earlier run.

    Raises:
        UserError: config.yaml cannot be read.
    """
    try:
        options = dict(yaml.safe_load(run.config.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{run.config} cannot be read ({error}): start a new run") from error
    return OLDER_GEOMETRY | options


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Writes a record in one move, so that a kill never leaves half a file.

    Numbers that JSON lacks, NaN and infinity, become null.
    """
    text = json.dumps(_finite(record), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n")


def read_json(path: Path, parse: Callable[[Any], Record], remedy: str) -> Record:
    """Reads what `write_json` wrote.

    Args:
        path: the file.
        parse: makes of the record what is returned; it may raise what a damaged one leads to.
        remedy: what the user can do where it cannot be read.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{path} cannot be read ({reason}): {remedy}") from error


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
