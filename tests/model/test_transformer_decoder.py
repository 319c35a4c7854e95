"""The decoder for plain transformers, and DINOv2 of KerasHub as an encoder with it."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tf_muscle.errors import UserError

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

import keras_hub
from hub_backbones import dinov2, save_preset

from tf_muscle.config import Config
from tf_muscle.exporting.inference import rebuild
from tf_muscle.labelling.features import Networks
from tf_muscle.model.compiled import encoder_asked_for
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.folding import fold_batch_normalization, foldable
from tf_muscle.model.hub_encoder import BACKBONE, OUTPUT, Pyramid, read_preset
from tf_muscle.model.loading import load_network
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.optimizers import optimizer
from tf_muscle.model.transformer_decoder import SCALES, block_features, reassembled, resized
from tf_muscle.model.unet import CORE, NORMALIZATION, build_unet
from tf_muscle.options import OptimizationConfig
from tf_muscle.runs.encoder import HubEncoder

PATCH = 14  # pixels
SIZE = 60  # no multiple of it
INSIDE = 70  # the next one


def photos(size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)


def network(folder: Path, name: str = "dinov2", **options: Any) -> tuple[keras.Model, HubEncoder]:
    save_preset(name, folder)
    encoder = read_preset(str(folder), SIZE)
    return build_unet(4, encoder=encoder, decoder_filters=16, **options), encoder


def bilinear(images: np.ndarray, size: int) -> np.ndarray:
    """Squares [B, S, S, C] at another size, larger ones: pixels are squares, edges go on."""
    places = (np.arange(size) + 0.5) * images.shape[1] / size - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(images.shape[1]) - places[:, None]))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("yr,xc,brcf->byxf", weights, weights, images)


@pytest.mark.parametrize("registers", [0, 4])
def test_features_are_patches_in_rows(registers: int) -> None:
    """By numpy, of blocks that add nothing: each patch's own colours times the first kernel."""
    keras.utils.set_random_seed(0)
    backbone = dinov2(registers, layer_scale_init_value=0.0)
    backbone.layernorm.set_weights([np.linspace(1, 2, 16), np.linspace(-1, 1, 16)])
    images = np.random.default_rng(0).normal(size=(2, 56, 56, 3)).astype(np.float32)
    found = keras.Model(backbone.inputs, block_features(backbone))([images])
    assert len(found) == len(SCALES)

    first = backbone.embeddings
    kernel, bias = first.patch_embeddings.projection.get_weights()
    positions = np.array(first.interpolated_position_embeddings)[0, 1:].reshape(4, 4, 16)
    for row in range(4):
        for column in range(4):
            patch = images[:, row * PATCH :, column * PATCH :][:, :PATCH, :PATCH]
            token = np.einsum("bijc,ijcf->bf", patch, kernel) + bias + positions[row, column]
            token -= token.mean(axis=1, keepdims=True)
            token /= np.sqrt(token.var(axis=1, keepdims=True) + 1e-6)
            expected = token * np.linspace(1, 2, 16) + np.linspace(-1, 1, 16)
            for features in found:
                np.testing.assert_allclose(features[:, row, column], expected, atol=1e-4)


def test_the_four_blocks_are_at_each_quarter_of_the_depth() -> None:
    """Against KerasHub's own outputs, which it can normalize itself."""
    keras.utils.set_random_seed(0)
    ours = dinov2(num_layers=8)
    own = dinov2(num_layers=8, apply_layernorm=True)
    own.set_weights(ours.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 56, 56, 3)).astype(np.float32)
    stages = keras.Model(own.inputs, own.pyramid_outputs)([images])
    expected = [np.array(stages[f"stage{block}"])[:, 1:] for block in (8, 6, 4, 2)]
    for backbone in (ours, own):
        found = keras.Model(backbone.inputs, block_features(backbone))([images])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other.reshape(2, 4, 4, 16), atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.1


def test_reassembled_features_have_the_grid_of_their_stride() -> None:
    keras.utils.set_random_seed(0)
    features = np.random.default_rng(0).normal(size=(2, 5, 5, 6)).astype(np.float32)
    given = keras.Input((5, 5, 6))
    for scale, grid in zip(SCALES, (3, 5, 10, 20), strict=True):
        model = keras.Model(given, reassembled(given, scale, 8))
        found = np.array(model(features))
        assert found.shape == (2, grid, grid, 8)
        if scale <= 1:
            continue
        # A transposed convolution without overlap: each patch becomes its own scale x scale cells.
        projection, bias, kernel, bias_2 = (np.array(one) for one in model.get_weights())
        inner = np.einsum("brcd,df->brcf", features, projection[0, 0]) + bias
        cells = np.einsum("brcd,ijfd->bricjf", inner, kernel) + bias_2
        np.testing.assert_allclose(found, cells.reshape(found.shape), atol=1e-5)


def test_photos_and_logits_are_resized_bilinearly() -> None:
    given = keras.Input((SIZE, SIZE, 3))
    assert resized(given, SIZE) is given
    found = keras.Model(given, resized(given, INSIDE))(photos().astype(np.float32))
    np.testing.assert_allclose(found, bilinear(photos(), INSIDE), atol=1e-2)


