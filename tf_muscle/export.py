"""Writes a trained model as a SavedModel: `python -m tf_muscle.export RUN`."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.errors import UserError
from tf_muscle.report.tables import model_card
from tf_muscle.run_folder import RunFolder, find_run, read_options

if TYPE_CHECKING:
    import keras


def write_saved_model(
    model: "keras.Model", class_names: Sequence[str], folder: Path, card: str
) -> None:
    """Writes the model with two signatures that need nothing but TensorFlow.

    `serving_default` takes `images`, uint8 RGB [B, H, W, 3] of any size; `encoded` takes `bytes`,
    strings [B] of JPEG or PNG files of one size. Both give `class_ids`, uint8 [B, H, W], and
    `probabilities`, float32 [B, H, W, K]. The class names are the variable `labels` of the loaded
    object and the file assets/labels.txt.

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        class_names: K names.
        folder: to write, in one move; must not exist.
        card: its README.md.
    """
    import tensorflow as tf

    names = list(class_names)

    class Servable(tf.Module):
        """What the SavedModel holds."""

        def __init__(self) -> None:
            super().__init__()
            self.network = model
            self.labels = tf.Variable(names, trainable=False)

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")])
        def images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = self.network(images, training=False)
            return {
                "class_ids": tf.cast(tf.argmax(logits, axis=-1), tf.uint8),
                "probabilities": tf.nn.softmax(logits),
            }

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "bytes")])
        def encoded(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
            images = tf.map_fn(
                lambda one: tf.io.decode_image(one, channels=3, expand_animations=False),
                encoded,
                fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
            )
            return self.images(images)

    servable = Servable()
    unfinished = folder.with_name(f"unfinished_{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(
        servable,
        str(unfinished),
        signatures={"serving_default": servable.images, "encoded": servable.encoded},
    )
    (unfinished / "assets" / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (unfinished / "README.md").write_text(card, encoding="utf-8")
    unfinished.rename(folder)


def export_run(run: RunFolder, saved_models_dir: str, name: str | None = None) -> Path:
    """Exports the best model of a run with its card.

    Returns:
        The SavedModel's folder, saved_models_dir/NAME.

    Raises:
        UserError: the run has no finished model, or the folder exists.
    """
    folder = Path(saved_models_dir) / (name or run.path.resolve().name)
    if folder.exists():
        raise UserError(f"{folder} exists and is never overwritten: choose another --name")
    if not (run.model.is_file() and run.metrics.is_file()):
        raise UserError(f"{run.path} has no finished model: go on with it by --resume {run.path}")
    import keras

    environment: dict[str, Any] = json.loads(run.environment.read_text(encoding="utf-8"))
    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    class_names = environment["data"]["class_names"]
    card = model_card(folder.name, read_options(run), environment, metrics)
    write_saved_model(keras.saving.load_model(run.model), class_names, folder, card)
    return folder


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = command_parser("export", "Write the best model of a run as a SavedModel.", "RUN ")
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument("--saved_models_dir", default="saved_models", help="Where to.")
    parser.add_argument("--name", type=str | None, help="Folder there; by default the run's name.")
    options = parse(parser, argv)
    folder = export_run(find_run(options["run"]), options["saved_models_dir"], options["name"])
    print(f"SavedModel written to {folder}")


if __name__ == "__main__":
    sys.exit(run_command(main))
