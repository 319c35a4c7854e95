"""What follows the training: the best model evaluated, pictured, reported and exported."""

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from tf_muscle.atomic import replacing
from tf_muscle.config import Config
from tf_muscle.data.dataset import Data
from tf_muscle.data.pipeline import as_arrays
from tf_muscle.errors import UserError
from tf_muscle.exporting.inference import rebuild
from tf_muscle.exporting.packed import pack
from tf_muscle.exporting.saved_model import write_saved_model
from tf_muscle.model.loading import load_network
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.unet import CORE, build_unet
from tf_muscle.report import photo_sheets, plots
from tf_muscle.report.history import read_history
from tf_muscle.report.model_card import model_card
from tf_muscle.report.score_rows import SPLIT_LABELS
from tf_muscle.report.tables import results_table, write_report
from tf_muscle.roboflow.records import VOID
from tf_muscle.runs.encoder import encoder_of
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, saved_model_folder, write_json
from tf_muscle.runs.manifest import make_manifest
from tf_muscle.training.checkpoints import corruption_reason
from tf_muscle.training.evaluation import evaluate_model

CANDIDATES = 500  # test photos that the figures choose from; more would only fill memory
BEFORE_AFTER = 4  # photos in the figure of before and after


def choose_photos(masks: np.ndarray, count: int = BEFORE_AFTER) -> np.ndarray:
    """Photos that show most of each class, and one at rest: indices [<= count].

    Args:
        masks: uint8 [N, S, S].
        count: how many at most.
    """
    largest = [
        int(np.argmax((masks == class_id).sum(axis=(1, 2))))
        for class_id in np.unique(masks)
        if class_id
    ]
    at_rest = np.flatnonzero(masks.max(axis=(1, 2)) == 0)[:1].tolist()
    others = np.flatnonzero(masks.max(axis=(1, 2)) > 0).tolist()
    kept = largest[: count - len(at_rest)] + at_rest
    return np.array(list(dict.fromkeys(kept + others))[:count])


def predict_untrained(model: keras.Model, test: tf.data.Dataset, run: RunFolder) -> None:
    """Keeps the untrained model's masks of a few test photos for the figure."""
    images, masks, _ = as_arrays(test, CANDIDATES)
    chosen = choose_photos(np.where(masks == VOID, 0, masks))
    # Not predict_on_batch, which repeats its result for every GPU of a MirroredStrategy.
    logits = model(images[chosen], training=False)
    with replacing(run.untrained_masks) as unfinished:
        np.save(unfinished, np.argmax(logits, axis=-1).astype(np.uint8))


def best_model(run: RunFolder, config: Config, data: Data) -> keras.Model:
    """The model of the best epoch, saved as best.keras if that was not done yet.

    Saved in float32 and built of Keras' own layers, whatever it was trained in, so that any Keras
    loads it, for images of any size, without this package. With an encoder of KerasHub it needs
    KerasHub and this package, and may take one size only. Class names and geometry are packed in.

    Raises:
        UserError: the file of the best weights, or best.keras, is damaged.
    """
    if not run.model.is_file():
        if reason := corruption_reason(run.best_weights):
            raise UserError(f"{run.best_weights} is damaged ({reason}): start a new run")
        options = config.model
        encoder = encoder_of(run, options.encoder)
        trained = build_unet(
            len(data.class_names),
            encoder=encoder,
            decoder=options.decoder,
            decoder_filters=options.decoder_filters,
            head_kernel=options.head_kernel,
        )
        trained.get_layer(CORE).load_weights(run.best_weights)
        model = rebuild(trained, encoder, options.decoder, options.decoder_filters)
        with replacing(run.model) as unfinished:
            model.save(unfinished)
            pack(unfinished, data.class_names, data.geometry)
    return load_network(run.model)