@pytest.mark.parametrize(
    "name", ["dinov2", pytest.param("dinov2_registers", marks=pytest.mark.slow)]
)
def test_it_trains_folds_and_loads(name: str, tmp_path: Path) -> None:
    """As every encoder; the features are KerasHub's of the photo at the next multiple of 14."""
    model, encoder = network(tmp_path / "preset", name)
    assert HubEncoder.from_json(encoder.to_json()) == encoder
    assert encoder.size == SIZE
    assert model.output_shape == (None, SIZE, SIZE, 4)
    core = model.get_layer(CORE)
    start = load_encoder_weights(core, encoder, "imagenet")
    assert start.kind == "kerashub"
    backbone = keras_hub.models.Backbone.from_preset(
        str(tmp_path / "preset"), image_shape=(INSIDE, INSIDE, 3)
    )
    preprocessing = keras_hub.layers.ImageConverter.from_preset(str(tmp_path / "preset"))
    ready = bilinear(np.array(preprocessing(photos().astype(np.float32))), INSIDE)
    expected = np.array(backbone({"images": ready}))[:, -25:].reshape(2, 5, 5, 16)
    encode = keras.Model(core.input, core.get_layer(OUTPUT).output)
    actual = encode(model.get_layer(NORMALIZATION)(photos()), training=False)
    np.testing.assert_allclose(actual, expected, atol=1e-3)

    masks = np.random.default_rng(1).integers(0, 4, (2, SIZE, SIZE)).astype(np.uint8)
    model.compile(keras.optimizers.Adam(0.01), SegmentationLoss(), run_eagerly=True)
    before = [np.array(one) for one in core.get_layer(BACKBONE).trainable_weights]
    assert np.isfinite(model.train_on_batch(photos(), masks))
    after = core.get_layer(BACKBONE).trainable_weights
    changed = [(np.array(now) != then).any() for now, then in zip(after, before, strict=True)]
    assert np.mean(changed) > 0.9

    stock = rebuild(model, encoder, "transpose", 16)
    stock.save(tmp_path / "best.keras")
    for file in (tmp_path / "preset").iterdir():
        file.unlink()  # the preset is needed no more
    loaded = load_network(tmp_path / "best.keras")
    expected = np.array(model(photos(), training=False))
    assert expected.std() > 0
    np.testing.assert_array_equal(loaded(photos()), stock(photos()))
    np.testing.assert_allclose(loaded(photos()), expected, atol=1e-4)
    folded = fold_batch_normalization(loaded)
    assert len(foldable(loaded)) == 15  # all: two in each of seven residual units, one in the head
    np.testing.assert_allclose(folded(photos()), expected, atol=1e-4)
    probabilities, features = Networks(str(tmp_path / "best.keras")).look(photos())
    softmax = np.exp(expected) / np.exp(expected).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities[0], softmax, atol=1e-4)
    assert features.shape == (2, 5, 5, 16)


def test_learned_positions_are_saved(tmp_path: Path) -> None:
    """KerasHub's layer brings them to the preset's size and back, or leaves them out."""
    save_preset("dinov2", tmp_path / "preset")
    record = json.loads(read_preset(str(tmp_path / "preset"), SIZE).backbone)
    first, second = (Pyramid(record, 0.9) for _ in range(2))
    positions = first.layers[1].interpolated_position_embeddings
    learned = np.random.default_rng(0).normal(-1, 1, positions.shape).astype(np.float32)
    positions.assign(learned)
    first.save_weights(tmp_path / "some.weights.h5")
    second.load_weights(tmp_path / "some.weights.h5")
    np.testing.assert_array_equal(second.layers[1].interpolated_position_embeddings, learned)


def test_weight_decay_leaves_positions_and_tokens_alone() -> None:
    """With gradients of zero, decay is all that moves a weight."""
    backbone = dinov2(4)
    trained = backbone.trainable_weights
    before = [np.array(one) for one in trained]
    config = OptimizationConfig(optimizer="adamw", weight_decay=0.1, learning_rate=0.01)
    optimizer(config, 1).apply([np.zeros_like(one) for one in before], trained)
    moved = {
        one.name for one, then in zip(trained, before, strict=True) if (np.array(one) != then).any()
    }
    assert moved == {"kernel"}
    assert {"lambda1", "cls_token", "interpolated_position_embeddings"} <= {
        one.name for one in trained
    }


def test_it_computes_in_mixed_precision(tmp_path: Path) -> None:
    model, _ = network(tmp_path, precision="bfloat16")
    kinds = {str(one.dtype) for one in model.get_layer(CORE).get_layer(BACKBONE).outputs}
    assert kinds == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"
    assert np.isfinite(model(photos())).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"crop": 32}, r"--crop 32: --encoder \S+ takes photos of one size only; leave --crop out"),
        (
            {"decoder": "upsampling"},
            r"--decoder upsampling: --encoder \S+ is a plain transformer with a decoder of its own",
        ),
    ],
)
def test_what_it_does_not_take(options: dict[str, Any], told: str, tmp_path: Path) -> None:
    save_preset("dinov2", tmp_path)
    config = Config.of(encoder=f"kerashub:{tmp_path}", image_size=SIZE, **options)
    with pytest.raises(UserError, match=told):
        encoder_asked_for(config)


def test_a_transformer_of_three_blocks_is_refused() -> None:
    with pytest.raises(UserError, match=r"reads 4 blocks .* this DINOV2Backbone has 3: give"):
        block_features(dinov2(num_layers=3))
