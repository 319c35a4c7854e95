"""Checks a run's manifest, trains the run again and compares the two.

What may differ between two trainings of one configuration is the order in which threads add up
floating-point numbers. `--deterministic` trainings pin that order: on the machine and with the
versions of the first one, every digit has to agree.
"""

import dataclasses
import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tf_muscle.config import Config, from_options, refuse_removed
from tf_muscle.errors import UserError, listed
from tf_muscle.report.history import read_history
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.runs.assignment import read_assignment
from tf_muscle.runs.environment import NOTHING_CHANGED, EncoderStart, versions
from tf_muscle.runs.folder import (
    RunFolder,
    default_name,
    find_data,
    find_run,
    refuse_other_export,
)
from tf_muscle.runs.manifest import changed_outputs, differences, read_manifest
from tf_muscle.training.loop import train_model
from tf_muscle.training.teacher import digests_of_teacher, refuse_changed_teacher

# Of two trainings that differ in the order of their sums, see the measurement in docs/reproduce.md.
# The training loss is a mean over many photos and steps; a few validation photos swing more.
LOSS_TOLERANCE = 0.025  # of the training loss: about twice the 1.1 percent that was measured
EVALUATION_TOLERANCE = 0.2  # of a loss on validation or test photos: about twice 10.5 percent
SCORE_TOLERANCE = 0.05  # of a final mIoU: about twice 0.023
# Where things lie, and what "auto" may stand for.
UNCOMPARED_OPTIONS = {
    "data", "data_dir", "run_name", "runs_dir", "saved_models_dir", "precision", "encoder_weights",
    "log",
}  # fmt: skip
COMPARED_COLUMNS = {"loss": LOSS_TOLERANCE, "val_loss": EVALUATION_TOLERANCE}  # of history.csv
COMPARED_SCORES = {
    "loss": EVALUATION_TOLERANCE,
    "mean_iou": SCORE_TOLERANCE,
    "foreground_mean_iou": SCORE_TOLERANCE,
}


@dataclass(frozen=True)
class ComparedNumber:
    """One number of the first training and of the second; None where one has none."""

    name: str
    then: float | None
    again: float | None
    tolerance: float  # 0 asks for every digit

    @property
    def difference(self) -> float:
        """Of losses relative to the larger one, of scores absolute."""
        if self.then is None or self.again is None:
            return math.inf
        if self.then == self.again or (math.isnan(self.then) and math.isnan(self.again)):
            return 0.0
        scale = max(abs(self.then), abs(self.again)) if self.name.endswith("loss") else 1.0
        difference = abs(self.then - self.again) / scale
        return math.inf if math.isnan(difference) else difference

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


def compare_histories(
    then: Mapping[str, Sequence[float]], again: Mapping[str, Sequence[float]], *, exact: bool
) -> list[ComparedNumber]:
    """The losses of every epoch; both histories as of `read_history`."""
    return [
        ComparedNumber(f"epoch {epoch} {column}", first, second, 0.0 if exact else tolerance)
        for column, tolerance in COMPARED_COLUMNS.items()
        for epoch, (first, second) in enumerate(
            itertools.zip_longest(then[column], again[column]), 1
        )
    ]


def compare_metrics(
    then: Mapping[str, Mapping[str, float]],
    again: Mapping[str, Mapping[str, float]],
    *,
    exact: bool,
) -> list[ComparedNumber]:
    """The scores of the best model; both as in manifests, by split."""
    return [
        ComparedNumber(
            f"{split} {name}", record[name], again[split][name], 0.0 if exact else tolerance
        )
        for split, record in then.items()
        for name, tolerance in COMPARED_SCORES.items()
    ]


def compare_runs(run: RunFolder, other: RunFolder) -> tuple[list[ComparedNumber], bool]:
    """Everything that two complete runs are compared by, and whether every digit has to agree.

    Raises:
        UserError: they are runs of different configurations or photos, or of options that no
            longer exist.
    """
    then, again = read_manifest(run), read_manifest(other)
    refuse_removed(then["config"], run.path)
    refuse_removed(again["config"], other.path)
    decisive, of_other = (
        {
            name: value
            for name, value in from_options(one["config"]).flat().items()
            if name not in UNCOMPARED_OPTIONS
        }
        | {"photos": one["data"]["fingerprint"]}
        for one in (then, again)
    )
    if others := differences(decisive, of_other):
        raise UserError(
            f"{other.path} is no second run of {run.path} ({listed(others)}): give one with the "
            "same options and photos"
        )
    changed = {
        line for part in ("versions", "machine") for line in differences(then[part], again[part])
    }
    changed |= {*then["resumed"], *again["resumed"]} - {NOTHING_CHANGED}
    for line in sorted(changed):
        print(f"WARNING: not on the same footing: {line}", file=sys.stderr)
    exact = then["deterministic"] and again["deterministic"] and not changed
    first, second = read_history(run.history), read_history(other.history)
    trained, options = len(first["loss"]), then["config"]
    if trained < options["epochs"] and not options["early_stopping"]:
        print(f"{run.path} was ended after epoch {trained}: its scores cannot be compared")
        second = {column: values[:trained] for column, values in second.items()}
        return compare_histories(first, second, exact=exact), exact
    comparisons = compare_histories(first, second, exact=exact)
    comparisons += compare_metrics(then["metrics"], again["metrics"], exact=exact)
    return comparisons, exact


