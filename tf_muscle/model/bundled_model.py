"""The model in the package, for a first look before a training.

`demo` and `predict` use it where no model is given. tools/pack_bundled_model.py writes it from a
run: the kernels in 8 bits with a scale for each output channel, which is a quarter of their size,
the rest as it is.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tf_muscle.errors import UserError, one_line, shortened

FOLDER = Path(__file__).with_name("bundled")
WEIGHTS = FOLDER / "weights.npz"
MANIFEST = FOLDER / "run.json"  # of the run that it comes from
HINT = (
    "the model in the package has seen rendered figures only: expect it to be wrong on photos of "
    "people, and train one on yours"
)
LARGEST = 127  # of 8 bits with a sign, the same on both sides of zero


def channel_axis(name: str, shape: tuple[int, ...]) -> int | None:
    """The axis of a variable's output channels; None for what stays as it is.

    Args:
        name: path of the variable, such as "unet/stem_conv/kernel".
        shape: of the variable. Kernels are [h, w, in, out], of transposed convolutions
            [h, w, out, in], of depthwise ones [h, w, channels, 1].
    """
    if len(shape) != 4:
        return None
    return 2 if shape[3] == 1 or "transpose" in name else 3


def quantize(kernel: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A kernel in 8 bits.

    Args:
        kernel: float32 of four axes.
        axis: that of its output channels.

    Returns:
        int8 of the same shape, and the scale of each channel, float32 with 1 on the other axes.
    """
    others = tuple(one for one in range(kernel.ndim) if one != axis)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / LARGEST
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(kernel / scale).astype(np.int8), scale


def write_weights(path: Path, model: Any, class_names: tuple[str, ...]) -> None:
    """Writes a model's weights by their position, and the names of its classes.

    Args:
        path: of the .npz file.
        model: a model of `build_unet`.
        class_names: K names.
    """
    arrays: dict[str, np.ndarray] = {"class_names": np.array(class_names)}
    for position, variable in enumerate(model.weights):
        array = np.array(variable)
        axis = channel_axis(variable.path, array.shape)
        if axis is not None:
            array, arrays[f"{position}/scale"] = quantize(array, axis)
        arrays[str(position)] = array
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_weights(path: Path) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Reads what `write_weights` has written.

    Returns:
        K names of the classes, and the weights as `set_weights` of a model of the same build takes
        them.
    """
    with np.load(path) as file:
        class_names = tuple(str(name) for name in file["class_names"])
        positions = sorted(int(name) for name in file if name.isdecimal())
        weights = [
            file[f"{one}"] * file[f"{one}/scale"] if f"{one}/scale" in file else file[f"{one}"]
            for one in positions
        ]
    return class_names, weights


def read_bundled() -> tuple[dict[str, Any], tuple[str, ...], list[np.ndarray]]:
    """Reads the model in the package.

    Returns:
        The options of its training by their names, and what `read_weights` gives.

    Raises:
        UserError: a file of it is missing or damaged.
    """
    try:
        options = json.loads(MANIFEST.read_text(encoding="utf-8"))["config"]
        return options, *read_weights(WEIGHTS)
    except Exception as error:  # of a damaged file: what its bytes happen to lead to
        reason = shortened(one_line(error))
        raise UserError(
            f"the model in the package, {FOLDER}, cannot be read ({reason}): install tf_muscle "
            "again, or give a model of yours"
        ) from error