def finish(run: RunFolder, config: Config, data: Data) -> None:
    """Evaluates the best model on every split, draws the figures, writes report and SavedModel.

    The manifest is written last: it marks the run as complete.
    """
    model = best_model(run, config, data)
    environment = read_environment(run)
    loss = SegmentationLoss.from_config(environment.loss)
    evaluated = {
        split: evaluate_model(
            model,
            examples,
            data.class_names,
            loss,
            geometry=data.geometry,
            # Of photos that were trained on, nobody needs to know what `predict` gives.
            own_sizes=None if split == "train" else data.own_sizes[split],
        )
        for split, examples in data.splits.items()
    }
    metrics = {
        split: one.record | {"calibration_error": one.reliability.record(data.class_names)}
        for split, one in evaluated.items()
    }
    history = read_history(run.history)
    synthetic = environment.synthetic
    tie = config.optimization.tie
    predictions = evaluated["test"].predictions
    untrained = np.load(run.untrained_masks)
    shutil.rmtree(run.figures, ignore_errors=True)  # of an earlier start that was killed
    with replacing(run.figures) as folder:
        draw_figures(
            folder, data, predictions, untrained, metrics, history, tie=tie, synthetic=synthetic
        )
        plots.reliability_diagram(
            {SPLIT_LABELS[split]: evaluated[split].reliability for split in ("valid", "test")},
            {SPLIT_LABELS[split]: color for split, color in plots.SPLIT_COLORS.items()},
            folder / "reliability_diagram.png",
            synthetic=synthetic,
        )
    saved_model = saved_model_folder(config.run, run)
    if not saved_model.exists():  # it does if a kill came between it and the manifest
        card = model_card(saved_model.name, config.flat(), environment, metrics)
        write_saved_model(model, data.class_names, data.geometry, saved_model, card)
    write_report(run.report, config.flat(), environment, metrics, history)
    write_json(run.metrics, metrics)
    write_json(run.manifest, make_manifest(run, config, environment, metrics, saved_model))
    shutil.rmtree(run.checkpoints)
    Console().print(results_table(metrics, synthetic=synthetic))


def draw_figures(
    folder: Path,
    data: Data,
    predictions: np.ndarray,
    untrained_masks: np.ndarray,
    metrics: dict[str, dict[str, Any]],
    history: dict[str, list[float]],
    *,
    tie: float,
    synthetic: bool,
) -> None:
    """Draws the pictures of the report into a folder.

    Args:
        folder: to make.
        data: the photos.
        predictions: test masks, uint8 [N, S, S].
        untrained_masks: uint8 [M, S, S], of the first M test photos before training.
        metrics: split -> record of `score_records.summarize`.
        history: the columns of history.csv by name, float [E] each.
        tie: the option `tie`, a difference of mIoU.
        synthetic: the photos are rendered.
    """
    folder.mkdir()
    images, masks, names = as_arrays(data.splits["test"], CANDIDATES)
    uncounted = masks == VOID
    masks = np.where(uncounted, 0, masks)
    predictions = np.where(uncounted, 0, predictions[: len(images)])
    chosen = choose_photos(masks)
    photo_sheets.before_after(
        images[chosen],
        masks[chosen],
        untrained_masks,
        predictions[chosen],
        [names[i] for i in chosen],
        data.class_names,
        folder / "before_after.png",
        aspect=data.geometry.aspect,
        synthetic=synthetic,
    )
    photo_sheets.best_and_worst(
        images,
        masks,
        predictions,
        names,
        data.class_names,
        folder / "best_and_worst.png",
        aspect=data.geometry.aspect,
        synthetic=synthetic,
    )
    plots.learning_curves(
        history,
        folder / "learning_curves.png",
        floor_mean_iou=metrics["valid"]["floor_mean_iou"],
        tie=tie,
        synthetic=synthetic,
    )
    plots.confusion_heatmap(
        np.array(metrics["test"]["confusion_matrix"]),
        data.class_names,
        folder / "confusion_heatmap.png",
        synthetic=synthetic,
    )
    plots.class_iou_bars(metrics, folder / "class_iou_bars.png", synthetic=synthetic)
