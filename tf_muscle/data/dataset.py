"""An export as the training sees it: three splits, decoded, and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from tf_muscle.config import Config
from tf_muscle.data.augment import without_baked
from tf_muscle.data.geometry import Geometry, resolve
from tf_muscle.data.pipeline import load_own_sizes, load_split
from tf_muscle.data.prepare import load_divided
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.records import SPLITS, DataInfo
from tf_muscle.runs.assignment import Assignment


@dataclass(frozen=True)
class Data:
    """A prepared data set, decoded at the model's size."""

    splits: dict[str, tf.data.Dataset]  # by name: examples of pipeline.load_split
    info: DataInfo
    geometry: Geometry
    own_sizes: dict[str, tf.data.Dataset]  # by split, of pipeline.load_own_sizes

    @property
    def class_names(self) -> list[str]:
        """K names, [0] the background."""
        return list(self.info.class_names)


def load_data(
    config: DataConfig,
    assignment: Assignment | None = None,
    splits: Sequence[str] = SPLITS,
) -> Data:
    """Prepares and loads the export.

    Args:
        config: which export, and how it is read.
        assignment: which photos are in which split; by default the export's own division. The
            photos are prepared once, whatever divisions of them are loaded.
        splits: the splits to load.

    Raises:
        UserError: the export cannot be used.
    """
    builder = load_divided(config, assignment)
    info = DataInfo.from_json(builder.info.metadata)
    if assignment:
        counts = {split: len(assignment.photos[split]) for split in SPLITS}
        info = replace(info, num_examples=counts, pixel_counts=assignment.pixel_counts)
    geometry = resolve(config, info)
    return Data(
        splits={split: load_split(builder, split, geometry, assignment) for split in splits},
        info=info,
        geometry=geometry,
        own_sizes={split: load_own_sizes(builder, split, geometry, assignment) for split in splits},
    )


def print_notes(config: Config, data: Data) -> list[str]:
    """Prints what the user should know of the export.

    Returns:
        The options of augmentation that are off because the exported photos already carry it.
    """
    for note in data.info.notes:
        print(note)
    _, left_out = without_baked(config.augment, data.info.baked_augmentation)
    if left_out:
        print(f"Not augmented again (--augment_again to do so): {', '.join(left_out)}")
    return left_out
