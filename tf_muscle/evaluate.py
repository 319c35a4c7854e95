"""Judges a trained model: `python -m tf_muscle.evaluate RUN [--data EXPORT] [--split test]`."""

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_muscle.command import command_parser, parse, run_command, with_values
from tf_muscle.config import DataConfig
from tf_muscle.errors import UserError, listed
from tf_muscle.run_folder import default_name, find_data, find_run, read_options, write_json

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


@dataclass(frozen=True)
class Judged:
    """A model's results on one split."""

    record: dict[str, Any]  # of metrics.summarize
    predictions: "np.ndarray"  # uint8 [N, S, S], class ids


def judge(
    model: "keras.Model",
    examples: "tf.data.Dataset",
    class_names: Sequence[str],
    loss: "keras.losses.Loss",
    batch_size: int = 16,
) -> Judged:
    """Scores a model on one split.

    Args:
        model: from uint8 images [B, S, S, 3] to logits [B, S, S, K].
        examples: of `pipeline.load_split`.
        class_names: K names.
        loss: of the training, taken of each image by itself.
        batch_size: images at a time; it does not change the scores.
    """
    import numpy as np
    import tensorflow as tf

    from tf_muscle.data.pipeline import evaluation_batches
    from tf_muscle.model.metrics import confusion_matrix, summarize

    forward = tf.function(
        functools.partial(model, training=False),
        autograph=False,
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)],
    )
    predictions, confusions, losses = [], [], []
    for images, masks in evaluation_batches(examples, batch_size):
        logits = forward(images)
        predicted = np.argmax(logits, axis=-1).astype(np.uint8)
        predictions.append(predicted)
        for i, truth in enumerate(masks.numpy()):
            confusions.append(confusion_matrix(truth, predicted[i], len(class_names)))
            losses.append(float(loss(masks[i : i + 1], logits[i : i + 1])))
    return Judged(
        record=summarize(np.stack(confusions), np.array(losses), class_names),
        predictions=np.concatenate(predictions),
    )


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = command_parser(
        "evaluate", "Judge a trained model on a split of its own or other data.", "RUN "
    )
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument("--data", type=str | None, help="Other export; by default the run's own.")
    parser.add_argument("--split", type=str, default="test", help="train, valid or test.")
    parser.add_argument("--allow_leakage", type=bool, default=False, help="As in training.")
    parser.add_argument("--batch_size", type=int, default=16, help="Photos at a time.")
    options = parse(parser, with_values(argv))
    if options["split"] not in ("train", "valid", "test"):
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

    from tf_muscle.data.dataset import is_synthetic
    from tf_muscle.data.pipeline import load_split
    from tf_muscle.data.prepare import load_builder
    from tf_muscle.model.losses import SegmentationLoss
    from tf_muscle.model.metrics import background_only_sentence
    from tf_muscle.report.tables import results_table

    data = DataConfig(
        data=export,
        image_size=trained["image_size"],
        split_seed=trained["split_seed"],
        allow_leakage=options["allow_leakage"] or trained["allow_leakage"],
        data_dir=trained["data_dir"],
    )
    builder = load_builder(data)
    class_names = builder.info.metadata["class_names"]
    environment = json.loads(run.environment.read_text(encoding="utf-8"))
    known = environment["data"]["class_names"]
    if class_names != known:
        raise UserError(
            f"--data {data.data} has the classes {listed(class_names)}, the model of {run.path} "
            f"was trained on {listed(known)}: give an export with these, in this order"
        )
    model = keras.saving.load_model(run.model)
    examples = load_split(builder, options["split"], data.image_size)
    loss = SegmentationLoss.from_config(environment["loss"])
    judged = judge(model, examples, class_names, loss, options["batch_size"])
    record = {"data": data.data, "split": options["split"], **judged.record}
    synthetic = is_synthetic(builder.info.metadata)
    Console().print(results_table({options["split"]: record}, synthetic=synthetic))
    if record["background_only"]:
        print(background_only_sentence(record["mean_iou"], record["floor_mean_iou"]))
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    path = folder / f"{default_name(Path(data.data).stem + '-' + options['split'])}.json"
    write_json(path, record)
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(run_command(main))
