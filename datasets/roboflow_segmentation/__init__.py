"""Roboflow's semantic segmentation exports as a TFDS data set; importing it registers the builder.

import roboflow_segmentation
import tensorflow_datasets as tfds

config = roboflow_segmentation.RoboflowSegmentationConfig(export_dir="my_export")
dataset = tfds.load("roboflow_segmentation", builder_kwargs={"config": config})
"""

from .roboflow_segmentation_dataset_builder import Builder, RoboflowSegmentationConfig

__all__ = ["Builder", "RoboflowSegmentationConfig"]