def rerun_config(manifest: Mapping[str, Any], run: RunFolder, data: str) -> Config:
    """The configuration of the second training: the first one's, with nothing left to chance.

    "auto" becomes what it meant in the first training.

    Raises:
        UserError: the first one had options that no longer exist.
    """
    refuse_removed(manifest["config"], run.path)
    config = from_options(manifest["config"])
    weights = config.model.encoder_weights
    if weights == "auto":
        start = EncoderStart.parse(manifest["encoder_weights"])
        weights = "none" if start.kind == "random" else "imagenet"
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, data=data),
        model=dataclasses.replace(config.model, encoder_weights=weights),
        run=dataclasses.replace(
            config.run,
            run_name=None,
            runs_dir=str(run.path.resolve().parent),
            precision=manifest["machine"]["precision"],
            log=["tensorboard"],
        ),
    )


def print_comparison(
    comparisons: Sequence[ComparedNumber], other: RunFolder, *, exact: bool
) -> None:
    """Prints the numbers side by side, and the verdict."""
    table = Table()
    for header in ("", "then", "again", "difference", ""):
        table.add_column(header, justify="left" if not header else "right")
    for one in comparisons:
        numbers = ("none" if value is None else f"{value:.8g}" for value in (one.then, one.again))
        verdict = "agrees" if one.agrees else "DIFFERS"
        table.add_row(one.name, *numbers, f"{one.difference:.1e}", verdict)
    Console().print(table)
    wrong = sum(not one.agrees for one in comparisons)
    total = len(comparisons)
    count = f"{wrong} of {total} numbers do not" if wrong else f"all {total} numbers"
    asked = "to the last digit"
    if not exact:
        asked = (
            f"within {LOSS_TOLERANCE:.1%} of training losses, {EVALUATION_TOLERANCE:.0%} of others "
            f"and {SCORE_TOLERANCE} of mIoU"
        )
    print(f"{other.path}: {count} agree {asked}")


def reproduce(
    run: RunFolder,
    *,
    check_only: bool = False,
    data: str | None = None,
    run_name: str | None = None,
    against: str | None = None,
) -> bool:
    """Checks a finished run, trains it again beside it and compares.

    Args:
        run: the run.
        check_only: train nothing.
        data: where the run's export lies now, if it was moved.
        run_name: name of the new run; None: the old name with "-again-" and the time.
        against: compare with this finished run instead of training.

    Returns:
        Whether everything agrees.

    Raises:
        UserError: the run is not complete, or its photos are gone or others.
    """
    if run.folds.is_file():
        raise UserError(
            f"{run.path} has folds, each a run of its own: give one of them, such as "
            f"{run.fold_run(1).path}"
        )
    manifest = read_manifest(run)
    if changed := changed_outputs(run, manifest):
        print(f"not as the run wrote them: {listed(changed)}")
        return False
    print(f"{run.path}: {len(manifest['outputs'])} outputs are as the run wrote them")
    if against:
        return finish_comparison(run, find_run(against))
    data = data or find_data(
        manifest["config"]["data"], f"python -m tf_muscle.reproduce {run.path}"
    )
    now = fingerprint(export_path(data))
    refuse_other_export(run, data, now, manifest["data"]["fingerprint"])
    print(f"{data}: the same photos (fingerprint {now})")
    if teacher := manifest.get("teacher"):
        name = teacher["path"]
        refuse_changed_teacher(name, digests_of_teacher(name), teacher["digests"], run)
        print(f"{name}: the same teacher")
    for line in differences(manifest["versions"], versions()):
        print(f"WARNING: other version: {line}", file=sys.stderr)
    for number, line in enumerate(manifest["resumed"], 1):
        print(f"the run was resumed ({number}): {line}")
    if check_only:
        return True

    config = rerun_config(manifest, run, data)
    name = run_name or default_name(f"{run.path.name}-again")
    again = train_model(config, name, assignment=read_assignment(run))
    return finish_comparison(run, again)


def finish_comparison(run: RunFolder, other: RunFolder) -> bool:
    """Compares, prints, and tells whether everything agrees."""
    comparisons, exact = compare_runs(run, other)
    print_comparison(comparisons, other, exact=exact)
    return all(one.agrees for one in comparisons)
