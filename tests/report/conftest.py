import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report_inputs import NAMES

from tf_muscle.model.score_records import summarize

# Rows true, columns predicted. By hand: IoU 900/950, 20/60, 0/10 and absent, so mIoU is .427 and
# foreground mIoU .167; recall 900/930, 20/30, 0/10, so their mean is 54.5%; 20 of the 40 annotated
# and 920 of all 970 pixels are right; Dice is 1800/1850, 40/80, 0; the floor 930/970/3.
CONFUSION = np.array([[900, 30, 0, 0], [10, 20, 0, 0], [10, 0, 0, 0], [0, 0, 0, 0]])

Read = Callable[[Path], np.ndarray]


@pytest.fixture
def pixels() -> Read:
    """Decodes a PNG to RGB, uint8 [H, W, 3]."""

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            assert image.format == "PNG"
            return np.asarray(image.convert("RGB"))

    return read


@pytest.fixture(scope="session")
def loaded_modules() -> set[str]:
    """What a bare process has imported after all of tf_muscle.report."""
    code = (
        "import sys, tf_muscle.report.photo_sheets, tf_muscle.report.plots, "
        "tf_muscle.report.tables; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.fixture
def metrics() -> dict[str, dict[str, Any]]:
    record = summarize(CONFUSION[None], np.array([0.04567]), NAMES)
    record["intervals"] |= {
        "loss": [0.03, 0.0612],
        "mean_iou": [0.3123, 0.4877],
        "mean_class_accuracy": [0.4, 0.61239],
    }
    return {split: copy.deepcopy(record) for split in ("train", "valid", "test")}


@pytest.fixture
def environment() -> dict[str, Any]:
    return {
        "tensorflow": "2.21.0",
        "encoder_weights": "random, because the ImageNet weights could not be had",
        "augmentation_left_out": [],
        "data": {
            "name": "my_export.zip",
            "fingerprint": "0123456789abcdef",
            "synthetic": False,
            "class_names": NAMES,
            "num_examples": {"train": 4800, "valid": 20, "test": 20},
            "pixel_counts": {"train": [975, 25, 0, 0], "valid": [9, 1, 0, 0], "test": [1, 0, 0, 0]},
            "baked_augmentation": ["shear", "blur"],
            "notes": ["Something to know."],
        },
    }
