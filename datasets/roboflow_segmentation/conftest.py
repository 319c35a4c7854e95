"""Places for an export and for what is prepared from it."""

import shutil
from pathlib import Path

import pytest

from tf_muscle.roboflow_segmentation.dummy_export import DUMMY_DATA


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A copy of dummy_data/ that a test may change."""
    return Path(shutil.copytree(DUMMY_DATA, tmp_path / "export"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where it is prepared."""
    return tmp_path / "tfds"
