"""An export as the training sees it: three splits, decoded, and what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tf_muscle.config import Config, DataConfig
from tf_muscle.data.augment import without_baked
from tf_muscle.data.geometry import Geometry, resolve
from tf_muscle.data.pipeline import load_masks, load_split
from tf_muscle.data.prepare import load_builder
from tf_muscle.roboflow.records import SPLITS


@dataclass(frozen=True)
class Data:
    """A prepared data set, decoded at the model's size."""

    splits: dict[str, tf.data.Dataset]  # train, valid, test: examples of pipeline.load_split
    facts: dict[str, Any]  # of the TFDS builder: class_names, pixel_counts, notes, fingerprint ...
    geometry: Geometry = field(default_factory=lambda: Geometry("pad", 256))
    # By split, of pipeline.load_masks.
    masks: dict[str, tf.data.Dataset] = field(default_factory=dict)

    @property
    def class_names(self) -> list[str]:
        """K names, [0] the background."""
        return list(self.facts["class_names"])


def load_data(config: DataConfig) -> Data:
    """Prepares and loads the export.

    Raises:
        UserError: the export cannot be used.
    """
    builder = load_builder(config)

    facts = dict(builder.info.metadata)
    geometry = data_geometry(config, facts)
    return Data(
        splits={split: load_split(builder, split, geometry) for split in SPLITS},
        facts=facts,
        geometry=geometry,
        masks={split: load_masks(builder, split) for split in SPLITS},
    )


def data_geometry(config: DataConfig, facts: Mapping[str, Any]) -> Geometry:
    """How photos of this export reach the network.

    Args:
        config: with `resize` and `image_size`.
        facts: what is known of the export, see `Data`.
    """
    stretched = bool(facts.get("stretched"))
    return Geometry(resolve(config.resize, stretched=stretched), config.image_size)


def print_notes(config: Config, data: Data) -> list[str]:
    """Prints what the user should know of the export.

    Returns:
        The options of augmentation that are off because the exported photos already carry it.
    """
    for note in data.facts["notes"]:
        print(note)
    _, left_out = without_baked(config.augment, data.facts["baked_augmentation"])
    if left_out:
        print(f"Not augmented again (--augment_again to do so): {', '.join(left_out)}")
    return left_out
