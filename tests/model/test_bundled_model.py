"""The model in the package against the bundled sample, and its 8 bits against the kernels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tf_muscle
from tf_muscle.errors import UserError
from tf_muscle.model import bundled_model
from tf_muscle.model.bundled_model import FOLDER, MANIFEST, quantize, read_weights, write_weights
from tf_muscle.model.unet import build_unet
from tf_muscle.roboflow.archive import fingerprint
from tools.pack_bundled_model import SAMPLE, foreground_mean_iou


def test_it_is_small_and_its_manifest_names_the_sample() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 8e6
    manifest = json.loads(MANIFEST.read_text())
    assert manifest["data"]["fingerprint"] == fingerprint(SAMPLE)
    assert manifest["data"]["synthetic"] is True


def test_it_marks_the_muscles_of_the_samples_test_photos() -> None:
    predictor = tf_muscle.load_predictor()
    assert predictor.class_names == ("background", "biceps", "triceps", "calf")
    recorded = json.loads(MANIFEST.read_text())["metrics"]["test"]
    assert foreground_mean_iou(tf_muscle.read_export(SAMPLE), predictor) == pytest.approx(
        recorded["foreground_mean_iou"], abs=0.02
    )


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 3, 8, 6), 3), ((4, 4, 6, 8), 2), ((3, 3, 7, 1), 2)]
)
def test_each_channel_is_off_by_half_a_step_at_most(shape: tuple[int, ...], axis: int) -> None:
    random = np.random.default_rng(0)
    sizes = np.geomspace(1e-3, 10, shape[axis])  # channels of very different size
    kernel = random.normal(size=shape) * np.moveaxis(sizes[:, None, None, None], 0, axis)
    eight, scale = quantize(kernel.astype(np.float32), axis)
    assert eight.dtype == np.int8
    for channel, largest in enumerate(np.abs(np.moveaxis(kernel, axis, 0)).reshape(len(sizes), -1)):
        error = np.abs(np.take(kernel - eight * scale, channel, axis))
        assert error.max() <= largest.max() / 127 / 2 * 1.001


def test_a_channel_of_zeros_stays_one() -> None:
    eight, scale = quantize(np.zeros((3, 3, 2, 2), np.float32), 3)
    assert not (eight * scale).any()


def test_another_network_is_refused(tmp_path: Path) -> None:
    written = build_unet(4, encoder="efficientnet_lite0", decoder_filters=16, fused=False)
    write_weights(tmp_path / "weights.npz", written, ("background", "a", "b", "c"))
    other = build_unet(4, encoder="efficientnet_lite0", decoder_filters=32, fused=False)
    class_names, weights = read_weights(tmp_path / "weights.npz")
    with pytest.raises(ValueError, match="shape"):
        other.set_weights(weights)
    written.set_weights(weights)
    assert class_names == ("background", "a", "b", "c")


@pytest.mark.parametrize("damaged", ["weights.npz", "run.json"])
@pytest.mark.parametrize("kept", [None, 0, 0.5])
def test_a_damaged_or_missing_file_is_one_sentence(
    damaged: str, kept: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, empty, and cut off in the middle."""
    folder = tmp_path / "bundled"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr(bundled_model, "WEIGHTS", folder / "weights.npz")
    monkeypatch.setattr(bundled_model, "MANIFEST", folder / "run.json")
    content = (folder / damaged).read_bytes()
    (folder / damaged).unlink()
    if kept is not None:
        (folder / damaged).write_bytes(content[: int(kept * len(content))])
    told = r"^the model in the package, .*, cannot be read \(.*\): install tf_muscle again"
    with pytest.raises(UserError, match=told):
        tf_muscle.load_predictor()
