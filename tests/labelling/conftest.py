"""Runs that the tests of features and of labelled photos share."""

from pathlib import Path

import pytest
from tiny_run import tiny_folds, tiny_run

from tf_muscle.runs.folder import RunFolder

SIZE = 64


@pytest.fixture(scope="session")
def run(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on 12 train, 4 valid and 4 test photos."""
    folder = tmp_path_factory.mktemp("run")
    return tiny_run(folder / "run", small_export, folder / "data", size=SIZE)


@pytest.fixture(scope="session")
def folds(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two folds on the same photos."""
    folder = tmp_path_factory.mktemp("folds")
    return tiny_folds(folder / "folds", small_export, folder / "data", size=SIZE)
