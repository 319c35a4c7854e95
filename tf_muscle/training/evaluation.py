"""Scores of a model on one split, at the network's size and at the photos' own."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from tf_muscle.config import from_options
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.marking import likeliest
from tf_muscle.data.pipeline import evaluation_batches, load_masks, load_split
from tf_muscle.data.prepare import load_builder, refuse_other_classes
from tf_muscle.errors import UserError, listed
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.metrics import background_only_sentence, confusion_matrix, summarize
from tf_muscle.model.reliability import Reliability, reliability, total
from tf_muscle.report.tables import results_table
from tf_muscle.roboflow.archive import export_path, fingerprint, is_bundled_sample, split_names
from tf_muscle.roboflow.records import SPLITS, DataInfo
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import default_name, find_data, find_run, read_options, write_json

# What a record keeps of the scores at the photos' own sizes.
OWN_SIZE_SCORES = ("mean_iou", "foreground_mean_iou", "intervals", "iou")


@dataclass(frozen=True)
class Scores:
    """What `evaluate` gives: a run's scores on one split, at the size that it was trained at.

    Attributes:
        data: the export.
        split: "train", "valid" or "test".
        image_count: photos that were scored.
        mean_iou: mean IoU over the classes that occur, 0 to 1.
        foreground_mean_iou: the same without the background.
        intervals: 95 percent bootstrap interval (low, high) of each of these two.
        iou: IoU of each class by its name; None where neither the masks nor the model have it.
        background_only: the model found next to nothing of the muscles.
        path: JSON file with all scores, those at the photos' own sizes among them.
    """

    data: str
    split: str
    image_count: int
    mean_iou: float
    foreground_mean_iou: float
    intervals: Mapping[str, tuple[float, float]]
    iou: Mapping[str, float | None]
    background_only: bool
    path: Path


@dataclass(frozen=True)
class Evaluation:
    """A model's results on one split."""

    record: dict[str, Any]  # of metrics.summarize; with `own_size`, another one, if asked for
    predictions: np.ndarray  # uint8 [N, S, S], class ids
    reliability: Reliability  # of all their pixels


def evaluate_model(
    model: keras.Model,
    examples: tf.data.Dataset,
    class_names: Sequence[str],
    loss: keras.losses.Loss,
    batch_size: int = 16,
    *,
    geometry: Geometry | None = None,
    masks: tf.data.Dataset | None = None,
) -> Evaluation:
    """Scores a model on one split.

    Args:
        model: from uint8 images [B, S, S, 3] to logits [B, S, S, K].
        examples: dictionaries with `image` uint8 [S, S, 3] and `mask` uint8 [S, S], as
            `pipeline.load_split` gives them.
        class_names: K names.
        loss: takes masks [1, S, S] and logits [1, S, S, K]; called for each image by itself.
        batch_size: images at a time; it does not change the scores.
        geometry: how the examples were brought to S pixels; needed with `masks`.
        masks: uint8 [H, W] at the photos' own sizes, in the order of the examples. With them the
            predictions are scored at these sizes too, as `predict` writes them.
    """
    forward = tf.function(
        functools.partial(model, training=False),
        autograph=False,
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)],
    )
    predictions, confusions, own_confusions, losses, reliabilities = [], [], [], [], []
    own_masks = iter(() if masks is None else masks.as_numpy_iterator())
    for images, truths in evaluation_batches(examples, batch_size):
        logits = forward(images)
        predicted = np.argmax(logits, axis=-1).astype(np.uint8)
        predictions.append(predicted)
        probabilities = tf.nn.softmax(logits).numpy()
        reliabilities.append(reliability(truths.numpy(), probabilities))
        for i, truth in enumerate(truths.numpy()):
            confusions.append(confusion_matrix(truth, predicted[i], len(class_names)))
            losses.append(float(loss(truths[i : i + 1], logits[i : i + 1])))
        if geometry is None or masks is None:
            continue
        for square, own in zip(probabilities, own_masks, strict=False):
            marked = likeliest(geometry.restore(square, *own.shape))
            own_confusions.append(confusion_matrix(own, marked, len(class_names)))
    record = summarize(np.stack(confusions), np.array(losses), class_names)
    if own_confusions:
        own_size = summarize(np.stack(own_confusions), np.array(losses), class_names)
        record["own_size"] = {name: own_size[name] for name in OWN_SIZE_SCORES}
    return Evaluation(record, np.concatenate(predictions), total(reliabilities))


