"""The trials as tables: results.csv, results.md, best.yaml. Needs no TensorFlow."""

import csv
import dataclasses
import io
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from rich.table import Table

from tf_muscle.atomic import write_text
from tf_muscle.model.metrics import BACKGROUND_ONLY_RECALL
from tf_muscle.report import published
from tf_muscle.report.markdown import figure_parts, markdown_table, named_values, terminal_table
from tf_muscle.report.tables import SYNTHETIC

from .folder import RUNNING, SearchFolder
from .options import OPTIMIZER_NAMES, SEARCHED, Combination, Search, combination_of, is_loss

FIGURES = {
    "hyperparameter_effects.png": "Each dot is a trial. The dark line is the mean over all trials "
    "with that value, whatever their other values.",
    "best_learning_curves.png": "The best trial, epoch by epoch.",
}
ONCE = ("name", "retrain", "dry_run")  # options that say nothing about the results


@dataclasses.dataclass(frozen=True)
class Row:
    """One trial.

    Scores are those of its epoch with the best validation mIoU, the mean over its executions; None
    until it has completed.
    """

    trial: str  # id
    combination: Combination
    state: str  # in words
    objective: float | None = None  # what it is ranked by
    val_loss: float | None = None  # of the loss that was trained with
    val_mean_iou: float | None = None  # over all classes, background included
    val_foreground_mean_iou: float | None = None
    val_mean_class_accuracy: float | None = None  # what the original work calls accuracy
    val_foreground_pixel_accuracy: float | None = None  # share given its right class
    best_epoch: float | None = None  # from 1
    trained_epochs: float | None = None  # fewer than asked for if the trial ended early
    seconds: float | None = None  # of training and validation

    @property
    def background_only(self) -> bool:
        """Whether the trial found next to no muscle."""
        found = self.val_foreground_pixel_accuracy
        return found is not None and found < BACKGROUND_ONLY_RECALL


SCORES = tuple(field.name for field in dataclasses.fields(Row))[4:]


def rows_of(trials: Mapping[str, Any], search: Search) -> list[Row]:
    """The rows of KerasTuner's trials, in the order of their numbers."""
    return [_row(trials[trial_id], search) for trial_id in sorted(trials)]


def _row(trial: Any, search: Search) -> Row:
    combination = combination_of(trial.hyperparameters.values)
    if trial.status != "COMPLETED":
        state = f"failed: {trial.message}" if trial.status == "FAILED" else RUNNING
        return Row(trial.trial_id, combination, state)
    metrics = trial.metrics
    scores = {name: metrics.get_best_value(name) for name in SCORES if metrics.exists(name)}
    row = Row(trial.trial_id, combination, "completed", trial.score, **scores)
    if not row.background_only:
        return row
    early = search.options.stop_collapsed and scores["trained_epochs"] < combination.epochs
    return dataclasses.replace(row, state=f"background only{', ended early' if early else ''}")


def ranked(rows: Iterable[Row], search: Search) -> list[Row]:
    """Best first; then those that found no muscle, whatever their mIoU; then those not scored."""
    sign = 1 if is_loss(search.options.objective) else -1

    def key(row: Row) -> tuple[bool, bool, float]:
        return row.objective is None, row.background_only, sign * (row.objective or 0.0)

    return sorted(rows, key=key)


