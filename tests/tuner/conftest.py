from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tf_muscle.config import Config
from tf_muscle.options import DataConfig, RunConfig
from tf_muscle.tuner.options import Search, SearchOptions

FINGERPRINT = "0123456789abcdef"


@pytest.fixture
def make_search(tmp_path: Path) -> Callable[..., Search]:
    """A search with these options, which keeps to the test's own folder."""

    def make(**options: Any) -> Search:
        base = Config(
            data=DataConfig(data="photos", image_size=32),
            run=RunConfig(runs_dir=str(tmp_path / "runs")),
        )
        return Search(base, SearchOptions(**options), "study")

    return make


@pytest.fixture(autouse=True)
def _no_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras collects before each training, which takes longer than a training here."""
    monkeypatch.setattr("gc.collect", lambda *_: None)
