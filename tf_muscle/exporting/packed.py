"""Class names, geometry and calibration inside the file of a model, never parted from it.

A .keras file is a zip. TensorFlow Lite's "associated files" are a zip behind the model, which
runtimes skip. In either, any zip program finds labels.txt and preprocessing.json, in an export
calibration.json, too.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tf_muscle.data.geometry import PADDING, Geometry
from tf_muscle.runs.calibration import Calibration

LABELS, PREPROCESSING, CALIBRATION = "labels.txt", "preprocessing.json", "calibration.json"


@dataclass(frozen=True)
class Packed:
    """What lies in a model's file: K names, class 0 the background, and the training's geometry."""

    class_names: tuple[str, ...]
    geometry: Geometry


def pack(
    path: Path,
    class_names: Sequence[str],
    geometry: Geometry,
    calibration: Calibration | None = None,
) -> None:
    """Adds the class names and the geometry to a complete .keras or .tflite file.

    Args:
        path: the file.
        class_names: K names; labels.txt in the file, one a line.
        geometry: how the training brought photos to its size; preprocessing.json in the file.
        calibration: calibration.json in the file. Its temperature is in the model already, so none
            is packed into a run's best.keras, which is the plain model.
    """
    preprocessing = {
        "image_size": geometry.size,
        "resize": geometry.resize,
        "aspect": geometry.aspect,
        "padding": list(PADDING),
    }
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(LABELS, "\n".join(class_names) + "\n")
        file.writestr(PREPROCESSING, json.dumps(preprocessing))
        if calibration:
            file.writestr(CALIBRATION, json.dumps(calibration.to_json(class_names)))


def unpack(path: Path) -> Packed | None:
    """Reads what `pack` added; None for a file of another origin, or from before it was added."""
    with zipfile.ZipFile(path) as file:
        if PREPROCESSING not in file.namelist():
            return None
        class_names = file.read(LABELS).decode("utf-8").splitlines()
        preprocessing = json.loads(file.read(PREPROCESSING))
    geometry = Geometry.from_record(preprocessing)
    return Packed(tuple(class_names), geometry)
