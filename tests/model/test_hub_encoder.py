import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.errors import UserError

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

from hub_backbones import BACKBONES, SIDE, converter, save_preset

from tf_muscle.config import Config
from tf_muscle.exporting.inference import rebuild
from tf_muscle.model.compiled import encoder_asked_for
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.folding import fold_batch_normalization, foldable
from tf_muscle.model.hub_encoder import BACKBONE, OUTPUT, Pyramid, read_preset
from tf_muscle.model.loading import load_network
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.unet import CORE, NORMALIZATION, build_unet
from tf_muscle.runs.encoder import HubEncoder
from tf_muscle.runs.environment import EncoderStart

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
MASKS = np.random.default_rng(1).integers(0, 4, (2, SIDE, SIDE)).astype(np.uint8)
# One with a feature of stride 2 and one without; all are read, trained and folded in the same way:
# python -m pytest -m "slow or not slow" tests/model/test_hub_encoder.py
QUICK = ("resnet_vd", "hgnetv2")


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
    assert len(foldable(loaded)) >= 10  # the decoder's, whatever the backbone's layers are
    np.testing.assert_allclose(folded(PHOTOS), expected, atol=1e-5)
    if encoder.size is None:
        odd = PHOTOS[:, :45, :61]
        np.testing.assert_allclose(folded(odd), loaded(odd), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 1 / 255, "offset": None},
        {"scale": None, "offset": [-103.939, -116.779, -123.68]},
        {"scale": [1 / 127.5] * 3, "offset": -1.0},
        {"scale": None, "offset": None},
    ],
    ids=["factor", "summands", "-1 to 1", "none"],
)
def test_photos_are_prepared_as_the_preset_says(options: dict[str, Any], tmp_path: Path) -> None:
    """Against KerasHub's own layer, for converters that are not those of ImageNet's statistics."""
    _, preprocessing = save_preset("densenet", tmp_path / "preset", **options)
    encoder = read_preset(str(tmp_path / "preset"), SIDE)
    expected = np.array(preprocessing(PHOTOS.astype(np.float32)))
    actual = np.array(unet(encoder).get_layer(NORMALIZATION)(PHOTOS))
    np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())


