"""The encoder against timm's `tf_efficientnet_lite0` with the same weights.

`efficientnet_lite0_features.npz` is made by tools/reference_efficientnet_lite0.py.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.exporting.inference import rebuild
from tf_muscle.model import efficientnet_lite0
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.folding import fold_batch_normalization
from tf_muscle.model.unet import CORE, build_unet
from tf_muscle.runs.environment import EncoderStart

REFERENCE = Path(__file__).with_name("efficientnet_lite0_features.npz")
CHANNEL_STEP = 4  # the reference keeps every fourth channel
LAYERS = {
    "stride2": "block2a_expand_activation",
    "stride4": "block3a_expand_activation",
    "stride8": "block4a_expand_activation",
    "stride16": "block6a_expand_activation",
    "stride32": "top_activation",
}
IMAGENET = EncoderStart("imagenet", "efficientnet_lite0.npz", "sha256 ce39c47383c0501a")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def pretrained() -> keras.Model:
    """The network that is trained, as a training starts."""
    keras.utils.set_random_seed(0)
    model = build_unet(4, 64, encoder="efficientnet_lite0")
    core = model.get_layer(CORE)
    head = core.get_layer("logits").get_weights()[0]
    assert load_encoder_weights(core, "efficientnet_lite0", "imagenet") == IMAGENET
    np.testing.assert_array_equal(core.get_layer("logits").get_weights()[0], head)
    return model


def features(model: keras.Model, photos: np.ndarray) -> dict[str, np.ndarray]:
    """What the decoder takes from the encoder, for uint8 photos [B, H, W, 3]."""
    normalize = keras.Model(model.input, model.get_layer("normalize").output)
    core = model.get_layer(CORE)
    encoder = keras.Model(core.input, [core.get_layer(name).output for name in LAYERS.values()])
    return dict(zip(LAYERS, (np.array(one) for one in encoder(normalize(photos))), strict=True))


def assert_reference(found: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> None:
    for name in LAYERS:
        expected = reference[name]
        assert expected.std() > 0.05
        np.testing.assert_allclose(
            found[name][..., ::CHANNEL_STEP], expected, atol=1e-3 * expected.std(), err_msg=name
        )


def test_features_are_timms(pretrained: keras.Model, reference: dict[str, np.ndarray]) -> None:
    found = features(pretrained, reference["photos"])
    assert {name: one.shape[1:] for name, one in found.items()} == {
        "stride2": (32, 32, 96),
        "stride4": (16, 16, 144),
        "stride8": (8, 8, 240),
        "stride16": (4, 4, 672),
        "stride32": (2, 2, 1280),
    }
    assert_reference(found, reference)


def test_saved_and_rebuilt_network_keep_the_features(
    pretrained: keras.Model, reference: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """best.keras holds Keras' own layers and the right normalization."""
    stock = rebuild(pretrained, "efficientnet_lite0", "transpose")
    stock.save(tmp_path / "best.keras")
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    layers = [*loaded.layers, *loaded.get_layer(CORE).layers]
    assert {type(layer).__module__.partition(".")[0] for layer in layers} == {"keras"}
    assert_reference(features(loaded, reference["photos"]), reference)
    again = rebuild(loaded, "efficientnet_lite0", "transpose", image_size=64)
    assert_reference(features(again, reference["photos"]), reference)


def test_folded_network_gives_the_same_logits(
    pretrained: keras.Model, reference: dict[str, np.ndarray]
) -> None:
    expected = np.array(pretrained(reference["photos"]))
    folded = fold_batch_normalization(pretrained)
    assert not [
        layer
        for layer in folded.get_layer(CORE).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    tolerance = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(folded(reference["photos"]), expected, atol=tolerance)


def test_sizes() -> None:
    layers = keras.layers
    encoder = efficientnet_lite0.efficientnet_lite0((None, None, 3), layers)
    # 4,652,008 trainable weights with the classifier, as timm counts them.
    trainable = sum(int(np.prod(weight.shape)) for weight in encoder.trainable_weights)
    assert trainable == 4_652_008 - 1_281_000
    assert efficientnet_lite0.WEIGHTS.stat().st_size < 8e6
    assert REFERENCE.stat().st_size < 300e3
    with np.load(efficientnet_lite0.WEIGHTS) as file:
        names = [f"{layer.name}/{one.name}" for layer in encoder.layers for one in layer.variables]
        assert sorted(file) == sorted(names)
        assert {array.dtype for array in file.values()} == {np.dtype(np.float16)}


def test_licence_and_checksum_stand_beside_the_weights() -> None:
    path = efficientnet_lite0.WEIGHTS
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == efficientnet_lite0.WEIGHTS_SHA256
    notes = path.with_suffix(".md").read_text(encoding="utf-8")
    assert digest in notes
    assert f"{path.stat().st_size:,} bytes" in notes
    assert "Apache-2.0" in notes


@pytest.mark.parametrize("content", [None, b"half a file"])
@pytest.mark.parametrize("source", ["imagenet", "auto"])
def test_damaged_weights_are_refused(
    content: bytes | None,
    source: str,
    pretrained: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "efficientnet_lite0.npz"
    if content:
        path.write_bytes(content)
    monkeypatch.setattr(efficientnet_lite0, "WEIGHTS", path)
    with pytest.raises(UserError, match="install tf_muscle again") as caught:
        load_encoder_weights(pretrained.get_layer(CORE), "efficientnet_lite0", source)
    assert ("damaged" if content else "missing") in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["mine.h5", "mine.weights.h5"])
def test_own_file(name: str, pretrained: keras.Model, tmp_path: Path) -> None:
    core = pretrained.get_layer(CORE)
    encoder = keras.Model(core.input, core.get_layer("top_activation").output)
    weights = encoder.get_weights()
    (encoder.save if name == "mine.h5" else encoder.save_weights)(tmp_path / name)
    try:
        encoder.set_weights([np.zeros_like(weight) for weight in weights])
        start = load_encoder_weights(core, "efficientnet_lite0", str(tmp_path / name))
        assert (start.kind, start.file) == ("file", name)
        for weight, saved in zip(encoder.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(weight, saved)
    finally:
        encoder.set_weights(weights)


def test_foreign_file_is_refused(pretrained: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "foreign.h5"
    path.write_text("<html>404</html>\n")
    with pytest.raises(UserError, match="does not hold tf_muscle's efficientnet_lite0 encoder"):
        load_encoder_weights(pretrained.get_layer(CORE), "efficientnet_lite0", str(path))


WITHOUT_NETWORK = """
import json
import sys


def refuse(event, arguments):
    if event.startswith("socket."):
        raise OSError(f"no network: {event}")


sys.addaudithook(refuse)
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.unet import CORE, build_unet

core = build_unet(2, 32, encoder="efficientnet_lite0").get_layer(CORE)
print(json.dumps(str(load_encoder_weights(core, "efficientnet_lite0", "imagenet"))))
"""


def test_no_network_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == str(IMAGENET)
