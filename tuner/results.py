"""The trials as tables: results.csv, results.md, best.yaml. Needs no TensorFlow."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.console import JustifyMethod
from rich.table import Table

from tf_muscle.atomic import replacing
from tf_muscle.model.metrics import BACKGROUND_ONLY_RECALL
from tf_muscle.report import published
from tf_muscle.report.tables import SYNTHETIC, markdown_table, named_values
from tuner.folder import RUNNING, SearchFolder
from tuner.options import OPTIMIZER_NAMES, SEARCHED, Combination, Search, combination_of

FIGURES = {
    "parallel_coordinates.png": "Each line is a trial: its values from left to right, and its "
    "score. Trials with the same value cross its bar, the best on top.",
    "hyperparameter_effects.png": "Each dot is a trial. The dark line is the mean over all trials "
    "with that value, whatever their other values.",
    "best_learning_curves.png": "The best trial, epoch by epoch.",
}

TERMINAL_COLUMNS = (
    "Trial",
    "Learning Rate",
    "Batch Size",
    "Optimizer",
    "Epochs",
    "Val mIoU",
    "Foreground mIoU",
    "State",
)
ONCE = ("name", "retrain", "dry_run")  # options that say nothing about the results
PUBLISHED_COLUMNS = ("published_val_loss", "published_val_mean_iou")


@dataclasses.dataclass(frozen=True)
class Row:
    """One trial. Scores are those of its epoch with the best validation mIoU, the mean over its
    executions; None until it has completed.

    Attributes:
        trial: id.
        combination: its values.
        objective: what it is ranked by.
        val_loss: of the loss that was trained with.
        val_mean_iou: over all classes, background included.
        val_foreground_mean_iou: without background.
        val_mean_class_accuracy: what the original work calls accuracy.
        val_foreground_pixel_accuracy: share of the foreground pixels given their right class.
        best_epoch: from 1.
        trained_epochs: fewer than asked for if the trial ended early.
        seconds: of training and validation.
        state: in words.
    """

    trial: str
    combination: Combination
    state: str
    objective: float | None = None
    val_loss: float | None = None
    val_mean_iou: float | None = None
    val_foreground_mean_iou: float | None = None
    val_mean_class_accuracy: float | None = None
    val_foreground_pixel_accuracy: float | None = None
    best_epoch: float | None = None
    trained_epochs: float | None = None
    seconds: float | None = None

    @property
    def background_only(self) -> bool:
        """Whether the trial found next to no muscle."""
        found = self.val_foreground_pixel_accuracy
        return found is not None and found < BACKGROUND_ONLY_RECALL


SCORES = tuple(
    field.name
    for field in dataclasses.fields(Row)
    if field.name not in ("trial", "combination", "state", "objective")
)


def rows_of(trials: Mapping[str, Any], search: Search) -> list[Row]:
    """The rows of KerasTuner's trials, in the order of their numbers."""
    return [_row(trials[trial_id], search) for trial_id in sorted(trials)]


def _row(trial: Any, search: Search) -> Row:
    combination = combination_of(trial.hyperparameters.values)
    if trial.status != "COMPLETED":
        failed = trial.status == "FAILED"
        return Row(trial.trial_id, combination, f"failed: {trial.message}" if failed else RUNNING)
    scores = {name: trial.metrics.get_best_value(name) for name in SCORES}
    row = Row(trial.trial_id, combination, "completed", trial.score, **scores)
    if row.background_only:
        early = search.options.stop_collapsed and scores["trained_epochs"] < combination.epochs
        state = "background only, ended early" if early else "background only"
        return dataclasses.replace(row, state=state)
    return row


def ranked(rows: Iterable[Row], search: Search) -> list[Row]:
    """Best first; then those that found no muscle, whatever their mIoU; then those not scored."""
    sign = 1 if search.options.objective.endswith("loss") else -1

    def key(row: Row) -> tuple[bool, bool, float]:
        return row.objective is None, row.background_only, sign * (row.objective or 0.0)

    return sorted(rows, key=key)


def published_twins(rows: Iterable[Row], data: Mapping[str, Any]) -> dict[str, published.Trial]:
    """The published trials with the values of ours, by our trial; none beside other classes."""
    if data["synthetic"] or not published.has_published_classes(data["class_names"]):
        return {}
    known = {
        Combination(one.learning_rate, one.batch_size, one.optimizer, one.epochs): one
        for one in published.TRIALS
    }
    return {row.trial: known[row.combination] for row in rows if row.combination in known}


def write_results(
    folder: SearchFolder, rows: Sequence[Row], search: Search, environment: Mapping[str, Any]
) -> None:
    """Writes results.csv, results.md and, once a trial has completed, best.yaml.

    Args:
        folder: of the search.
        rows: of `rows_of`.
        search: the options.
        environment: versions and the like; `data`: what is known of the export, with `synthetic`
            (bool), `class_names` and `floor_mean_iou` (of the validation photos).
    """
    _write(folder.results_csv, _csv_text(rows, environment["data"]))
    _write(folder.results_page, "\n\n".join(_page(folder, rows, search, environment)) + "\n")
    best = ranked(rows, search)[:1]
    if best and best[0].objective is not None:
        options = search.config(best[0].combination).flat()
        comment = (
            f"# The best of the search {search.name}: trial {best[0].trial}, "
            f"{search.options.objective} {best[0].objective:.4f}.\n"
        )
        _write(folder.best, comment + yaml.safe_dump(options, sort_keys=False))