def evaluate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
    *,
    allow_leakage: bool = False,
    ignore: int | None = None,
    batch_size: int = 16,
) -> Scores:
    """Scores a run's model, prints the table and keeps it in the run's folder.

    Args:
        run: a finished run: its `RunFolder`, its path, or its name in runs/.
        data: path of another export, or "sample"; by default the run's own.
        split: "train", "valid" or "test"; by default test, or the only split of another export.
        allow_leakage: bool, go on although copies of one photo stand in two splits.
        ignore: int 1 to 255, mask value of pixels that nobody labelled; by default the run's own.
        batch_size: int from 1, photos at a time; it does not change the scores.

    Returns:
        `Scores`.

    Raises:
        UserError: there is no such run, it is not finished, or the export is gone, cannot be used,
            or has other classes.

    Example:
        >>> import tf_muscle
        >>> scores = tf_muscle.evaluate("runs/mine", split="valid")
        >>> scores.image_count
        4
        >>> list(scores.iou)
        ['background', 'biceps', 'triceps', 'calf']
        >>> 0 <= scores.foreground_mean_iou <= 1
        True
    """
    run = find_run(run)
    if split not in (None, *SPLITS):
        raise UserError(f"--split must be train, valid or test, got {split}")
    if not run.model.is_file():
        raise UserError(f"{run.model} is missing: finish the run by --resume {run.path} first")
    trained = read_options(run)
    moved = f"python -m tf_muscle.evaluate {run.path}"
    place = os.fspath(data) if data else find_data(trained["data"], moved)

    asked = from_options(trained).data
    asked = dataclasses.replace(
        asked,
        data=place,
        allow_leakage=allow_leakage or asked.allow_leakage,
        ignore=asked.ignore if ignore is None else ignore,
    )
    geometry = Geometry(trained["resize"], asked.image_size)
    environment = read_environment(run)
    export = export_path(place)
    scored = split or "test"
    if not data or fingerprint(export) == environment.info.fingerprint:
        builder = load_builder(asked)  # split as it was trained on
    else:
        folders = split_names(export)
        scored = _split_to_score(split, folders, place)
        builder = load_builder(asked, scored)
        count = builder.info.splits[scored].num_examples
        alone = ", its only folder, so none were held out" if len(folders) == 1 else ""
        print(f"All {count} photos in {folders[scored]} of {place} are scored{alone}.")
    info = DataInfo.from_json(builder.info.metadata)
    for note in info.notes:
        print(note)
    refuse_other_classes(info.class_names, place, environment.info.class_names)
    model = keras.saving.load_model(run.model)
    examples = load_split(builder, scored, geometry)
    masks = load_masks(builder, scored)
    loss = SegmentationLoss.from_config(environment.loss)
    evaluation = evaluate_model(
        model, examples, info.class_names, loss, batch_size, geometry=geometry, masks=masks
    )
    record = {"data": place, "split": scored, **evaluation.record}
    synthetic = is_bundled_sample(info.fingerprint)
    Console().print(results_table({scored: record}, synthetic=synthetic))
    if record["background_only"]:
        print(background_only_sentence(record["mean_iou"], record["floor_mean_iou"]))
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    path = folder / f"{default_name(Path(place).stem + '-' + scored)}.json"
    write_json(path, record)
    means = ("mean_iou", "foreground_mean_iou")
    intervals = {name: tuple(record["intervals"][name]) for name in means}
    names = ("image_count", *means, "iou", "background_only")
    kept = {name: record[name] for name in names}
    return Scores(data=place, split=scored, intervals=intervals, path=path, **kept)


def _split_to_score(asked: str | None, folders: Mapping[str, str], data: str) -> str:
    """The split of another export: the one asked for, else its only one, else test."""
    if asked is None and len(folders) == 1:
        return next(iter(folders))
    split = asked or "test"
    if split not in folders:
        raise UserError(
            f"--split {split} is no folder of {data}, which has {listed(list(folders.values()))}: "
            f"give --split {' or '.join(folders)}"
        )
    return split
