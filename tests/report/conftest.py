import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
