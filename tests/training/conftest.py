"""Finished runs with random weights, and one with two folds."""

from pathlib import Path

import pytest
from tiny_run import tiny_folds, tiny_run

from tf_muscle.runs.folder import RunFolder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders for runs and for prepared photos."""
    return tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def small(small_export: Path, places: tuple[Path, Path]) -> RunFolder:
    return tiny_run(places[0] / "small", small_export, places[1], size=40)


@pytest.fixture(scope="module")
def large(small_export: Path, places: tuple[Path, Path]) -> RunFolder:
    return tiny_run(places[0] / "large", small_export, places[1], size=64, seed=1)


@pytest.fixture(scope="module")
def folds(small_export: Path, places: tuple[Path, Path]) -> RunFolder:
    return tiny_folds(places[0] / "folds", small_export, places[1], size=40)
