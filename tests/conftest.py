"""Fixtures that several rooms share."""

import shutil
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_gym"


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photos of the bundled sample as an export of its own: 12 train, 4 valid, 4 test."""
    export = tmp_path_factory.mktemp("small_export")
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        folder = export / split
        folder.mkdir()
        shutil.copy(SAMPLE / split / "_classes.csv", folder)
        for mask in sorted((SAMPLE / split).glob("*_mask.png"))[:count]:
            shutil.copy(mask, folder)
            shutil.copy(mask.with_name(mask.name.replace("_mask.png", ".jpg")), folder)
    return export
