import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from classification_models.models.resnet import ResNet34
from small_encoder import (
    MEAN,
    STD,
    assert_loaded,
    assert_weights,
    encoder_of,
    save_legacy,
    small_core,
)

from tf_muscle.errors import UserError
from tf_muscle.model.encoder_weights import fold_data_statistics, load_encoder_weights
from tf_muscle.model.unet import CORE
from tf_muscle.runs.environment import EncoderStart


@pytest.mark.parametrize("seed", range(3))
def test_folded_statistics_are_exact(seed: int) -> None:
    """gamma * (x - m) / sqrt(v + e) + beta, in float64, on raw input against folded."""
    rng = np.random.default_rng(seed)
    layer = keras.layers.BatchNormalization(scale=False, epsilon=2e-5)
    layer.build((None, None, None, 3))
    # The second time a variance so small that a forgotten epsilon would show.
    variance = rng.uniform(1000, 6000, 3) if seed else np.full(3, 1e-5)
    mean, beta = rng.uniform(80, 160, 3), rng.normal(size=3)
    layer.set_weights([beta, mean, variance])
    fold_data_statistics(layer)
    raw = rng.uniform(0, 255, (50, 3))
    expected = (raw - mean) / np.sqrt(variance + 2e-5) + beta
    beta, mean, variance = layer.get_weights()
    folded = ((raw / 255 - MEAN) / STD - mean) / np.sqrt(variance.astype(float) + 2e-5) + beta
    scale = np.abs(expected).max()
    np.testing.assert_allclose(folded, expected, atol=(1e-5 if seed else 0.1) * scale)


def test_real_encoder_from_the_librarys_own_file(
    fused_unet: keras.Model,
    randomize_normalization: Callable[[keras.Model], None],
    tmp_path: Path,
) -> None:
    """The file is written by the library's own ResNet34, in its own order of layers."""
    submodules = {name: getattr(keras, name) for name in ("backend", "layers", "models", "utils")}
    source = ResNet34(input_shape=(None, None, 3), include_top=False, weights=None, **submodules)
    randomize_normalization(source)
    path = save_legacy(source, tmp_path / "resnet34.h5")
    core = fused_unet.get_layer(CORE)
    before = core.get_weights()
    try:
        assert load_encoder_weights(core, "resnet34", str(path)).kind == "file"
        raw = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
        expected = np.array(source(raw))
        actual = np.array(encoder_of(core)((raw / 255 - MEAN) / STD))
        assert expected.shape == (1, 2, 2, 512)
        np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    finally:
        core.set_weights(before)


def test_none_leaves_everything() -> None:
    core = small_core(0)
    before = core.get_weights()
    assert load_encoder_weights(core, "resnet34", "none") == EncoderStart("random")
    assert_weights(core, before)


def test_file(pretrained: keras.Model, weights_file: Path) -> None:
    core = small_core(0)
    head = core.get_layer("logits").get_weights()
    loaded = load_encoder_weights(core, "resnet34", str(weights_file))
    digest = hashlib.sha256(weights_file.read_bytes()).hexdigest()
    assert loaded == EncoderStart("file", "mine.h5", f"sha256 {digest[:16]}")
    assert_loaded(core, pretrained)
    np.testing.assert_array_equal(core.get_layer("logits").get_weights()[0], head[0])


def foreign_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["table"] = np.zeros(3)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "other shapes": lambda path: save_legacy(encoder_of(small_core(0, filters=8)), path),
    "other layers": lambda path: save_legacy(small_core(0), path),
    "other hdf5": foreign_hdf5,
    "no hdf5": lambda path: path.write_text("<html>404</html>\n"),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras', before it gives up
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["foreign.h5", "foreign.weights.h5", "foreign.pth"])
def test_foreign_file_is_refused_in_one_sentence(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    FOREIGN[kind](path)
    with pytest.raises(UserError) as caught:
        load_encoder_weights(small_core(0), "resnet34", str(path))
    message = str(caught.value)
    assert message.startswith(f"--encoder_weights {path} does not hold segmentation-models'")
    assert "resnet34" in message
    assert "--encoder_weights none" in message
    assert "\n" not in message


@pytest.mark.parametrize("source", ["missing.h5", "imagnet", "."])
def test_missing_file_names_the_alternatives(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"--encoder_weights {source}: there is no such file; use"):
        load_encoder_weights(small_core(0), "resnet34", source)


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34"])
def test_the_library_knows_the_weights_of_both_encoders(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def get_file(name: str, url: str, **options: str) -> str:
        asked.append((name, url, len(options["md5_hash"])))
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(UserError, match="could not be downloaded: no network"):
        load_encoder_weights(small_core(0), encoder, "imagenet")
    ((name, url, digits),) = asked
    assert name == f"{encoder}_imagenet_1000_no_top.h5"
    assert url.startswith("https://")
    assert url.endswith(f"/{name}")
    assert digits == 32
