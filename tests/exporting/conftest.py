"""A finished run with the smallest network, whose photos are a few of the bundled sample."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tf_muscle.config import DataConfig
from tf_muscle.data.prepare import load_builder
from tf_muscle.exporting.run_export import export
from tf_muscle.model.metrics import summarize
from tf_muscle.model.unet import CORE, HEAD, build_unet
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder

SIZE = 40  # no multiple of 32: padding and cropping are exported too


@pytest.fixture(scope="session")
def small_run(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """runs/tiny: random weights that mark a part of each photo; 12 training and 4 test photos."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    run.path.mkdir()
    data_dir = str(tmp_path_factory.mktemp("prepared"))
    data = DataConfig(data=str(small_export), allow_leakage=True, data_dir=data_dir)
    builder = load_builder(data)
    class_names = list(builder.info.metadata["class_names"])
    keras.utils.set_random_seed(0)
    model = build_unet(len(class_names), encoder="resnet18", fused=False)
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    spread = float(np.array(model(noise)).std())
    # Clearly decided nearly everywhere, as a trained network is.
    model.get_layer(CORE).get_layer(HEAD).bias.assign([3 * spread, 0, 0, 0])
    model.save(run.model)
    options = {
        "data": str(small_export), "image_size": SIZE, "resize": "pad", "split_seed": 0,
        "allow_leakage": True, "data_dir": data_dir, "encoder": "resnet18",
        "decoder": "transpose",
    }  # fmt: skip
    run.config.write_text(yaml.safe_dump(options))
    counts = {"train": 12, "valid": 4, "test": 4}
    environment = {
        "encoder_weights": "random",
        "data": {
            "name": "small_export", "synthetic": True, "fingerprint": "0", "format": "masks",
            "class_names": class_names, "num_examples": counts,
            "pixel_counts": {split: [1000, 10, 10, 10] for split in counts},
            "baked_augmentation": [], "notes": [],
        },
    }  # fmt: skip
    run.environment.write_text(json.dumps(environment))
    confusions = random.integers(1, 100, (4, len(class_names), len(class_names)))
    record = summarize(confusions, np.ones(4), class_names)
    run.metrics.write_text(json.dumps(dict.fromkeys(counts, record)))
    return run


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
