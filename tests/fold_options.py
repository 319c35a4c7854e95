"""A cross-validation of seconds: its options, and what it scored."""

import json
from pathlib import Path
from typing import Any

from tf_muscle.runs.folder import RunFolder

GROUP_COUNT = 7


def people(export: Path, folder: Path) -> Path:
    """A CSV that gives the 20 photos to 7 people in turn."""
    photos = sorted(path.name for path in export.rglob("*.jpg"))
    path = folder / "people.csv"
    rows = "".join(f"{name},person {i % GROUP_COUNT}\n" for i, name in enumerate(photos))
    path.write_text(f"photo,person\n{rows}")
    return path


def options(export: Path, folder: Path, **more: object) -> list[str]:
    """Words for a cross-validation of seconds, everything below `folder`."""
    values = {
        "image_size": 32, "batch_size": 4, "encoder": "resnet18", "encoder_weights": "none",
        "decoder_filters": 16, "precision": "float32", "loss": "cross_entropy", "epochs": 1,
        "folds": 2,
        "data": export, "groups": people(export, folder), "data_dir": folder / "tfds",
        "runs_dir": folder / "runs", "saved_models_dir": folder / "saved_models",
    } | more  # fmt: skip
    return [str(word) for key, value in values.items() for word in (f"--{key}", value)]


def metrics_of(run: RunFolder) -> dict[str, Any]:
    return dict(json.loads(run.metrics.read_text()))
