"""The report of a cross-validation: one page over all photos, with the folds beside each other."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_muscle.atomic import write_text
from tf_muscle.model.metrics import background_only_sentence
from tf_muscle.report.markdown import (
    again,
    figure_parts,
    markdown_table,
    named_values,
    terminal_table,
)
from tf_muscle.report.score_rows import (
    OWN_SIZE_SCORES,
    SCORE_LABELS,
    format_interval,
    format_iou,
    format_score,
)
from tf_muscle.report.tables import SYNTHETIC, teacher_warning
from tf_muscle.runs.environment import Environment
from tf_muscle.runs.folds import Folds

FEW_GROUPS = 20  # below that, a percentile bootstrap is known to be too narrow

FIGURES = {
    "fold_scores.png": "Each dot is a fold: its model, tested on its own photos. The dark mark is "
    "the score over all photos together, which is no mean of the dots, since it counts pixels.",
    "best_and_worst.png": "The photos with the highest and with the lowest foreground mIoU, each "
    "as the model saw it that had not been trained on it; photos with no annotated and no marked "
    "pixel are left out.",
    "confusion_heatmap.png": "What the models made of the pixels of each true class, over all "
    "photos: percent of the row, and number of pixels. The diagonal is right. The first column was "
    "missed; the first row was marked where there is no muscle.",
}


def write_fold_report(
    path: Path,
    options: Mapping[str, Any],
    environment: Environment,
    folds: Folds,
    record: Mapping[str, Any],
) -> Path:
    """Writes the report of a run with folds.

    Args:
        path: report.md in the run's folder, beside figures/ with the names in `FIGURES`.
        options: the resolved options by their names.
        environment: of the first fold.
        folds: which photo is in which fold.
        record: the content of metrics.json.

    Returns:
        `path`.
    """
    whole = record["out_of_fold"]
    groups = whole["group_count"]
    parts = [
        f"# Report of {path.parent.resolve().name}: {folds.count} folds",
        *([SYNTHETIC] if environment.synthetic else []),
        *teacher_warning(environment),
        markdown_table(score_rows(record)),
        f"Every one of the {whole['image_count']} photos was tested once, by a model that had seen "
        "neither it nor its group. *All photos* are scored together, as one test split would be. "
        f"In parentheses: the 95% bootstrap interval over the {groups} groups, each drawn whole. "
        "It covers which groups happen to be tested, not another training."
        + (
            f" With fewer than {FEW_GROUPS} groups it is more likely too narrow than too wide."
            if groups < FEW_GROUPS
            else ""
        ),
        *_warnings(record),
        "Mean and standard deviation are over the folds, each by itself. The folds share most of "
        "their training photos, so the deviation divided by the root of their number is no "
        "standard error of the mean.",
        "## Each fold",
        markdown_table(_each_fold(record)),
        "The report of each fold is in its folder: its learning curves, its epoch, its model.",
        "## Each class",
        markdown_table(_class_rows(record)),
        *figure_parts(path.parent / "figures", FIGURES),
        "## Masks and probabilities",
        "`out_of_fold/SPLIT/FILE.png` is the mask of a photo at its own size, of class ids; "
        "`FILE.npz` has `probabilities`, float16 [S, S, K], at the network's size; `photos.csv` "
        "the IoU of each photo. `folds.json` says which photo is in which group and fold.",
        "## Data",
        *_data_parts(options, environment, folds, groups),
        "## Settings",
        markdown_table(named_values(options), align="---"),
        "## Again",
        again(path.parent),
    ]
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def fold_table(record: Mapping[str, Any]) -> Table:
    """The table that opens the report, for a terminal."""
    return terminal_table(score_rows(record))


def score_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table of scores."""
    whole = record["out_of_fold"]
    yield "", "all photos", "mean of folds", "standard deviation"
    for score, label in SCORE_LABELS.items():
        mean, deviation = (record[kind][score] for kind in ("mean", "standard_deviation"))
        yield (
            label,
            format_interval(whole, score),
            format_score(score, mean),
            "" if deviation is None else format_score(score, deviation),
        )
    for score in OWN_SIZE_SCORES:
        label = f"{SCORE_LABELS[score]} at the photos' own size"
        yield label, format_interval(whole["own_size"], score), "", ""
    yield "floor of mIoU", f"{whole['floor_mean_iou']:.4f}", "", ""
    yield "photos", str(whole["image_count"]), "", ""
    yield "groups", str(whole["group_count"]), "", ""


def _each_fold(record: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    shown = ("foreground_mean_iou", "mean_iou", "loss")
    yield "fold", "photos", "groups", *(SCORE_LABELS[score] for score in shown)
    for fold in record["folds"]:
        number = fold["fold"]
        counts = (str(fold["image_count"]), str(fold["group_count"]))
        values = (format_score(score, fold[score]) for score in shown)
        yield f"[{number}](fold_{number}/report.md)", *counts, *values


def _class_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    numbers = [fold["fold"] for fold in record["folds"]]
    yield (
        "IoU", "all photos", "mean of folds", "standard deviation", *(f"fold {n}" for n in numbers)
    )  # fmt: skip
    kinds = [record[kind] for kind in ("out_of_fold", "mean", "standard_deviation")]
    for name in record["out_of_fold"]["iou"]:
        values = [one["iou"][name] for one in (*kinds, *record["folds"])]
        yield name, *map(format_iou, values)


def _warnings(record: Mapping[str, Any]) -> list[str]:
    """Says which models found nothing; no paragraph if there is none."""
    lines = [
        f"> **fold {fold['fold']}: "
        f"{background_only_sentence(fold['mean_iou'], fold['floor_mean_iou'])}**"
        for fold in record["folds"]
        if fold["background_only"]
    ]
    return ["\n>\n".join(lines)] if lines else []


def _data_parts(
    options: Mapping[str, Any], environment: Environment, folds: Folds, groups: int
) -> Iterator[str]:
    info = environment.info
    yield f"`{environment.data}`, content fingerprint `{info.fingerprint}`."
    splits = dict.fromkeys(photo.split for photo in folds.photos)
    counts = ", ".join(f"{sum(p.split == split for p in folds.photos)} {split}" for split in splits)
    yield f"All {len(folds.photos)} photos take part, whatever folder they are in ({counts})."
    if options["groups"] is None:
        yield (
            f"The {groups} groups are photos that look alike, copies of one photo and neighbouring "
            "frames of a video. Photos of one person are no group of these: name the person, "
            "session or video by `--groups`, or the scores may be those on people seen in training."
        )
    else:
        yield f"The {groups} groups are those of `--groups {options['groups']}`."
    if info.notes:
        yield "\n".join(f"- {note}" for note in info.notes)
