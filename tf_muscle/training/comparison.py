"""Which of two runs is better, and whether that can be told from the photos at hand."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tf_muscle.errors import UserError, listed
from tf_muscle.model.bootstrap import LEAST_PAIRS, Difference, paired_differences
from tf_muscle.model.metrics import scores
from tf_muscle.report.score_rows import SCORE_LABELS
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_run, write_json
from tf_muscle.runs.folds import trained_runs
from tf_muscle.training.evaluation import new_evaluation, score_run
from tf_muscle.training.photo_choice import (
    PhotoChoice,
    groups_of,
    open_photos,
    refuse_other_photos,
)

WHAT_IT_COVERS = (
    "The interval covers which photos happen to be tested, not another training: two runs of one "
    "recipe differ, too, so compare several seeds before you call one recipe better than another."
)


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives: how far a run is above another on the same photos.

    Attributes:
        data: the export.
        split: "train", "valid" or "test".
        image_count: photos that both were scored on, at their own sizes.
        foreground_mean_iou: the run's minus the other's; it decides.
        mean_iou: the same of the mIoU with background.
        verdict: a sentence: which is better and by how much, or that it cannot be told.
        path: JSON file with all of it and both runs' scores.
    """

    data: str
    split: str
    image_count: int
    foreground_mean_iou: Difference
    mean_iou: Difference
    verdict: str
    path: Path


def compare(
    run: str | os.PathLike[str],
    against: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    *,
    allow_leakage: bool = False,
    ignore: int | None = None,
    batch_size: int = 16,
) -> Comparison:
    """Scores two runs on the same photos and tells which is better, if that can be told.

    It is printed and kept in the first run's folder. Each run sees the photos at the size that it
    was trained at, and is scored at their own sizes.

    Args:
        run: a finished run: its `RunFolder`, its path, or its name in runs/.
        against: another one with the same classes.
        data: path of another export, or "sample"; by default the runs' own.
        split: "train", "valid" or "test"; by default test, or the only split of another export.
        allow_leakage: bool, go on although copies of one photo stand in two splits.
        ignore: int 1 to 255, mask value of pixels that nobody labelled; by default the run's own.
        batch_size: int from 1, photos at a time; it does not change the scores.

    Returns:
        `Comparison`.

    Raises:
        UserError: a run is not finished, the two have other classes or held out other photos, or
            the export is gone or cannot be used.

    Examples:
        >>> import tf_muscle
        >>> comparison = tf_muscle.compare("runs/mine", "runs/mine", split="valid")
        >>> comparison.foreground_mean_iou.value, comparison.foreground_mean_iou.high
        (0.0, 0.0)
        >>> comparison.verdict[:36]
        'no difference can be told from 4 pho'
    """
    run, other = find_run(run), find_run(against)
    asked = PhotoChoice(os.fspath(data) if data else None, split, allow_leakage, ignore)
    scorers, other_scorers = asked.scorers(run), asked.scorers(other)
    _refuse_other_classes(trained_runs(run)[0], trained_runs(other)[0])
    if len(scorers) != len(other_scorers):
        raise UserError(
            f"{run.path} and {other.path} have not the same folds, so no photo is held out by "
            "both: give both runs the same photos by --data, with photos that neither of them was "
            "trained on"
        )
    confusions: tuple[list[np.ndarray], list[np.ndarray]] = [], []  # of the two runs
    photo_names: list[tuple[str, str]] = []
    for pair in zip(scorers, other_scorers, strict=True):
        photos = open_photos(pair[0], asked)
        for one in trained_runs(pair[1]):
            refuse_other_photos(one, photos, chosen=data is not None)
        photo_names += photos.names()
        for scorer, found in zip(pair, confusions, strict=True):
            scored = score_run(scorer, photos, batch_size)
            found += [one.own_confusion for one in scored if one.own_confusion is not None]
    models = [np.stack(found) for found in confusions]
    image_count = len(photo_names)
    differences = paired_differences(models[0], models[1], groups_of(run, photo_names))
    totals = [scores(model.sum(axis=0).astype(float)) for model in models]
    names = (str(run.path), str(other.path))
    verdict = verdict_sentence(differences["foreground_mean_iou"], image_count, names)
    table = Table("at the photos' own size", *names, "difference (95 percent interval)")
    for score, difference in differences.items():
        cells = (f"{total[score]:.3f}" for total in totals)
        interval = f"({difference.low:+.3f} to {difference.high:+.3f})"
        table.add_row(SCORE_LABELS[score], *cells, f"{difference.value:+.3f} {interval}")
    Console().print(table)
    print(f"{verdict}\n{WHAT_IT_COVERS}")
    record = {
        "data": photos.data,
        "split": photos.split,
        "against": str(other.path),
        "image_count": image_count,
        "scores": [{score: float(total[score]) for score in differences} for total in totals],
        "differences": {score: dataclasses.asdict(one) for score, one in differences.items()},
        "verdict": verdict,
    }
    path = new_evaluation(run, photos, f"-against-{other.path.resolve().name}")
    write_json(path, record)
    return Comparison(
        data=photos.data,
        split=photos.split,
        image_count=image_count,
        verdict=verdict,
        path=path,
        **differences,
    )


def verdict_sentence(difference: Difference, image_count: int, names: tuple[str, str]) -> str:
    """Says which model is better, or that it cannot be told.

    Args:
        difference: of the foreground mIoU, the first model's minus the other's.
        image_count: photos that it was told from.
        names: of the two models.
    """
    counted = f"{image_count} photos"
    if difference.pair_count < image_count:
        counted += f", {difference.pair_count} of them independent"
    if difference.pair_count < LEAST_PAIRS:
        return (
            f"no difference can be told from {counted}: that takes {LEAST_PAIRS} independent ones "
            "at least, and many more where the difference is small"
        )
    if not difference.sign:
        return (
            f"no difference can be told from {counted}: {names[0]} minus {names[1]} is "
            f"{difference.value:+.3f} foreground mIoU, and anything from {difference.low:+.3f} to "
            f"{difference.high:+.3f} goes with them"
        )
    better, worse = names[:: difference.sign]
    bounds = sorted((abs(difference.low), abs(difference.high)))
    return (
        f"{better} is better than {worse} by {abs(difference.value):.3f} foreground mIoU "
        f"({bounds[0]:.3f} to {bounds[1]:.3f}) on {counted}"
    )


def _refuse_other_classes(run: RunFolder, other: RunFolder) -> None:
    ours, theirs = (read_environment(one).info.class_names for one in (run, other))
    if ours != theirs:
        raise UserError(
            f"{other.path} has the classes {listed(theirs)}, {run.path} has {listed(ours)}: only "
            "runs with the same classes, in the same order, can be compared"
        )
