"""Whether files are still those with which a prediction began: the model's, an EMG file."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tf_muscle.exporting.hub import local_model
from tf_muscle.model import bundled_model
from tf_muscle.prediction.model_files import network_files


def model_digest(model: str | None) -> str:
    """SHA-256 of the files that hold a model's weights.

    Args:
        model: see `load_predictor`, which has loaded it.

    Raises:
        UserError: there is no such model.
    """
    if model is None:
        return files_digest([bundled_model.WEIGHTS])
    path = Path(local_model(model))
    if (path / "saved_model.pb").is_file():
        return files_digest(file for file in sorted(path.rglob("*")) if file.is_file())
    return files_digest([path] if path.suffix == ".tflite" else network_files(path))


def files_digest(files: Iterable[Path]) -> str:
    """SHA-256 of the contents of files, in their order; their names do not matter."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
