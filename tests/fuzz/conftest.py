"""The generators are modules of this folder, which the script fuzz.py imports by their names."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fresh_folder` sets TMPDIR to a folder that is gone when later tests run."""
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))  # remembers what was there
