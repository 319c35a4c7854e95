"""What a run scored, as text: report.md, and a table for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_muscle.atomic import write_text
from tf_muscle.model.metrics import background_only_sentence
from tf_muscle.model.reliability import BINS
from tf_muscle.report import published
from tf_muscle.report.history import best_epoch, ended_in_nan
from tf_muscle.report.markdown import (
    again,
    figure_parts,
    markdown_table,
    named_values,
    terminal_table,
)
from tf_muscle.report.score_rows import (
    SPLIT_LABELS,
    Metrics,
    class_rows,
    error_rows,
    format_score,
    score_rows,
    split_headers,
)
from tf_muscle.runs.environment import EncoderStart, Environment

# The figures that a report shows if they are in the run's folder, and what to look for in each.
FIGURES = {
    "before_after.png": "The same test photos with their true mask, and with the masks that the "
    "model gave before and after training. IoU is the foreground mIoU of that one photo.",
    "best_and_worst.png": "The test photos with the highest and with the lowest foreground mIoU; "
    "photos with no annotated and no marked pixel are left out.",
    "learning_curves.png": "Scores of the validation photos far below those of the training photos "
    "mean overfitting. The dashed line is the mIoU of a model that marks nothing. Training scores "
    "are taken during the epoch, on augmented photos, so they can lie below those of the first "
    "table.",
    "class_iou_bars.png": "IoU of each class: the pixels that are both marked and annotated, "
    "divided by those that are either.",
    "reliability_diagram.png": "How often a pixel's likeliest class is right, against the "
    "probability that the model gave it; larger dots stand for more pixels. Below the dashed line "
    "the model is too sure of itself.",
    "confusion_heatmap.png": "What the model made of the pixels of each true class, in the test "
    "photos: percent of the row, and number of pixels. The diagonal is right. The first column was "
    "missed; the first row was marked where there is no muscle.",
}

SYNTHETIC = (
    "**Every photo is synthetic**: rendered, with masks drawn by rule. The scores show that the "
    "program works, not how well it does on photos of people."
)


def results_table(metrics: Metrics, *, synthetic: bool = False) -> Table:
    """The table that opens the report, for a terminal.

    Args:
        metrics: split -> record of `score_records.summarize`.
        synthetic: the photos are rendered.
    """
    return terminal_table(score_rows(metrics, synthetic=synthetic))


def write_report(
    path: Path,
    options: Mapping[str, Any],
    environment: Environment,
    metrics: Metrics,
    history: Mapping[str, Sequence[float]],
) -> Path:
    """Writes the report of a run.

    Args:
        path: report.md in the run's folder, beside figures/ with the names in `FIGURES`.
        options: the resolved options by their names.
        environment: of the run.
        metrics: split -> record of `score_records.summarize`, for train, valid and test. A test
            score is shown with the interval that its record has for it.
        history: the columns of history.csv, see `tf_muscle.report.history`.

    Returns:
        `path`.
    """
    run_dir = path.parent
    synthetic = environment.synthetic
    class_names = environment.info.class_names
    published_beside = not synthetic and published.has_published_classes(class_names)
    scores = score_rows(metrics, synthetic=synthetic, published_beside=published_beside)
    machine = {name: value for name, value in environment.to_json().items() if name != "data"}
    parts = [
        f"# Report of {run_dir.resolve().name}",
        markdown_table(scores),
        interval_note(metrics, synthetic),
        *warnings(metrics, synthetic),
        _reading(
            metrics,
            history,
            environment.encoder_weights,
            tie=options.get("tie", 0.0),
            size=options["image_size"],
            synthetic=synthetic,
        ),
        *(_published_parts() if published_beside else ()),
        "## Each class",
        markdown_table(class_rows(metrics, synthetic=synthetic)),
        "IoU counts the pixels that are both marked and true, divided by those that are either; "
        "Dice is 2 IoU / (1 + IoU). *Absent*: neither true nor marked in any image of the split.",
        *_calibration_parts(metrics),
        *figure_parts(run_dir / "figures", FIGURES),
        "## Data",
        *data_parts(environment),
        "## Settings",
        markdown_table(named_values(options), align="---"),
        "## Environment",
        markdown_table(named_values(machine), align="---"),
        "## Again",
        again(run_dir),
    ]
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def interval_note(metrics: Metrics, synthetic: bool) -> str:
    """What the intervals of the test scores say."""
    return (
        f"In parentheses: the 95% bootstrap interval over the {metrics['test']['image_count']} "
        f"{'synthetic ' if synthetic else ''}test images. It covers which images happen to be "
        "tested, not another training run. Photos of one person are alike, so it is more likely "
        "too narrow than too wide."
    )


def warnings(metrics: Metrics, synthetic: bool) -> list[str]:
    """Says of which splits the model found nothing; no paragraph if there is none."""
    headers = split_headers(metrics, synthetic=synthetic)
    lines = [
        f"> **{header}: {background_only_sentence(record['mean_iou'], record['floor_mean_iou'])}**"
        for header, record in zip(headers, metrics.values(), strict=True)
        if record["background_only"]
    ]
    if not lines:
        return []
    at_floor = sum(t.val_mean_iou <= published.FLOOR_MEAN_IOU for t in published.TRIALS)
    lines.append(
        f"> {at_floor} of the {len(published.TRIALS)} trials that the original work published "
        "ended there. More epochs, a loss with Dice, class weights and pretrained encoder weights "
        "are the ways out of it."
    )
    return ["\n>\n".join(lines)]


def _reading(
    metrics: Metrics,
    history: Mapping[str, Sequence[float]],
    encoder_weights: EncoderStart,
    *,
    tie: float,
    size: int,
    synthetic: bool,
) -> str:
    """What the first table says, in sentences."""
    test = metrics["test"]
    found = format_score("foreground_pixel_accuracy", test["foreground_pixel_accuracy"])
    confusion = test["confusion_matrix"]
    background = sum(confusion[0]) / sum(map(sum, confusion))
    above = test["mean_iou"] - test["floor_mean_iou"]
    sentences = (
        f"Of the annotated pixels in the {'synthetic ' if synthetic else ''}test images, {found} "
        "were given their right class (foreground pixel accuracy).",
        "**Foreground mIoU is the number to compare models by**: the overlap of marked and true "
        "pixels, 0 to 1, averaged over the classes without background. Background is "
        f"{background:.1%} of the test pixels and easy, and lifts every other score.",
        "mIoU counts background as one more class: a model that marks nothing already has "
        f"{test['floor_mean_iou']:.4f} (the floor), and this one is {abs(above):.3f} "
        f"{'above' if above >= 0 else 'below'} it.",
        *(
            [
                "The scores at the photos' own size are those of the masks that `predict` writes "
                "as long as the run is not calibrated; "
                f"the other scores are taken at {size}x{size} pixels, the network's own size."
            ]
            if "own_size" in test
            else []
        ),
        "Accuracy is the share of the pixels of a class that were given that class, averaged over "
        "the classes; marking too much hardly lowers it.",
        "Loss is what training minimised; compare it between runs with the same `loss` only.",
        f"Training took {len(history['loss'])} epochs"
        + (
            " and ended there, since the loss or the weights became NaN or infinite: lower "
            "`learning_rate`."
            if ended_in_nan(history)
            else "."
        )
        + f" Scored are the weights after epoch "
        f"{best_epoch(history, tie)}, which had the best validation mIoU"
        + (f" (within {tie} of the best, the later epoch wins)." if tie else "."),
        f"Encoder weights at the start: {encoder_weights}.",
    )
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _calibration_parts(metrics: Metrics) -> Iterator[str]:
    errors = {
        SPLIT_LABELS[split]: record["calibration_error"]
        for split, record in metrics.items()
        if "calibration_error" in record
    }
    if not errors:
        return
    yield "## Are the probabilities right?"
    yield markdown_table(error_rows(errors))
    yield (
        "Expected calibration error, 0 to 1: how far, on average, the probability of a pixel's "
        f"likeliest class is from the share of such pixels that are right, in {BINS} bins of "
        "probability. The background is most pixels and easy; the rows below it are those to look "
        "at. `python -m tf_muscle.evaluate RUN --calibrate` corrects the probabilities by a "
        "temperature and writes the scores before and after to calibration.md."
    )


def _published_parts() -> Iterator[str]:
    run = published.BEST_RUN
    yield "## Beside the original work"
    yield (
        f"{published.CITATION}: {run.optimizer.capitalize()}, learning rate {run.learning_rate}, "
        f"batch size {run.batch_size}, {run.epochs} epochs. A ~ marks its authors' estimates. What "
        "they call pixel accuracy stands beside the mean over the classes here: with 98% "
        "background, 57% of all pixels would hardly go with an mIoU of 0.52. Their README has "
        f"another run, with training and validation {published.OTHER_RUN}."
    )


def teacher_warning(environment: Environment) -> list[str]:
    """What is wrong with the scores because of the teacher; nothing if nothing is."""
    warning = environment.teacher.warning if environment.teacher else None
    return [f"**WARNING: {warning}.**"] if warning else []


def data_parts(environment: Environment) -> Iterator[str]:
    """How many images and pixels there are, and what the user should know of them."""
    info = environment.info
    if environment.synthetic:
        yield SYNTHETIC
    yield f"`{environment.data}`, content fingerprint `{info.fingerprint}`."
    counts = info.pixel_counts
    rows = [("", *(SPLIT_LABELS[split] for split in counts))]
    rows.append(("images", *(f"{info.num_examples[split]:,}" for split in counts)))
    for class_id, name in enumerate(info.class_names):
        shares = (f"{n[class_id]:,} ({n[class_id] / sum(n):.2%})" for n in counts.values())
        rows.append((f"{name}, pixels", *shares))
    yield markdown_table(rows)
    yield "Pixels are counted in the masks as exported, before they are resized."
    baked = ", ".join(info.baked_augmentation)
    notes = [f"Augmentation that the exported photos already carry: {baked}."] if baked else []
    notes += info.notes
    if environment.teacher:
        notes.append(f"Teacher, whose probabilities it has learned: `{environment.teacher.path}`.")
    notes += teacher_warning(environment)
    if notes:
        yield "\n".join(f"- {note}" for note in notes)
