"""The folds put together: every photo as the model saw it that had not been trained on it."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from tf_muscle.atomic import replacing
from tf_muscle.config import Config
from tf_muscle.data.dataset import load_data
from tf_muscle.data.pipeline import as_arrays
from tf_muscle.model.loading import load_network
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.metrics import scores
from tf_muscle.model.score_records import mean_and_spread
from tf_muscle.report.csv_file import csv_writer
from tf_muscle.report.fold_plots import fold_scores
from tf_muscle.report.fold_report import fold_table, write_fold_report
from tf_muscle.report.photo_sheets import best_and_worst
from tf_muscle.report.plots import confusion_heatmap
from tf_muscle.roboflow.records import SPLITS, VOID
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, write_json
from tf_muscle.runs.folds import FoldPhoto, Folds
from tf_muscle.training.evaluation import PhotoScore, scored_photos, summarize_photos

EACH_SIDE = 4  # photos in each half of the figure of the best and the worst


@dataclass(frozen=True)
class TestedPhoto:
    """A photo of folds.json, and how well the model does that had not been trained on it."""

    photo: FoldPhoto
    score: PhotoScore


def put_together(run: RunFolder, config: Config, folds: Folds) -> None:
    """Writes masks, probabilities, figures, report and scores over all photos.

    metrics.json is written last: it marks the run as complete.

    Args:
        run: all of whose folds are complete.
        config: every option.
        folds: of the run.
    """
    environment = read_environment(run.fold_run(1))
    class_names = environment.info.class_names
    for left in (run.out_of_fold, run.figures):  # by an earlier process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with replacing(run.out_of_fold) as folder:
        folder.mkdir()
        tested = [
            photo
            for number in range(1, folds.count + 1)
            for photo in _test_fold(run, config, folds, number, folder)
        ]
        _write_table(folder / "photos.csv", tested, class_names)
    record = summarize_folds(tested, folds.count, class_names)
    with replacing(run.figures) as folder:
        folder.mkdir()
        synthetic = environment.synthetic
        _draw_figures(folder, run, config, tested, record, class_names, synthetic=synthetic)
    write_fold_report(run.report, config.flat(), environment, folds, record)
    write_json(run.metrics, record)
    Console().print(fold_table(record))


def _test_fold(
    run: RunFolder, config: Config, folds: Folds, number: int, folder: Path
) -> Iterator[TestedPhoto]:
    """Tests the model of a fold on its photos; writes each one's mask and probabilities."""
    fold = run.fold_run(number)
    data = load_data(config.data, folds.assignment(number), ["test"])
    examples = data.splits["test"]
    names = [one.decode() for one in examples.map(lambda e: e["file_name"]).as_numpy_iterator()]
    by_name = {photo.name: photo for photo in folds.photos}
    scored = scored_photos(
        load_network(fold.model),
        examples,
        len(data.class_names),
        SegmentationLoss.from_config(read_environment(fold).loss),
        geometry=data.geometry,
        own_sizes=data.own_sizes["test"],
    )
    for name, one in zip(names, scored, strict=True):
        assert one.own_class_ids is not None  # there are masks
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one.own_class_ids).save(f"{path}.png")
        np.savez_compressed(f"{path}.npz", probabilities=one.probabilities.astype(np.float16))
        yield TestedPhoto(by_name[name], one.score)


def summarize_folds(
    tested: Sequence[TestedPhoto], count: int, class_names: Sequence[str]
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        tested: every photo once.
        count: K, of folds.
        class_names: of the classes.

    Returns:
        `out_of_fold`: the record of `score_records.summarize` over all photos, with intervals over
        groups, and `group_count`; `folds`: the record of each fold, with its number, `fold`; `mean`
        and `standard_deviation` of these, see `score_records.mean_and_spread`.
    """

    def summary(photos: Sequence[TestedPhoto]) -> dict[str, Any]:
        groups = [one.photo.group for one in photos]
        record = summarize_photos([one.score for one in photos], class_names, groups)
        return {"group_count": len(set(groups)), **record}

    each = [
        {"fold": number, **summary([one for one in tested if one.photo.fold == number])}
        for number in range(1, count + 1)
    ]
    return {"out_of_fold": summary(tested), "folds": each, **mean_and_spread(each)}


def _write_table(path: Path, tested: Sequence[TestedPhoto], class_names: Sequence[str]) -> None:
    """Writes one row per photo: where it is from, its loss, and its IoU at its own size."""
    ious = [f"{name} IoU" for name in class_names]
    columns = ("split", "file_name", "group", "fold", "loss", "foreground_mean_iou", *ious)
    with csv_writer(path, columns) as write_row:
        for one in tested:
            photo, found = one.photo, scores(np.asarray(one.score.own_confusion, float))
            places = [photo.split, photo.file_name, photo.group, photo.fold]
            foreground = found["foreground_mean_iou"] if found["present"][1:].any() else ""
            values = zip(found["iou"], found["present"], strict=True)
            cells = [value if present else "" for value, present in values]
            write_row([*places, one.score.loss, foreground, *cells])


def _draw_figures(
    folder: Path,
    run: RunFolder,
    config: Config,
    tested: Sequence[TestedPhoto],
    record: Mapping[str, Any],
    class_names: Sequence[str],
    *,
    synthetic: bool,
) -> None:
    """Draws the pictures of the report into a folder."""
    fold_scores(record, folder / "fold_scores.png", synthetic=synthetic)
    confusion_heatmap(
        np.array(record["out_of_fold"]["confusion_matrix"]),
        class_names,
        folder / "confusion_heatmap.png",
        synthetic=synthetic,
    )
    with_muscle = [one for one in tested if one.score.confusion[0, 0] < one.score.confusion.sum()]
    ranked = sorted(
        with_muscle,
        key=lambda one: float(scores(one.score.confusion.astype(float))["foreground_mean_iou"]),
    )
    shown = ranked if len(ranked) <= 2 * EACH_SIDE else [*ranked[:EACH_SIDE], *ranked[-EACH_SIDE:]]
    names = [one.photo.name for one in shown or tested[:1]]
    counts = dict.fromkeys(SPLITS, (0,) * len(class_names))
    pictured = Assignment(dict.fromkeys(SPLITS, names), counts)
    data = load_data(config.data, pictured, ["test"])
    images, masks, names = as_arrays(data.splits["test"])
    predictions = np.stack(
        [np.load(run.out_of_fold / f"{name}.npz")["probabilities"].argmax(-1) for name in names]
    ).astype(np.uint8)
    best_and_worst(
        images,
        np.where(masks == VOID, 0, masks),
        np.where(masks == VOID, 0, predictions),
        names,
        class_names,
        folder / "best_and_worst.png",
        count=EACH_SIDE,
        aspect=data.geometry.aspect,
        synthetic=synthetic,
    )
