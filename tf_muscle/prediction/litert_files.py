"""A .tflite file of `tf_muscle.export` as a model; needs no TensorFlow."""

import importlib.util
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError, install_command, one_line, shortened
from tf_muscle.exporting.litert_runtime import open_file
from tf_muscle.exporting.packed import CALIBRATION, unpack
from tf_muscle.runs.calibration import Calibration


@dataclass(frozen=True)
class LitertFile:
    """A .tflite file and what is packed into it.

    Attributes:
        path: of the file.
        class_names: K names, the first is the background's.
        geometry: how a photo is brought to the one size that it takes.
        calibration: how probabilities become masks. Its temperature is inside the model.
    """

    path: Path
    class_names: tuple[str, ...]
    geometry: Geometry
    calibration: Calibration

    def forward(self) -> Callable[[np.ndarray], np.ndarray]:
        """From photos uint8 [B, S, S, 3] to probabilities float32 [B, S, S, K], one at a time.

        Raises:
            UserError: ai-edge-litert is not installed, or the file is damaged.
        """
        if not installed():
            raise UserError(f"{self.path} needs ai-edge-litert: {install_command('litert')}")
        try:
            run = open_file(self.path)
        except (ValueError, RuntimeError) as error:  # of damaged files
            raise _unusable(self.path, error) from error
        return lambda images: np.concatenate(
            [run(np.ascontiguousarray(image[None]))["probabilities"] for image in images]
        )


def installed() -> bool:
    """Whether LiteRT's interpreter is there."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def read_litert(path: Path) -> LitertFile:
    """Reads what is packed into a file.

    Raises:
        UserError: there is no such file, or nothing is packed into it.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: give a .tflite file of tf_muscle.export")
    try:
        packed = unpack(path)
        if packed is None:
            raise ValueError("no class names are packed into it")
        with zipfile.ZipFile(path) as file:
            record = json.loads(file.read(CALIBRATION))
        calibration = Calibration.from_json(record, packed.class_names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _unusable(path, error) from error
    return LitertFile(path, packed.class_names, packed.geometry, calibration)


def load_litert(
    path: Path, image_size: int | None, *, other_sizes: bool, calibrated: bool
) -> LitertFile:
    """Reads a file that a user chose; arguments as of `model_files.load_model`.

    Test-time augmentation at two sizes becomes that with the mirror image, and this is printed.

    Raises:
        UserError: the file cannot be used, or is asked for another size than its own.
    """
    file = read_litert(path)
    size = file.geometry.size
    if image_size not in (None, size) or other_sizes:
        raise UserError(
            f"{path} takes photos of {size}x{size} pixels only: leave --image_size and --tta "
            "mirror_scale out, or give the run"
        )
    calibration = file.calibration if calibrated else Calibration()
    if not calibrated and file.calibration.temperature != 1:
        print(f"{path} keeps its temperature of {file.calibration.temperature:.2f}, inside it")
    if calibration.tta == "mirror_scale":
        print(f"{path} takes one size: the mean is with the mirror image at that size only")
        calibration = replace(calibration, tta="mirror")
    return replace(file, calibration=calibration)


def _unusable(path: Path, error: Exception) -> UserError:
    reason = shortened(one_line(error))
    return UserError(
        f"{path} is no LiteRT file of tf_muscle ({reason}): write it again by "
        "python -m tf_muscle.export RUN --formats litert"
    )