def _write(path: Path, text: str) -> None:
    """Writes a file in one move, so that a kill never leaves half of it."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="")


def _csv_text(rows: Sequence[Row], data: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", *SEARCHED, *SCORES, "state", *PUBLISHED_COLUMNS])
    twins = published_twins(rows, data)
    for row in rows:
        twin = twins.get(row.trial)
        writer.writerow(
            [
                row.trial,
                *(getattr(row.combination, name) for name in SEARCHED),
                *(_cell(getattr(row, name), ".6g") for name in SCORES),
                row.state,
                *((twin.val_loss, twin.val_mean_iou) if twin else ("", "")),
            ]
        )
    return text.getvalue()


def table_rows(
    rows: Sequence[Row], search: Search, environment: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table: the report's columns, then ours. Best first."""
    twins = published_twins(rows, environment["data"])
    header = ["Learning Rate", "Batch Size", "Optimizer", "Val Loss", "Val mIoU", "Epochs"]
    header += ["Foreground mIoU", "Best Epoch", "Seconds", "Trial", "State"]
    if twins:
        header += ["Published Val Loss", "Published Val mIoU"]
    yield tuple(header)
    for row in ranked(rows, search):
        values = row.combination
        trained = row.trained_epochs
        short = trained is not None and trained < values.epochs
        cells = [
            f"{values.learning_rate:g}",
            str(values.batch_size),
            OPTIMIZER_NAMES[values.optimizer],
            _cell(row.val_loss, ".4f"),
            _cell(row.val_mean_iou, ".4f"),
            f"{trained:g} of {values.epochs}" if short else str(values.epochs),
            _cell(row.val_foreground_mean_iou, ".4f"),
            _cell(row.best_epoch, "g"),
            _cell(row.seconds, ".0f"),
            row.trial,
            row.state,
        ]
        if twins:
            twin = twins.get(row.trial)
            cells += [f"{twin.val_loss}", f"{twin.val_mean_iou}"] if twin else ["", ""]
        yield tuple(cells)


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def terminal_table(rows: Sequence[Row], search: Search, environment: Mapping[str, Any]) -> Table:
    """The columns of results.md that a terminal has room for."""
    header, *lines = table_rows(rows, search, environment)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in TERMINAL_COLUMNS:
        justify: JustifyMethod = "left" if name in ("Optimizer", "State") else "right"
        table.add_column(name.replace(" ", "\n"), justify=justify)
    for line in lines:
        table.add_row(*(line[header.index(name)] for name in TERMINAL_COLUMNS))
    return table


def _page(
    folder: SearchFolder, rows: Sequence[Row], search: Search, environment: Mapping[str, Any]
) -> Iterator[str]:
    data = environment["data"]
    yield f"# Search {search.name}"
    if data["synthetic"]:
        yield SYNTHETIC
    yield from _summary(rows, search, data)
    lines = list(table_rows(rows, search, environment))
    yield markdown_table(lines)
    yield (
        "Scores are those of the epoch with the best validation mIoU, whose weights a training "
        f"keeps. Trials are ranked by {search.options.objective}, those that found nothing last. "
        "Foreground mIoU leaves the background out and is the number to judge by."
    )
    if "Published Val Loss" in lines[0]:
        yield (
            f"Published: {published.CITATION}, on its own 480 training photos; the authors do not "
            "say of which epoch."
        )
    shown = [name for name in FIGURES if (folder.figures / name).exists()]
    if shown:
        yield "## Pictures"
    for name in shown:
        yield f"![{name.removesuffix('.png').replace('_', ' ')}](figures/{name})"
        yield FIGURES[name]
    yield "## Again"
    yield (
        f"Train the best combination: `python -m tf_muscle.train --config {folder.best}`. Curves "
        f"of all trials: `tensorboard --logdir {folder.path}`."
    )
    yield "## Settings"
    options = {k: v for k, v in search.flat().items() if k not in ONCE}
    yield markdown_table(named_values(options), align="---")
    yield "## Environment"
    machine = {name: value for name, value in environment.items() if name != "data"}
    yield markdown_table(named_values(machine), align="---")


def _summary(rows: Sequence[Row], search: Search, data: Mapping[str, Any]) -> Iterator[str]:
    """What came out, in sentences."""
    count = search.max_trials()
    scored = [row for row in ranked(rows, search) if row.objective is not None]
    failed = sum(row.state.startswith("failed") for row in rows)
    running = sum(row.state == RUNNING for row in rows)
    total = f"{len(scored)} of {count or len(rows)} trials completed"
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
        floor = data["floor_mean_iou"]
        at_floor = sum(t.val_mean_iou <= published.FLOOR_MEAN_IOU for t in published.TRIALS)
        yield (
            f"> **{collapsed} of {len(scored)} trials are background only**: they found next to no "
            f"muscle, which scores an mIoU of {floor:.4f} on these photos (the floor). Of the "
            f"{len(published.TRIALS)} published trials {at_floor} ended at theirs."
        )
