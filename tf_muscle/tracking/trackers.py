"""The trackers of a run: told of its beginning, epochs and end. None of them can end a training."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tf_muscle.config import Config
from tf_muscle.errors import UserError, one_line, refuse_missing, shortened
from tf_muscle.runs.folder import RunFolder, read_json, write_json
from tf_muscle.tracking.mlflow_tracker import MlflowTracker
from tf_muscle.tracking.records import Beginning, End, Result, Tracker
from tf_muscle.tracking.wandb_tracker import WandbTracker

# What `--log` names beside tensorboard: its package and its extra are called the same.
TRACKERS: dict[str, Callable[[], Tracker]] = {"mlflow": MlflowTracker, "wandb": WandbTracker}
SCORED = ("train", "valid", "test", "out_of_fold", "mean", "standard_deviation")  # of metrics.json


def refuse_unreachable(names: Sequence[str], run: RunFolder | None = None) -> None:
    """Asks each tracker whether it can be used, before any work is done.

    Args:
        names: of `--log`.
        run: an interrupted run to go on with.

    Raises:
        UserError: a package is missing, a server does not answer or refuses this user, or does not
            know the run.
    """
    ids = read_ids(run) if run else {}
    for name in _chosen(names):
        refuse_missing(f"--log {name}", name, [name])
        try:
            TRACKERS[name]().reach(ids.get(name))
        except Exception as error:  # each package has its own
            reason = shortened(one_line(error))
            remedy = f"take {name} out of log in {run.config}" if run else f"leave --log {name} out"
            raise UserError(
                f"--log {name} cannot be used ({reason}): mend that, or {remedy}"
            ) from error


class Trackers:
    """The open trackers of one run.

    An epoch that a tracker did not take is kept, and sent again with the next one or at the end.

    Args:
        run: its folder, where the ids are kept that the trackers give it.
        names: of `--log`.
    """

    def __init__(self, run: RunFolder, names: Sequence[str]):
        self.run = run
        self.open: dict[str, Tracker] = {name: TRACKERS[name]() for name in _chosen(names)}
        self.unsent: dict[str, list[tuple[int, dict[str, float]]]] = defaultdict(list)
        self.complained: set[str] = set()

    def begin(self, config: Config, fingerprint: str) -> None:
        """Opens a run in each tracker, or goes on with the one that it has there."""
        ids = read_ids(self.run)
        ids_of_folds = [read_ids(fold) for fold in self.run.fold_runs]
        shown_name, group = _name_and_group(self.run, config)
        for name, tracker in list(self.open.items()):
            beginning = Beginning(
                shown_name,
                group,
                self.run.path,
                config.flat() | {"data_fingerprint": fingerprint},
                tuple(one[name] for one in ids_of_folds if name in one),
            )
            try:
                ids[name] = tracker.begin(beginning, ids.get(name))
            except Exception as error:
                del self.open[name]
                self._complain(name, error, "nothing of this training is there")
            else:
                write_json(self.run.trackers, ids)

    def log_epoch(self, epoch: int, scores: Mapping[str, Any]) -> None:
        """Adds an epoch to the curves.

        Args:
            epoch: counted from 0.
            scores: Keras' logs of it.
        """
        plain = {name: float(value) for name, value in scores.items()}
        for name, tracker in self.open.items():
            self.unsent[name].append((epoch, plain))
            try:
                self._send(name, tracker)
            except Exception as error:
                if name not in self.complained:
                    self._complain(name, error, "what is missing is sent again later")

    def log_result(self) -> None:
        """Adds the scores, figures and files of the run, which is complete."""
        for name, tracker in self.open.items():
            try:
                self._send(name, tracker)
                tracker.log_result(result_of(self.run))
            except Exception as error:
                self._complain(name, error, "not all of this run is there")

    def end(self, how: End) -> None:
        """Closes the runs."""
        for name, tracker in self.open.items():
            try:
                tracker.end(how)
            except Exception as error:
                if name not in self.complained:
                    self._complain(name, error, "it may not be complete there")

    def _send(self, name: str, tracker: Tracker) -> None:
        waiting = self.unsent[name]
        while waiting:
            tracker.log_epoch(*waiting[0])
            waiting.pop(0)

    def _complain(self, name: str, error: Exception, consequence: str) -> None:
        self.complained.add(name)
        print(
            f"WARNING: {name} failed ({shortened(one_line(error))}): {consequence}; "
            f"{self.run.path} has everything",
            file=sys.stderr,
        )


@contextmanager
def tracked(run: RunFolder, config: Config, fingerprint: str) -> Iterator[Trackers]:
    """The trackers of a run, from its beginning to its end.

    Args:
        run: with its folder, new or gone on with.
        config: the resolved options; `log` names the trackers.
        fingerprint: of the data.
    """
    trackers = Trackers(run, config.run.log)
    trackers.begin(config, fingerprint)
    how: End = "failed"
    try:
        yield trackers
        how = "finished"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    finally:
        trackers.end(how)


def read_ids(run: RunFolder) -> dict[str, str]:
    """The ids that trackers have given to a run, by the trackers' names; none if it has no file.

    Raises:
        UserError: trackers.json is damaged.
    """
    if not run.trackers.is_file():
        return {}

    def parse(record: Any) -> dict[str, str]:
        return {str(name): str(id_) for name, id_ in record.items()}

    return read_json(run.trackers, parse, "remove it, and what follows goes to new runs")


def result_of(run: RunFolder) -> Result:
    """What a complete run, or one whose folds are complete, has to show."""
    metrics = json.loads(run.metrics.read_text("utf-8"))
    scores = {
        f"{part}/{name}": value
        for part in SCORED
        for name, value in _flat(metrics.get(part, {})).items()
        if isinstance(value, float)
    }
    files = (
        *(run.config, run.environment, run.manifest, run.metrics, run.history),
        *(run.report, run.model),
    )
    return Result(
        scores,
        tuple(path for path in files if path.is_file()),
        tuple(sorted(run.figures.iterdir())),
    )


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a split by their names, also those of its classes, such as "iou/biceps"."""
    by_class = {
        f"{name}/{label}": value
        for name in ("iou", "dice")
        for label, value in record.get(name, {}).items()
    }
    return {**record, **by_class}


def _name_and_group(run: RunFolder, config: Config) -> tuple[str, str | None]:
    """Name and group of a run as a tracker shows it."""
    path = run.path.absolute()
    if config.run.fold is not None:
        return f"{path.parent.name}/{path.name}", path.parent.name
    return path.name, path.name if config.data.folds else None


def _chosen(names: Sequence[str]) -> list[str]:
    """The trackers among the names of `--log`, each once."""
    return [name for name in dict.fromkeys(names) if name in TRACKERS]
