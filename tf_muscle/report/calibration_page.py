"""The page of a calibration: what was chosen, and how the run does with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_muscle.atomic import write_text
from tf_muscle.model.calibrating import Step
from tf_muscle.report.markdown import markdown_table
from tf_muscle.report.score_rows import (
    SCORE_LABELS,
    SPLIT_LABELS,
    error_rows,
    format_interval,
    format_iou,
)
from tf_muscle.report.tables import SYNTHETIC
from tf_muscle.runs.calibration import Calibration

STEPS = {
    "tta": "test-time augmentation",
    "thresholds": "thresholds",
    "smallest_area": "smallest area",
}
SCORES = ("foreground_mean_iou", "mean_iou")
PHOTOS = SPLIT_LABELS | {"out_of_fold": "out-of-fold"}  # whose scores there are
WHOSE = {
    True: "The validation scores are of the photos that decided, so only the test scores tell "
    "whether the calibration helps.",
    False: "Each photo is scored as the model sees it that was not trained on it, but all of them "
    "decided, so new photos will gain less. The mean of the folds, which uses the settings, is not "
    "scored: it has seen every photo.",
}


def write_calibration_page(
    path: Path,
    calibration: Calibration,
    steps: Mapping[str, Step],
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    class_names: Sequence[str],
    *,
    chosen_on: int,
    figure: str,
    synthetic: bool,
) -> None:
    """Writes calibration.md.

    Args:
        path: the page.
        calibration: what was chosen.
        steps: "tta", "thresholds", "smallest_area" -> what became of it.
        scores: "valid" and "test", or "out_of_fold" -> "before" and "after" -> scores at the
            photos' own size, see `training.calibrate`.
        class_names: K names.
        chosen_on: photos that it was chosen on.
        figure: name of the reliability diagram beside the page.
        synthetic: the photos are rendered.
    """
    columns = {
        f"{PHOTOS[split]}, {when}": record
        for split, pair in scores.items()
        for when, record in pair.items()
    }
    errors = {label: record["calibration_error"] for label, record in columns.items()}
    parts = [
        f"# Calibration of {path.parent.resolve().name}",
        *([SYNTHETIC] if synthetic else []),
        f"Chosen on {chosen_on} {PHOTOS[next(iter(scores))]} photos: "
        f"{calibration.described(class_names)}.",
        markdown_table(
            [
                ("setting", "gain", "its standard error", "kept"),
                *(
                    (label, f"{step.gain:+.4f}", f"{step.error:.4f}", "yes" if step.kept else "no")
                    for label, step in ((STEPS[name], step) for name, step in steps.items())
                ),
            ]
        ),
        "The gain is in foreground mIoU, of photos that the setting was not chosen on (five parts, "
        "each marked with what is best for the other four). A setting is kept if its gain is "
        "larger than its standard error over the photos.",
        "## Scores at the photos' own size",
        markdown_table(
            [
                ("", *columns),
                *(
                    (
                        SCORE_LABELS[name],
                        *(format_interval(record, name) for record in columns.values()),
                    )
                    for name in SCORES
                ),
                *(
                    (
                        f"IoU {name}",
                        *(format_iou(record["iou"][name]) for record in columns.values()),
                    )
                    for name in class_names
                ),
            ]
        ),
        f"In parentheses: the 95% bootstrap interval over the photos. {WHOSE['valid' in scores]}",
        "## Calibration error",
        markdown_table(error_rows(errors)),
        "Expected calibration error, 0 to 1: how far, on average, the probability of a pixel's "
        "likeliest class is from the share of such pixels that are right. The temperature is "
        "fitted to the marked pixels, and can make the probabilities of the background worse.",
        f"![reliability]({figure})",
        "The closer to the dashed line, the more a probability can be believed; below it the model "
        "is too sure. Larger dots stand for more pixels.",
    ]
    write_text(path, "\n\n".join(parts) + "\n")
