from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

from hub_backbones import BACKBONES, SIDE, save_preset

from tf_muscle.exporting.inference import rebuild
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.folding import fold_batch_normalization, foldable
from tf_muscle.model.hub_encoder import BACKBONE, OUTPUT, read_preset
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.unet import CORE, NORMALIZATION, build_unet
from tf_muscle.prediction.model_files import load_network
from tf_muscle.runs.encoder import HubEncoder
from tf_muscle.runs.environment import EncoderStart

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
MASKS = np.random.default_rng(1).integers(0, 4, (2, SIDE, SIDE)).astype(np.uint8)
FOLDABLE = {"resnet": 14, "resnet_v2": 10, "resnet_vd": 15, "efficientnet_v2": 2}
QUICK = ("resnet_vd", "efficientnet", "hgnetv2", "mit", "densenet", "cspnet")


def unet(encoder: HubEncoder, **options: Any) -> keras.Model:
    return build_unet(4, SIDE, encoder=encoder, decoder_filters=16, **options)


@pytest.mark.parametrize(
    "name",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in BACKBONES],
)
def test_a_backbone_trains_folds_and_loads(name: str, tmp_path: Path) -> None:
    """The features of the loaded weights are those that KerasHub computes of the same photos."""
    backbone, preprocessing = save_preset(name, tmp_path / name)
    encoder = read_preset(str(tmp_path / name), SIDE)
    assert HubEncoder.from_json(encoder.to_json()) == encoder
    model = unet(encoder)
    core = model.get_layer(CORE)
    start = load_encoder_weights(core, encoder, "imagenet")
    assert start.kind == "kerashub"
    assert EncoderStart.parse(str(start)) == start

    features = backbone(preprocessing(PHOTOS.astype(np.float32)), training=False)
    expected = np.array(features["stage4"] if isinstance(features, dict) else features)
    encode = keras.Model(core.input, core.get_layer(OUTPUT).output)
    actual = np.array(encode(model.get_layer(NORMALIZATION)(PHOTOS), training=False))
    assert expected.shape[:3] == (2, SIDE // 32, SIDE // 32)
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    strides = [
        SIDE // one.shape[1] for one in map(np.array, core.get_layer(BACKBONE)(PHOTOS / 255))
    ]
    assert strides == [32, 16, 8, 4, 2][: len(strides)]
    assert len(strides) == (4 if name in ("hgnetv2", "mit") else 5)

    # Eagerly: a graph takes longer to build than this one step.
    model.compile("adam", SegmentationLoss(), run_eagerly=True)
    before = [np.array(weight) for weight in core.get_layer(BACKBONE).trainable_weights]
    assert np.isfinite(model.train_on_batch(PHOTOS, MASKS))
    after = core.get_layer(BACKBONE).trainable_weights
    changed = [(np.array(now) != then).any() for now, then in zip(after, before, strict=True)]
    assert np.mean(changed) > 0.9

    stock = rebuild(model, encoder, "transpose", 16)
    stock.save(tmp_path / "best.keras")
    for file in (tmp_path / name).iterdir():
        file.unlink()  # the preset is needed no more
    loaded = load_network(tmp_path / "best.keras")
    expected = np.array(model(PHOTOS, training=False))
    assert expected.std() > 0
    np.testing.assert_array_equal(loaded(PHOTOS), stock(PHOTOS))
    np.testing.assert_allclose(loaded(PHOTOS), expected, atol=1e-5)
    folded = fold_batch_normalization(loaded)
    # The decoder's ten, and the backbone's where they are layers of Keras' behind a convolution.
    assert len(foldable(loaded)) == 10 + FOLDABLE.get(name, 0)
    np.testing.assert_allclose(folded(PHOTOS), expected, atol=1e-5)
    if encoder.size is None:
        odd = PHOTOS[:, :45, :61]
        np.testing.assert_allclose(folded(odd), loaded(odd), atol=1e-5)
