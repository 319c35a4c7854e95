"""Backbones of KerasHub where several networks are trained: folds, distillation, the search."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

from fold_options import options
from hub_backbones import save_preset
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.train import main as train
from tf_muscle.training import loop
from tf_muscle.tuner.__main__ import main as tune

SIZE = 64
PHOTOS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
SMALL = {"epochs": 1, "image_size": SIZE, "decoder_filters": 16, "encoder_weights": "imagenet"}


@pytest.fixture
def preset(tmp_path: Path) -> str:
    save_preset("resnet_vd", tmp_path / "preset")
    return f"kerashub:{tmp_path / 'preset'}"


@pytest.mark.slow
def test_killed_folds_go_on_and_teach(
    preset: str, small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folds teach a network with such an encoder, and that teaches one without."""
    finish = loop.finish

    def killed_in_fold_2(run: RunFolder, *others: object) -> None:
        if run.path.name == "fold_2":
            raise SystemExit("killed")
        finish(run, *others)

    run = RunFolder(tmp_path / "runs" / "folds")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "finish", killed_in_fold_2)
        with pytest.raises(SystemExit, match="killed"):
            run_command(
                train, options(small_export, tmp_path, run_name="folds", encoder=preset, **SMALL)
            )
    assert run_command(train, ["--resume", str(run.path)]) == 0
    starts = {json.loads(one.environment.read_text())["encoder_weights"] for one in run.fold_runs}
    assert len(starts) == 1, "each fold starts from the preset's weights"
    (start,) = starts
    assert start.startswith(preset.replace(":", " ", 1))
    members = [load_predictor(one).forward(PHOTOS) for one in run.fold_runs]
    mean = load_predictor(run).forward(PHOTOS)
    np.testing.assert_allclose(mean, np.mean(members, axis=0), atol=1e-4)

    for name, encoder, teacher in (
        ("pupil", preset, run.path),
        ("lite", "efficientnet_lite0", tmp_path / "runs" / "pupil"),
    ):
        words = small_run(
            small_export, tmp_path, run_name=name, encoder=encoder, distill=teacher, **SMALL
        )
        assert run_command(train, words) == 0
        record = json.loads((tmp_path / "runs" / name / "environment.json").read_text())
        assert record["teacher"]["path"] == str(teacher)
        assert np.isfinite(load_predictor(tmp_path / "runs" / name).forward(PHOTOS)).all()


@pytest.mark.slow
def test_a_search_trains_them(preset: str, small_export: Path, tmp_path: Path) -> None:
    words = small_run(small_export, tmp_path, encoder=preset, name="study", retrain="true", **SMALL)
    words += ["--learning_rate", "0.01", "0.001", "--optimizer", "adam"]
    place = words.index("--minutes")  # the search has no such option
    del words[place : place + 2]
    assert run_command(tune, words) == 0
    found = tmp_path / "runs" / "tuner" / "study"
    assert len(list(found.rglob("history.csv"))) == 2
    assert np.isfinite(load_predictor(tmp_path / "runs" / "study-best").forward(PHOTOS)).all()
