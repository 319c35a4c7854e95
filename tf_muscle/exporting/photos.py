"""The photos that an export is tested and calibrated on: those of the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.config import DataConfig
from tf_muscle.data.dataset import data_geometry
from tf_muscle.data.pipeline import as_arrays, load_split
from tf_muscle.data.prepare import load_builder, refuse_other_classes

TESTED = 200  # photos, one at a time; more would not change what an export is told to have lost


@dataclass(frozen=True)
class Photos:
    """Photos at the size of the training."""

    images: np.ndarray  # uint8 [N, S, S, 3], of the test split
    masks: np.ndarray  # uint8 [N, S, S], their true class ids
    calibration: np.ndarray  # uint8 [M, S, S, 3], of the training split


def load_photos(data: DataConfig, class_names: Sequence[str], calibration_count: int) -> Photos:
    """Loads test photos, and training photos spread evenly over their split.

    Args:
        data: the run's, or other photos of the same classes.
        class_names: the K names of the model's classes.
        calibration_count: training photos.

    Raises:
        UserError: the data cannot be read, or have other classes.
    """
    builder = load_builder(data)
    refuse_other_classes(builder, data.data, class_names)
    geometry = data_geometry(data, builder.info.metadata)
    train = load_split(builder, "train", geometry)
    every = max(1, int(train.cardinality()) // calibration_count)
    calibration, _, _ = as_arrays(train.shard(every, 0), calibration_count)
    images, masks, _ = as_arrays(load_split(builder, "test", geometry), TESTED)
    return Photos(images, masks, calibration)
