"""Judges a trained model: `python -m tf_muscle.evaluate RUN [--data EXPORT] [--split test]`."""

import dataclasses
import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_muscle.command import command_parser, from_options, parse, run_command, with_values
from tf_muscle.config import SAMPLE, bundled
from tf_muscle.data.records import SPLITS
from tf_muscle.errors import UserError, listed
from tf_muscle.run_folder import default_name, find_data, find_run, read_options, write_json

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_muscle.data.geometry import Geometry

# What a record keeps of the scores at the photos' own sizes.
OWN_SIZE_SCORES = ("mean_iou", "foreground_mean_iou", "intervals", "iou")


@dataclass(frozen=True)
class Judged:
    """A model's results on one split."""

    record: dict[str, Any]  # of metrics.summarize; with `own_size`, another one, if asked for
    predictions: "np.ndarray"  # uint8 [N, S, S], class ids


def judge(
    model: "keras.Model",
    examples: "tf.data.Dataset",
    class_names: Sequence[str],
    loss: "keras.losses.Loss",
    batch_size: int = 16,
    *,
    geometry: "Geometry | None" = None,
    masks: "tf.data.Dataset | None" = None,
) -> Judged:
    """Scores a model on one split.

    Args:
        model: from uint8 images [B, S, S, 3] to logits [B, S, S, K].
        examples: of `pipeline.load_split`.
        class_names: K names.
        loss: of the training, taken of each image by itself.
        batch_size: images at a time; it does not change the scores.
        geometry: of the examples.
        masks: of `pipeline.load_masks`: score the predictions at the photos' own sizes, too, as
            whoever calls `predict` gets them.
    """
    import numpy as np
    import tensorflow as tf

    from tf_muscle.data.geometry import likeliest
    from tf_muscle.data.pipeline import evaluation_batches
    from tf_muscle.model.metrics import confusion_matrix, summarize

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
    record = summarize(np.stack(confusions), np.array(losses), class_names)
    if own_confusions:
        own_size = summarize(np.stack(own_confusions), np.array(losses), class_names)
        record["own_size"] = {name: own_size[name] for name in OWN_SIZE_SCORES}
    return Judged(record, np.concatenate(predictions))


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = command_parser(
        "evaluate", "Judge a trained model on a split of its own or other data.", "RUN "
    )
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument("--data", type=str | None, help="Other export; by default the run's own.")
    parser.add_argument(
        "--split",
        type=str | None,
        help="train, valid or test; by default test, or the one split that --data has.",
    )
    parser.add_argument("--allow_leakage", type=bool, default=False, help="As in training.")
    parser.add_argument("--batch_size", type=int, default=16, help="Photos at a time.")
    options = parse(parser, with_values(argv))
    if options["split"] not in (None, *SPLITS):
        raise UserError(f"--split must be train, valid or test, got {options['split']}")
    run = find_run(options["run"])
    if not run.model.is_file():
        raise UserError(f"{run.model} is missing: finish the run by --resume {run.path} first")
    trained = read_options(run)
    export = options["data"] or find_data(
        trained["data"], f"python -m tf_muscle.evaluate {run.path}"
    )

    import keras
    from rich.console import Console

    from tf_muscle.data.archive import fingerprint, split_names
    from tf_muscle.data.dataset import is_synthetic
    from tf_muscle.data.geometry import Geometry
    from tf_muscle.data.pipeline import load_masks, load_split
    from tf_muscle.data.prepare import load_builder
    from tf_muscle.model.losses import SegmentationLoss
    from tf_muscle.model.metrics import background_only_sentence
    from tf_muscle.report.tables import results_table

    data = from_options(trained).data
    data = dataclasses.replace(
        data,
        data=export,
        allow_leakage=options["allow_leakage"] or data.allow_leakage,
    )
    geometry = Geometry(trained["resize"], data.image_size)
    environment = json.loads(run.environment.read_text(encoding="utf-8"))
    export = bundled("sample_gym") if data.data == SAMPLE else data.data
    split = options["split"] or "test"
    if not options["data"] or fingerprint(export) == environment["data"]["fingerprint"]:
        builder = load_builder(data)  # split as it was trained on
    else:
        folders = split_names(export)
        split = _split_to_score(options["split"], folders, data.data)
        builder = load_builder(data, split)
        count = builder.info.metadata["num_examples"][split]
        alone = ", its only folder, so none were held out" if len(folders) == 1 else ""
        print(f"All {count} photos in {folders[split]} of {data.data} are scored{alone}.")
    for note in builder.info.metadata["notes"]:
        print(note)
    class_names = builder.info.metadata["class_names"]
    known = environment["data"]["class_names"]
    if class_names != known:
        raise UserError(
            f"--data {data.data} has the classes {listed(class_names)}, the model of {run.path} "
            f"was trained on {listed(known)}: give an export with these, in this order"
        )
    model = keras.saving.load_model(run.model)
    examples = load_split(builder, split, geometry)
    masks = load_masks(builder, split)
    loss = SegmentationLoss.from_config(environment["loss"])
    judged = judge(
        model, examples, class_names, loss, options["batch_size"], geometry=geometry, masks=masks
    )
    record = {"data": data.data, "split": split, **judged.record}
    synthetic = is_synthetic(builder.info.metadata)
    Console().print(results_table({split: record}, synthetic=synthetic))
    if record["background_only"]:
        print(background_only_sentence(record["mean_iou"], record["floor_mean_iou"]))
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    path = folder / f"{default_name(Path(data.data).stem + '-' + split)}.json"
    write_json(path, record)
    print(f"written to {path}")


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


if __name__ == "__main__":
    sys.exit(run_command(main))
