"""Whole runs with a backbone of KerasHub, whose preset is gone after the first epoch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

from hub_backbones import save_preset
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.labelling.features import Networks
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main
from tf_muscle.training import loop

SIZE = 64


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet_vd", "mit", "hgnetv2", "efficientnet", "densenet", "cspnet"]
)
def test_a_run_needs_its_preset_once(
    name: str, small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = tmp_path / "preset"
    save_preset(name, preset)
    words = small_run(
        small_export, tmp_path, run_name="hub", epochs=1, image_size=SIZE, decoder_filters=16,
        encoder=f"kerashub:{preset}", encoder_weights="imagenet",
    )  # fmt: skip
    run = RunFolder(tmp_path / "runs" / "hub")
    with monkeypatch.context() as killed:
        killed.setattr(loop, "finish", lambda *_: (_ for _ in ()).throw(SystemExit("killed")))
        with pytest.raises(SystemExit, match="killed"):
            run_command(main, words)
    shutil.rmtree(preset)
    options = yaml.safe_load(run.config.read_text())
    run.config.write_text(yaml.safe_dump(options | {"epochs": 2}))
    assert run_command(main, ["--resume", str(run.path)]) == 0

    assert len(run.history.read_text().splitlines()) == 3
    start = json.loads(run.environment.read_text())["encoder_weights"]
    assert start.startswith(f"kerashub {preset} (sha256 ")
    photos = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    expected = load_predictor(run.path).forward(photos)
    alone = load_predictor(run.path, batch_size=1).forward
    np.testing.assert_allclose(
        np.concatenate([alone(photos[:1]), alone(photos[1:])]), expected, atol=1e-4
    )
    saved_models = tmp_path / "saved_models"
    np.testing.assert_allclose(
        load_predictor(saved_models / "hub").forward(photos), expected, atol=1e-4
    )
    probabilities, features = Networks(str(run.path)).look(photos)
    np.testing.assert_allclose(probabilities[0], expected, atol=1e-4)
    assert features.shape[:3] == (2, SIZE // 32, SIZE // 32)
