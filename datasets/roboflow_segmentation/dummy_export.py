"""The export in dummy_data/ and what is prepared from it, for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig

DUMMY_DATA = Path(__file__).parent / "dummy_data"
CLASS_NAMES = ["background", "biceps", "triceps", "calf"]
NUM_EXAMPLES = {"train": 3, "valid": 1, "test": 1}


def prepared(export: Path, data_dir: Path, **options: Any) -> Builder:
    """An export, prepared in a folder; `options` are those of the config."""
    config = RoboflowSegmentationConfig(export_dir=export, **options)
    builder = Builder(config=config, data_dir=data_dir)
    builder.download_and_prepare()
    return builder


def first_mask(export: Path) -> Path:
    """A mask of a training photo."""
    return min((export / "train").glob("*_mask.png"))


def change_one_pixel(export: Path) -> None:
    """Gives a pixel of that mask another class."""
    path = first_mask(export)
    mask = np.array(Image.open(path))
    mask[0, 0] = 3
    Image.fromarray(mask).save(path)


def examples(builder: Builder, split: str) -> dict[str, dict]:
    """The examples as stored, with the image's bytes undecoded, by file name."""
    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {example["file_name"].decode(): example for example in tfds.as_numpy(dataset)}
