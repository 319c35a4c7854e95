"""Scores of a model on one split, at the network's size and at the photos' own."""

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
from tf_muscle.data.geometry import Geometry, likeliest
from tf_muscle.data.pipeline import evaluation_batches, load_masks, load_split
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.metrics import background_only_sentence, confusion_matrix, summarize
from tf_muscle.report.tables import results_table
from tf_muscle.roboflow.archive import is_bundled_sample
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import (
    RunFolder,
    default_name,
    find_run,
    read_options,
    trained_runs,
    write_json,
)
from tf_muscle.training.photo_choice import ChosenPhotos, PhotoChoice, open_photos

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
    """A model's results on the N photos of one split, or on several splits together.

    Attributes:
        class_names: K names.
        confusions: int64 [N, K, K], one confusion matrix a photo at the network's size.
        own_size_confusions: the same at the photos' own sizes; of no photo if not asked for.
        losses: float [N].
        predictions: class ids, uint8 [N, S, S].
    """

    class_names: tuple[str, ...]
    confusions: np.ndarray
    own_size_confusions: np.ndarray
    losses: np.ndarray
    predictions: np.ndarray

    @functools.cached_property
    def record(self) -> dict[str, Any]:
        """Of `metrics.summarize`; with `own_size`, another one, if asked for."""
        record = summarize(self.confusions, self.losses, self.class_names)
        if len(self.own_size_confusions):
            own_size = summarize(self.own_size_confusions, self.losses, self.class_names)
            record["own_size"] = {name: own_size[name] for name in OWN_SIZE_SCORES}
        return record


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
    predictions, confusions, own_confusions, losses = [], [], [], []
    own_masks = iter(() if masks is None else masks.as_numpy_iterator())
    for images, truths in evaluation_batches(examples, batch_size):
        logits = forward(images)
        predicted = np.argmax(logits, axis=-1).astype(np.uint8)
        predictions.append(predicted)
        for i, truth in enumerate(truths.numpy()):
            confusions.append(confusion_matrix(truth, predicted[i], len(class_names)))
            losses.append(float(loss(truths[i : i + 1], logits[i : i + 1])))
        if geometry is None or masks is None:
            continue
        for square, own in zip(tf.nn.softmax(logits).numpy(), own_masks, strict=False):
            marked = likeliest(geometry.restore(square, *own.shape))
            own_confusions.append(confusion_matrix(own, marked, len(class_names)))
    return Evaluation(
        class_names=tuple(class_names),
        confusions=np.stack(confusions),
        own_size_confusions=np.array(own_confusions),
        losses=np.array(losses),
        predictions=np.concatenate(predictions),
    )


def evaluate_run(run: RunFolder, photos: ChosenPhotos, batch_size: int = 16) -> Evaluation:
    """Scores a finished run's model, at the network's size and at the photos' own sizes.

    Args:
        run: its model has the photos' classes.
        photos: which ones.
        batch_size: photos at a time; it does not change the scores.
    """
    one = trained_runs(run)[0]
    trained = read_options(one)
    geometry = Geometry(trained["resize"], from_options(trained).data.image_size)
    return evaluate_model(
        keras.saving.load_model(run.model),
        load_split(photos.builder, photos.split, geometry),
        photos.info.class_names,
        SegmentationLoss.from_config(read_environment(one).loss),
        batch_size,
        geometry=geometry,
        masks=load_masks(photos.builder, photos.split),
    )


def pooled(parts: Sequence[Evaluation]) -> Evaluation:
    """The results on several splits as those on one; the predictions are left out."""
    first = parts[0]
    return Evaluation(
        class_names=first.class_names,
        confusions=np.concatenate([part.confusions for part in parts]),
        own_size_confusions=np.concatenate([part.own_size_confusions for part in parts]),
        losses=np.concatenate([part.losses for part in parts]),
        predictions=first.predictions[:0],
    )


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
    asked = PhotoChoice(os.fspath(data) if data else None, split, allow_leakage, ignore)
    parts = []
    for scorer in asked.scorers(run):
        photos = open_photos(scorer, asked)
        parts.append(evaluate_run(scorer, photos, batch_size))
    if len(parts) > 1:
        print(f"Each photo is scored by that of the {len(parts)} folds that has held it out.")
    place, scored = photos.data, photos.split
    record = {"data": place, "split": scored, **pooled(parts).record}
    synthetic = is_bundled_sample(photos.info.fingerprint)
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