def published_scores(
    rows: Iterable[Row], data: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """Published validation loss and mIoU of our values, by trial; none beside other classes."""
    if data["synthetic"] or not published.has_published_classes(data["class_names"]):
        return {}
    known = {
        Combination(one.learning_rate, one.batch_size, one.optimizer, one.epochs): one
        for one in published.TRIALS
    }
    twins = {row.trial: known[row.combination] for row in rows if row.combination in known}
    return {trial: (twin.val_loss, twin.val_mean_iou) for trial, twin in twins.items()}


def write_results(
    folder: SearchFolder, rows: Sequence[Row], search: Search, environment: Mapping[str, Any]
) -> None:
    """Writes results.csv, results.md and, once a trial has completed, best.yaml.

    `environment` has versions and the like, and `data`: what is known of the export, with
    `synthetic` (bool), `class_names` and `floor_mean_iou` (of the validation photos).
    """
    write_text(folder.results_csv, _csv_text(rows, environment["data"]))
    write_text(folder.results_page, "\n\n".join(_page(folder, rows, search, environment)) + "\n")
    best = ranked(rows, search)[:1]
    if best and best[0].objective is not None:
        options = search.config(best[0].combination).flat()
        comment = (
            f"# The best of the search {search.name}: trial {best[0].trial}, "
            f"{search.options.objective} {best[0].objective:.4f}.\n"
        )
        write_text(folder.best, comment + yaml.safe_dump(options, sort_keys=False))


def _csv_text(rows: Sequence[Row], data: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["trial", *SEARCHED, *SCORES, "state", "published_val_loss", "published_val_mean_iou"]
    )
    twins = published_scores(rows, data)
    for row in rows:
        values = vars(row.combination).values()
        scores = (_cell(getattr(row, name), ".6g") for name in SCORES)
        writer.writerow([row.trial, *values, *scores, row.state, *twins.get(row.trial, ("", ""))])
    return text.getvalue()


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _epochs(row: Row) -> str:
    trained, asked = row.trained_epochs, row.combination.epochs
    return f"{trained:g} of {asked}" if trained is not None and trained < asked else str(asked)


# The report's columns, then ours.
COLUMNS: dict[str, Callable[[Row], str]] = {
    "Learning Rate": lambda row: f"{row.combination.learning_rate:g}",
    "Batch Size": lambda row: str(row.combination.batch_size),
    "Optimizer": lambda row: OPTIMIZER_NAMES[row.combination.optimizer],
    "Val Loss": lambda row: _cell(row.val_loss, ".4f"),
    "Val mIoU": lambda row: _cell(row.val_mean_iou, ".4f"),
    "Epochs": _epochs,
    "Foreground mIoU": lambda row: _cell(row.val_foreground_mean_iou, ".4f"),
    "Best Epoch": lambda row: _cell(row.best_epoch, "g"),
    "Seconds": lambda row: _cell(row.seconds, ".0f"),
    "Trial": lambda row: row.trial,
    "State": lambda row: row.state,
}
TERMINAL_COLUMNS = (  # what a terminal has room for
    *("Trial", "Learning Rate", "Batch Size", "Optimizer", "Epochs", "Val mIoU"),
    *("Foreground mIoU", "State"),
)


def table_rows(rows: Sequence[Row], search: Search, data: Mapping[str, Any]) -> Iterator[list[str]]:
    """The header and the lines of the page's table, best first."""
    twins = published_scores(rows, data)
    yield [*COLUMNS, *(("Published Val Loss", "Published Val mIoU") if twins else ())]
    for row in ranked(rows, search):
        beside = map(str, twins.get(row.trial, ("", ""))) if twins else ()
        yield [*(cell(row) for cell in COLUMNS.values()), *beside]


def short_table(rows: Sequence[Row], search: Search) -> Table:
    """The table for a terminal, best first."""
    body = ([COLUMNS[name](row) for name in TERMINAL_COLUMNS] for row in ranked(rows, search))
    return terminal_table([TERMINAL_COLUMNS, *body])


def _page(
    folder: SearchFolder, rows: Sequence[Row], search: Search, environment: Mapping[str, Any]
) -> Iterator[str]:
    data = environment["data"]
    yield f"# Search {search.name}"
    if data["synthetic"]:
        yield SYNTHETIC
    yield from _summary(rows, search, data)
    lines = list(table_rows(rows, search, data))
    yield markdown_table(lines)
    yield (
        "Scores are those of the epoch with the best validation mIoU, whose weights a training "
        f"keeps. Trials are ranked by {search.options.objective}, those that found nothing last. "
        "Foreground mIoU leaves the background out and is the number to compare models by."
    )
    if "Published Val Loss" in lines[0]:
        yield (
            f"Published: {published.CITATION}, on its own 480 training photos; the authors do not "
            "say of which epoch."
        )
    yield from figure_parts(folder.figures, FIGURES)
    yield "## Again"
    best, path = (shlex.quote(str(one)) for one in (folder.best, folder.path))
    yield (
        f"Train the best combination: `python -m tf_muscle.train --config {best}`. Curves of all "
        f"trials, and each trial as a line through its values to its scores (HPARAMS, parallel "
        f"coordinates): `tensorboard --logdir {path}`."
    )
    yield "## Settings"
    yield markdown_table(
        named_values({k: v for k, v in search.flat().items() if k not in ONCE}), align="---"
    )
    yield "## Environment"
    yield markdown_table(
        named_values({k: v for k, v in environment.items() if k != "data"}), align="---"
    )


def _summary(rows: Sequence[Row], search: Search, data: Mapping[str, Any]) -> Iterator[str]:
    """What came out, in sentences."""
    scored = [row for row in ranked(rows, search) if row.objective is not None]
    failed = sum(row.state.startswith("failed") for row in rows)
    running = sum(row.state == RUNNING for row in rows)
    total = f"{len(scored)} of {search.max_trials() or len(rows)} trials completed"
    total += f", {failed} failed" if failed else ""
    yield total + (f", {running} not ended yet." if running else ".")
    if scored:
        best = scored[0]
        values = ", ".join(f"{name} {value}" for name, value in vars(best.combination).items())
        yield (
            f"Best: trial {best.trial}, {values}, with validation mIoU {best.val_mean_iou:.4f} and "
            f"foreground mIoU {best.val_foreground_mean_iou:.4f}."
        )
    collapsed = sum(row.background_only for row in rows)
    if collapsed:
        at_floor = sum(t.val_mean_iou <= published.FLOOR_MEAN_IOU for t in published.TRIALS)
        yield (
            f"> **{collapsed} of {len(scored)} trials are background only**: they found next to no "
            f"muscle, which scores an mIoU of {data['floor_mean_iou']:.4f} on these photos (the "
            f"floor). Of the {len(published.TRIALS)} published trials {at_floor} ended at theirs."
        )
