"""Scores of a model on one split, at the network's size and at the photos' own."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from tf_muscle.data.geometry import Geometry, brought_to
from tf_muscle.data.marking import likeliest
from tf_muscle.data.pipeline import evaluation_batches, load_own_sizes, load_split
from tf_muscle.model.ensemble import averaged, load_networks
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.metrics import background_only_sentence, confusion_matrix
from tf_muscle.model.reliability import Reliability, reliability, total
from tf_muscle.model.score_records import summarize
from tf_muscle.report.tables import results_table
from tf_muscle.roboflow.archive import is_bundled_sample
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, default_name, find_run, read_options, write_json
from tf_muscle.runs.folds import trained_runs
from tf_muscle.training.photo_choice import ChosenPhotos, PhotoChoice, groups_of, open_photos

# What a record keeps of the scores at the photos' own sizes.
OWN_SIZE_KEYS = ("mean_iou", "foreground_mean_iou", "intervals", "iou")


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

    record: dict[str, Any]  # of score_records.summarize; with `own_size`, another one, if asked for
    predictions: np.ndarray  # uint8 [N, S, S], class ids
    reliability: Reliability  # of all their pixels


@dataclass(frozen=True)
class PhotoScore:
    """How well a model does on one photo.

    Attributes:
        confusion: int64 [K, K], of `metrics.confusion_matrix`, at the network's size.
        loss: of this photo.
        own_confusion: int64 [K, K] at the photo's own size; None where no mask of it was given.
    """

    confusion: np.ndarray
    loss: float
    own_confusion: np.ndarray | None


@dataclass(frozen=True)
class ScoredPhoto:
    """What a model says of one photo, and how well it does.

    Attributes:
        probabilities: float32 [S, S, K].
        class_ids: uint8 [S, S], the likeliest classes.
        own_class_ids: uint8 [H, W] at the photo's own size, as `predict` writes them; None where no
            mask of that size was given.
        reliability: of its pixels.
        score: against its true mask.
    """

    probabilities: np.ndarray
    class_ids: np.ndarray
    own_class_ids: np.ndarray | None
    reliability: Reliability
    score: PhotoScore


def scored_photos(
    model: keras.Model,
    examples: tf.data.Dataset,
    class_count: int,
    loss: keras.losses.Loss,
    batch_size: int = 16,
    *,
    geometry: Geometry | None = None,
    own_sizes: tf.data.Dataset | None = None,
) -> Iterator[ScoredPhoto]:
    """Scores a model photo by photo, in the order of the examples.

    Args:
        model: from uint8 images [B, S, S, 3] to logits [B, S, S, K].
        examples: dictionaries with `image` uint8 [S, S, 3] and `mask` uint8 [S, S], as
            `pipeline.load_split` gives them.
        class_count: K.
        loss: takes masks [1, S, S] and logits [1, S, S, K]; called for each image by itself.
        batch_size: images at a time; it does not change the scores.
        geometry: how the examples were brought to S pixels; needed with `own_sizes`.
        own_sizes: `pipeline.load_own_sizes`, in the order of the examples. With it the predictions
            are scored at the photos' own sizes too, as `predict` writes them.
    """
    forward = tf.function(
        functools.partial(model, training=False),
        autograph=False,
        input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
    )
    own = None if own_sizes is None else own_sizes.as_numpy_iterator()
    for images, truths in evaluation_batches(examples, batch_size):
        logits = forward(images)
        predicted = np.argmax(logits, axis=-1).astype(np.uint8)
        probabilities = tf.nn.softmax(logits).numpy()
        for i, truth in enumerate(truths.numpy()):
            marked = own_confusion = None
            logit = logits[i : i + 1]
            if geometry is not None and own is not None:
                example = next(own)
                mask, windows = example["mask"], example["windows"]
                squares = probabilities[i : i + 1]
                if len(windows):  # scored at both sizes as it is predicted
                    parts = range(0, len(windows), batch_size)
                    of_parts = [forward(windows[at : at + batch_size]) for at in parts]
                    squares = tf.nn.softmax(tf.concat(of_parts, axis=0)).numpy()
                    probabilities[i] = geometry.whole(squares, *mask.shape)
                    predicted[i] = likeliest(probabilities[i])
                    logit = tf.math.log(probabilities[i : i + 1])
                marked = likeliest(brought_to(geometry.seen(squares, *mask.shape), *mask.shape))
                own_confusion = confusion_matrix(mask, marked, class_count)
            score = PhotoScore(
                confusion_matrix(truth, predicted[i], class_count),
                float(loss(truths[i : i + 1], logit)),
                own_confusion,
            )
            its_reliability = reliability(truth[None], probabilities[i : i + 1])
            yield ScoredPhoto(probabilities[i], predicted[i], marked, its_reliability, score)


def evaluate_model(
    model: keras.Model,
    examples: tf.data.Dataset,
    class_names: Sequence[str],
    loss: keras.losses.Loss,
    batch_size: int = 16,
    *,
    geometry: Geometry | None = None,
    own_sizes: tf.data.Dataset | None = None,
) -> Evaluation:
    """Scores a model on one split; the arguments are those of `scored_photos`, by K names."""
    predictions, reliabilities, found = [], [], []
    for photo in scored_photos(
        model, examples, len(class_names), loss, batch_size, geometry=geometry, own_sizes=own_sizes
    ):
        predictions.append(photo.class_ids)
        reliabilities.append(photo.reliability)
        found.append(photo.score)
    return Evaluation(
        summarize_photos(found, class_names), np.stack(predictions), total(reliabilities)
    )


def summarize_photos(
    photos: Sequence[PhotoScore], class_names: Sequence[str], groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """The record of `score_records.summarize`, with `own_size` where the photos have such scores.

    Args:
        photos: N of them.
        class_names: K names.
        groups: the group of each photo, which the bootstrap draws; by default each is its own.
    """
    losses = np.array([photo.loss for photo in photos])
    confusions = np.stack([photo.confusion for photo in photos])
    record = summarize(confusions, losses, class_names, groups)
    own = [photo.own_confusion for photo in photos if photo.own_confusion is not None]
    if own:
        own_size = summarize(np.stack(own), losses, class_names, groups)
        record["own_size"] = {name: own_size[name] for name in OWN_SIZE_KEYS}
    return record


def score_run(run: RunFolder, photos: ChosenPhotos, batch_size: int = 16) -> list[PhotoScore]:
    """Scores a run's model, at the network's size and at the photos' own sizes.

    Args:
        run: finished; its model has the photos' classes.
        photos: which ones.
        batch_size: photos at a time; it does not change the scores.

    Returns:
        Those of each photo, in the order of `photos.names()`.
    """
    one = trained_runs(run)[0]
    trained = read_options(one)
    geometry = Geometry.from_record(trained)
    scored = scored_photos(
        averaged(load_networks(run)),
        load_split(photos.builder, photos.split, geometry, photos.assignment),
        len(photos.info.class_names),
        SegmentationLoss.from_config(read_environment(one).loss),
        batch_size,
        geometry=geometry,
        own_sizes=load_own_sizes(photos.builder, photos.split, geometry, photos.assignment),
    )
    return [photo.score for photo in scored]


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

    Examples:
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
    scorers = asked.scorers(run)
    found: list[PhotoScore] = []
    names: list[tuple[str, str]] = []
    for scorer in scorers:
        photos = open_photos(scorer, asked)
        found += score_run(scorer, photos, batch_size)
        names += photos.names()
    if len(scorers) > 1:
        print(f"Each photo is scored by that of the {len(scorers)} folds that has held it out.")
    groups = groups_of(run, names) if len(scorers) > 1 else None
    summary = summarize_photos(found, photos.info.class_names, groups)
    record = {"data": photos.data, "split": photos.split, **summary}
    synthetic = is_bundled_sample(photos.info.fingerprint)
    Console().print(results_table({photos.split: record}, synthetic=synthetic))
    if record["background_only"]:
        print(background_only_sentence(record["mean_iou"], record["floor_mean_iou"]))
    path = new_evaluation(run, photos)
    write_json(path, record)
    means = ("mean_iou", "foreground_mean_iou")
    intervals = {name: tuple(record["intervals"][name]) for name in means}
    kept = {name: record[name] for name in ("image_count", *means, "iou", "background_only")}
    return Scores(data=photos.data, split=photos.split, intervals=intervals, path=path, **kept)


def new_evaluation(run: RunFolder, photos: ChosenPhotos, against: str = "") -> Path:
    """The path of a new file in the run's folder evaluations/, which is made."""
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    return folder / f"{default_name(Path(photos.data).stem + '-' + photos.split + against)}.json"
