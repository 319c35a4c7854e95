"""The rows of the score tables that report, model card and terminal have in common."""

from collections.abc import Iterator, Mapping
from typing import Any

from tf_muscle.report import published

Metrics = Mapping[str, Mapping[str, Any]]  # split -> record of `score_records.summarize`

SPLIT_LABELS = {"train": "training", "valid": "validation", "test": "test"}

SCORE_LABELS = {
    "loss": "loss",
    "mean_class_accuracy": "accuracy",  # as the original work calls it
    "mean_iou": "mIoU",
    "foreground_mean_iou": "foreground mIoU",
    "foreground_pixel_accuracy": "foreground pixel accuracy",
    "pixel_accuracy": "pixel accuracy",
}
OWN_SIZE_SCORES = ("mean_iou", "foreground_mean_iou")  # beside those at the network's size
PERCENT = {"mean_class_accuracy", "foreground_pixel_accuracy", "pixel_accuracy"}


def score_rows(
    metrics: Metrics, *, synthetic: bool, published_beside: bool = False
) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table of scores, one column a split.

    Args:
        metrics: split -> record of `score_records.summarize`; the test scores that have an interval
            in their record are shown with it.
        synthetic: the photos are rendered: say so in the header of each column.
        published_beside: follow each score by the published one.
    """
    yield "", *split_headers(metrics, synthetic=synthetic)
    for score, label in SCORE_LABELS.items():
        yield label, *(_score_cell(record, score, split) for split, record in metrics.items())
        if published_beside and score in published.SCORES:
            beside = dict(zip(SPLIT_LABELS, published.SCORES[score], strict=True))
            yield f"{label}, published", *(beside[split] for split in metrics)
    if any("own_size" in record for record in metrics.values()):
        for score in OWN_SIZE_SCORES:
            label = f"{SCORE_LABELS[score]} at the photos' own size"
            yield (
                label,
                *(
                    _score_cell(record["own_size"], score, split) if "own_size" in record else ""
                    for split, record in metrics.items()
                ),
            )
    floors = (f"{record['floor_mean_iou']:.4f}" for record in metrics.values())
    yield "floor of mIoU", *floors
    yield "images", *(str(record["image_count"]) for record in metrics.values())


def split_headers(metrics: Metrics, *, synthetic: bool) -> list[str]:
    """A column header for each split."""
    return [SPLIT_LABELS[split] + (" (synthetic)" if synthetic else "") for split in metrics]


def format_score(score: str, value: float) -> str:
    """A score in the digits that suit it; percent where the original work has percent."""
    if score == "loss":
        return f"{value:.4f}"
    return f"{value:.1%}" if score in PERCENT else f"{value:.3f}"


def format_interval(record: Mapping[str, Any], score: str) -> str:
    """A score of a record with its interval."""
    low, high = (
        format_score(score, bound).removesuffix("%") for bound in record["intervals"][score]
    )
    return f"{format_score(score, record[score])} ({low} to {high})"


def format_iou(value: float | None) -> str:
    """IoU or Dice of a class; None where neither the masks nor the model have it."""
    return "*absent*" if value is None else f"{value:.3f}"


def _score_cell(record: Mapping[str, Any], score: str, split: str) -> str:
    if split == "test" and score in record["intervals"]:
        return format_interval(record, score)
    return format_score(score, record[score])


def class_rows(metrics: Metrics, *, synthetic: bool) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table of IoU and Dice by class."""
    headers = split_headers(metrics, synthetic=synthetic)
    yield "class", *(f"{name} {split}" for name in ("IoU", "Dice") for split in headers)
    for class_name in next(iter(metrics.values()))["iou"]:
        values = (record[key][class_name] for key in ("iou", "dice") for record in metrics.values())
        yield class_name, *map(format_iou, values)


def error_rows(errors: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table of expected calibration errors.

    Args:
        errors: header of a column -> `Reliability.record`.
    """
    yield "pixels", *errors
    for key, label in (("all", "all pixels"), ("foreground", "pixels marked as a muscle")):
        yield label, *(_error_cell(record[key]) for record in errors.values())
    _, *muscles = next(iter(errors.values()))["classes"]
    for name in muscles:
        yield (
            f"marked as {name}",
            *(_error_cell(record["classes"][name]) for record in errors.values()),
        )


def _error_cell(error: float | None) -> str:
    return "*none*" if error is None else f"{error:.3f}"
