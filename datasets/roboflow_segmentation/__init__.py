"""Roboflow's semantic segmentation exports as a TFDS data set; importing it registers the builder.

import tensorflow_datasets as tfds

from tf_muscle.roboflow_segmentation import RoboflowSegmentationConfig

config = RoboflowSegmentationConfig(export_dir="my_export")
dataset = tfds.load("roboflow_segmentation", builder_kwargs={"config": config})
"""

# By its full name: TFDS and pytest import this folder as `roboflow_segmentation` too, and TFDS
# refuses to register a builder twice.
from tf_muscle.roboflow_segmentation.roboflow_segmentation_dataset_builder import (
    Builder,
    RoboflowSegmentationConfig,
)

__all__ = ["Builder", "RoboflowSegmentationConfig"]