def test_every_batch_normalization_has_pytorchs_momentum(tmp_path: Path) -> None:
    save_preset("densenet", tmp_path / "preset")  # KerasHub leaves it Keras' 0.99
    model = unet(read_preset(str(tmp_path / "preset"), SIDE))
    layers = model.get_layer(CORE).get_layer(BACKBONE).layers
    found = [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    assert len(found) > 10
    assert {one.momentum for one in found} == {0.9}


def test_layers_inside_of_layers_are_found(tmp_path: Path) -> None:
    """Of HGNetV2, whose convolutions with a group for each channel Keras would compile with XLA."""
    backbone, _ = save_preset("hgnetv2", tmp_path)
    encoder = read_preset(str(tmp_path), SIDE)
    record = json.loads(encoder.backbone)
    features = np.random.default_rng(0).random((1, SIDE, SIDE, 3), np.float32)

    def compiled(model: keras.Model) -> bool:
        graph = tf.function(model).get_concrete_function(tf.TensorSpec(features.shape)).graph
        return "_XlaMustCompile" in str(graph.as_graph_def())

    pyramid = Pyramid(record, 0.5)
    pyramid.set_weights(backbone.get_weights())
    expected = np.array(backbone(features)["stage4"])
    np.testing.assert_allclose(pyramid(features)[0], expected, atol=1e-4 * expected.max())
    assert compiled(backbone)
    assert not compiled(pyramid)
    layers = pyramid._flatten_layers()
    found = [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    assert len(found) > 10
    assert {one.momentum for one in found} == {0.5}


def test_a_backbone_trains_in_mixed_precision(tmp_path: Path) -> None:
    """Saved in float32, as presets are."""
    save_preset("mit", tmp_path / "preset")
    model = unet(read_preset(str(tmp_path / "preset"), SIDE), precision="bfloat16")
    kinds = {str(one.dtype) for one in model.get_layer(CORE).get_layer(BACKBONE).outputs}
    assert kinds == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        ("resnet_vd34_imagenet", r"give a name of KerasHub's such as resnet_vd_34_imagenet, hf://"),
        ("nowhere/preset", r"nowhere/preset: the preset cannot be loaded \(Unknown preset"),
    ],
)
def test_a_preset_that_is_not_there(preset: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_preset(preset, SIDE)


def test_a_preset_without_preprocessing_is_refused(tmp_path: Path) -> None:
    """Its network would be fed wrong numbers."""
    save_preset("densenet", tmp_path)
    (tmp_path / "image_converter.json").unlink()
    with pytest.raises(
        UserError, match=r"the image_converter\.json of the preset cannot be loaded"
    ):
        read_preset(str(tmp_path), SIDE)


def test_a_preset_of_text_is_refused(tmp_path: Path) -> None:
    from keras_hub.models import BertBackbone

    options = {"num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    BertBackbone(vocabulary_size=8, **options).save_to_preset(str(tmp_path))
    with pytest.raises(UserError, match=r"kerashub:\S+: a BertBackbone takes no photos: "):
        read_preset(str(tmp_path), SIDE)


def test_a_damaged_preset_is_refused(tmp_path: Path) -> None:
    save_preset("densenet", tmp_path)
    encoder = read_preset(str(tmp_path), SIDE)
    (tmp_path / "model.weights.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"the preset cannot be loaded"):
        load_encoder_weights(unet(encoder).get_layer(CORE), encoder, "auto")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"the preset cannot be loaded \(Unrecognized format"):
        read_preset(str(tmp_path), SIDE)


@pytest.mark.parametrize(
    "backbone",
    [
        "{}",
        '{"class_name": "Gone", "module": "keras_hub", "config": {}, "registered_name": "Gone"}',
        '{"class_name": "ReLU", "module": "keras.layers", "config": {}, "registered_name": null}',
    ],
    ids=["empty", "of another KerasHub", "no backbone"],
)
def test_a_configuration_that_kerashub_does_not_know_is_refused(backbone: str) -> None:
    encoder = HubEncoder("mine", backbone, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    with pytest.raises(UserError, match=r"^the KerasHub encoder cannot be built \(.*\): put the"):
        unet(encoder)


def test_a_backbone_without_a_pyramid_is_refused(tmp_path: Path) -> None:
    import keras_hub

    backbone = keras_hub.models.ViTBackbone((32, 32, 3), 16, 1, 2, 8, 16)
    backbone.save_to_preset(str(tmp_path))
    converter(backbone).save_to_preset(str(tmp_path))
    told = r"a ViTBackbone has no features of stride 4, which the U-Net needs: give a backbone"
    with pytest.raises(UserError, match=told):
        read_preset(str(tmp_path), SIDE)


def test_a_preset_has_weights_of_its_own(tmp_path: Path) -> None:
    save_preset("densenet", tmp_path)
    encoder = read_preset(str(tmp_path), SIDE)
    core = unet(encoder).get_layer(CORE)
    assert load_encoder_weights(core, encoder, "none") == EncoderStart("random")
    with pytest.raises(UserError, match=r"brings its own weights; give imagenet for"):
        load_encoder_weights(core, encoder, "mine.h5")


def test_a_size_that_a_backbone_does_not_take(tmp_path: Path) -> None:
    """MiT is built for squares of one size; crops have another than the photos."""
    save_preset("mit", tmp_path)
    config = Config.of(encoder=f"kerashub:{tmp_path}", image_size=SIDE, crop=32)
    with pytest.raises(UserError, match=r"--crop 32: --encoder \S+ takes photos of one size only"):
        encoder_asked_for(config)
    assert read_preset(str(tmp_path), 45).size == 45
    assert unet(read_preset(str(tmp_path), 45)).input_shape == (None, 45, 45, 3)


def test_without_kerashub_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_preset("densenet", tmp_path / "preset")
    model = unet(read_preset(str(tmp_path / "preset"), SIDE), fused=False)
    model.save(tmp_path / "best.keras")
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(UserError, match=r"needs keras_hub: .*\[hub\]"):
        load_network(tmp_path / "best.keras")
    with pytest.raises(UserError, match=r"--encoder kerashub:some_preset needs keras_hub: "):
        read_preset("some_preset", SIDE)
