"""A finished run with the smallest network, whose photos are a few of the bundled sample."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_run import tiny_run

from tf_muscle.exporting.run_export import export
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder

SIZE = 40  # no multiple of 32: padding and cropping are exported too


@pytest.fixture(scope="session")
def small_run(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """runs/tiny: random weights that mark a part of each photo; 12 training and 4 test photos.

    With a decoder of users' size, so that most of a file are weights.
    """
    runs, data_dir = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("prepared")
    return tiny_run(
        runs / "tiny", small_export, data_dir, size=SIZE, decided=3.0, decoder_filters=256
    )


@pytest.fixture(scope="session")
def exported(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """saved_models/ with the SavedModel and the LiteRT files of the small run."""
    pytest.importorskip("ai_edge_litert", reason="pip install -e .[litert]")
    folder = tmp_path_factory.mktemp("saved_models")
    formats = ("saved_model", "litert")
    assert export(small_run, formats=formats, saved_models_dir=folder) == [
        folder / "tiny",
        folder / "tiny-litert",
    ]
    return folder


@pytest.fixture(scope="session")
def calibrated_run(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The small run with a calibration.json in it."""
    folder = tmp_path_factory.mktemp("calibrated") / "tiny"
    run = RunFolder(shutil.copytree(small_run.path, folder))
    names = read_environment(run).info.class_names
    chosen = Calibration(2.5, "mirror", (0.3, 0.35, 0.2), 0.001)
    run.calibration.write_text(json.dumps(chosen.to_json(names)))
    return run


@pytest.fixture(scope="session")
def exported_onnx(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """saved_models/ with the ONNX file of the small run."""
    for module in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(module, reason="pip install -e .[onnx]")
    folder = tmp_path_factory.mktemp("saved_models")
    export(small_run, formats=("onnx",), saved_models_dir=folder)
    return folder
