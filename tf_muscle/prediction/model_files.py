"""The files that a model lies in: a run, a .keras file, a SavedModel; and what they tell of it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError, listed, one_line, shortened
from tf_muscle.exporting.hub import PREFIX
from tf_muscle.exporting.packed import Packed, unpack
from tf_muscle.model.bundled_model import read_bundled
from tf_muscle.runs.calibration import Calibration, read_calibration
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_run, read_options
from tf_muscle.runs.folds import trained_runs

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

DEFAULT_IMAGE_SIZE = 256  # of the original work, where nothing tells what a model was trained at


@dataclass(frozen=True)
class Loaded:
    """A model and how it wants its photos.

    Attributes:
        forward: from photos, uint8 tensor [B, S, S, 3], to probabilities, float32 [B, S, S, K], at
            the calibration's temperature.
        class_names: K names.
        geometry: how the training brought photos to S pixels, or as it was asked for.
        calibration: how probabilities become masks.
    """

    forward: Callable[["tf.Tensor"], "tf.Tensor"]
    class_names: tuple[str, ...]
    geometry: Geometry
    calibration: Calibration = field(default_factory=Calibration)


def load_model(
    model: str | os.PathLike[str] | None,
    image_size: int | None,
    *,
    other_sizes: bool,
    calibrated: bool,
    single: bool = False,
) -> Loaded:
    """Loads a run (its folder or name), a .keras file, a SavedModel folder, or the bundled model.

    Args:
        model: path or name; None for the model in the package.
        image_size: in place of the one that the files tell.
        other_sizes: the model has to take photos of other sizes than image_size, too.
        calibrated: with the calibration.json beside it, or what the SavedModel has of one. The
            temperature of a SavedModel is inside it and stays.
        single: photos come one at a time: the model is prepared for that, which takes seconds.

    Raises:
        UserError: there is no such model, or it cannot be used.
    """
    if model is None:
        return _load_bundled(image_size, single)
    path = Path(model)
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path, image_size, calibrated, single)
    models = network_files(path)
    if len(models) > 1:
        from tf_muscle.model.ensemble import cost_sentence  # TensorFlow, as below

        print(cost_sentence(len(models)))
    return _load_keras(models, image_size, other_sizes, calibrated, single)


def network_files(path: Path) -> list[Path]:
    """The .keras files of a model: of a run with folds one a fold, else one.

    Args:
        path: of a run (its folder or name) or a .keras file.

    Raises:
        UserError: it is neither, or a training is not finished.
    """
    if path.suffix == ".keras" and path.is_file():
        return [path]
    try:
        run = find_run(path)
    except UserError as error:
        raise no_model(path) from error
    return [one.model for one in trained_runs(run)]


def no_model(path: Path) -> UserError:
    """What is said of a word that is no model."""
    return UserError(
        f"{path} is no model: give a run such as runs/NAME, a .keras or .tflite file, or a "
        "SavedModel folder such as saved_models/NAME"
    )


def is_model(word: str) -> bool:
    """Whether a word of a command line names a model, complete or not.

    Raises:
        UserError: it names a run in runs/ and something else beside it.
    """
    path = Path(word)
    if word.startswith(PREFIX):
        return True
    if path.suffix in (".keras", ".tflite") or (path / "saved_model.pb").is_file():
        return True
    try:
        run = find_run(path)
    except UserError:
        return False
    if path.exists() and run.path != path:
        raise UserError(
            f"{word} may be a source or the run {run.path}: give {run.path} for the run, "
            f"{path.resolve()} for the source"
        )
    return True


def _load_keras(
    paths: Sequence[Path],
    image_size: int | None,
    other_sizes: bool,
    calibrated: bool,
    single: bool,
) -> Loaded:
    from tf_muscle.model.ensemble import averaged  # TensorFlow, which writers do without
    from tf_muscle.model.loading import load_network

    path = paths[0]
    networks = [load_network(one) for one in paths]
    if single:
        networks = [_folded(one) for one in networks]
    network = averaged(networks)
    input_shape, output_shape = network.input_shape, network.output_shape
    if np.shape(input_shape) != (4,) or np.shape(output_shape) != (4,) or input_shape[-1] != 3:
        raise UserError(
            f"{path} takes {input_shape} and gives {output_shape} in place of (None, H, W, 3) and "
            "(None, H, W, K): give a model that segments RGB photos, such as best.keras of a run"
        )
    packed = unpack(path) or _beside(RunFolder(path.parent), output_shape[-1])
    fixed_size = input_shape[1]
    size = image_size or fixed_size or packed.geometry.size
    if fixed_size and (input_shape[1:3] != (size, size) or other_sizes):
        raise UserError(
            f"{path} takes photos of {input_shape[1]}x{input_shape[2]} pixels only: leave "
            "--image_size and --tta mirror_scale out, or give a model for square photos of any size"
        )
    calibration = Calibration()
    if calibrated:
        folder = path.parent if len(paths) == 1 else path.parents[1]  # of the run with folds
        beside = RunFolder(folder).calibration
        calibration = read_calibration(beside, packed.class_names)
    geometry = replace(packed.geometry, size=size)
    return _of_network(network, packed.class_names, geometry, calibration, single)


def _load_bundled(image_size: int | None, single: bool) -> Loaded:
    from tf_muscle.model.unet import build_unet  # as above

    options, class_names, weights = read_bundled()
    names = ("encoder", "decoder", "decoder_filters", "head_kernel")
    network = build_unet(len(class_names), fused=False, **{name: options[name] for name in names})
    network.set_weights(weights)
    geometry = Geometry.from_record(options, image_size)
    if single:
        network = _folded(network)
    return _of_network(network, class_names, geometry, Calibration(), single)


def _folded(network: "keras.Model") -> "keras.Model":
    """A network of ours with its batch normalization folded; another one as it is."""
    from tf_muscle.model.folding import fold_batch_normalization  # as above
    from tf_muscle.model.unet import CORE

    ours = CORE in {layer.name for layer in network.layers}
    return fold_batch_normalization(network) if ours else network


def _of_network(
    network: "keras.Model",
    class_names: tuple[str, ...],
    geometry: Geometry,
    calibration: Calibration,
    single: bool,
) -> Loaded:
    import tensorflow as tf  # as above

    from tf_muscle.exporting.inference import constant_weights

    temperature = calibration.temperature

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(network.input_shape, tf.uint8)])
    def forward(images: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(network(images, training=False), tf.float32)
        return tf.nn.softmax(logits / temperature)

    # Traced here, not in its first call: TensorFlow warns of several that do, as those of folds.
    traced = forward.get_concrete_function()
    if single:
        forward = constant_weights(traced)
    return Loaded(forward, class_names, geometry, calibration)


def _beside(run: RunFolder, class_count: int) -> Packed:
    """What the other files of a run tell of a model that has nothing packed into its own file.

    Without them the classes are numbered.

    Args:
        run: the folder that the model lies in.
        class_count: K, of the model's outputs.
    """
    options = {"resize": "pad", "image_size": DEFAULT_IMAGE_SIZE}
    if run.config.is_file():
        options |= read_options(run)
    geometry = Geometry.from_record(options)
    if not run.environment.is_file():
        numbered = (f"class {number}" for number in range(1, class_count))
        return Packed(("background", *numbered), geometry)
    names = read_environment(run).info.class_names
    if len(names) != class_count:
        raise UserError(
            f"{run.environment} names {len(names)} classes ({listed(names)}), but the model beside "
            f"it has {class_count}: put the files of one run together"
        )
    return Packed(names, geometry)


def _load_saved_model(path: Path, image_size: int | None, calibrated: bool, single: bool) -> Loaded:
    from tf_muscle.exporting.inference import constant_weights
    from tf_muscle.exporting.saved_model import calibration_of, open_saved_model, output  # as above

    try:
        servable = open_saved_model(path)
        signature = servable.signatures["serving_default"]
        class_names = tuple(name.decode() for name in servable.labels.numpy())
        if "probabilities" not in signature.structured_outputs:
            raise KeyError("no output called probabilities")
    except Exception as error:  # whatever a damaged or foreign file leads TensorFlow to
        reason = shortened(one_line(error))
        raise UserError(
            f"{path} is no SavedModel of tf_muscle ({reason}): write it again by "
            "python -m tf_muscle.export RUN"
        ) from error
    # What was exported before it was recorded was trained on stretched photos.
    record = {"resize": "stretch", "image_size": DEFAULT_IMAGE_SIZE}
    if (resize := getattr(servable, "resize", None)) is not None:
        record["resize"] = resize.numpy().decode()
    for name, number in (("image_size", int), ("aspect", float)):
        if (recorded := getattr(servable, name, None)) is not None:
            record[name] = number(recorded)
    geometry = Geometry.from_record(record, image_size)
    calibration = calibration_of(servable) if calibrated else Calibration()
    forward = output(servable, "probabilities")
    if single:
        function = constant_weights(signature)
        forward = lambda images: function(images)["probabilities"]  # noqa: E731
    return Loaded(forward, class_names, geometry, calibration)
