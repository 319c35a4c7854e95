from collections.abc import Callable

import keras
import numpy as np
import pytest

from tf_muscle.model.folding import fold_batch_normalization, foldable
from tf_muscle.model.layers import FusedBatchNormalization
from tf_muscle.model.unet import CORE, build_unet

RANDOM = np.random.default_rng(3)
PHOTOS = RANDOM.integers(0, 256, (2, 96, 96, 3), np.uint8)


def randomize(bn: keras.layers.BatchNormalization) -> None:
    """Statistics far from the initial ones; gamma with a zero, a negative and a large value."""
    count = bn.moving_mean.shape[0]
    if bn.gamma is not None:
        gamma = RANDOM.uniform(-2, 2, count)
        gamma[:2] = 0.0, -1.5
        bn.gamma.assign(gamma)
    if bn.beta is not None:
        bn.beta.assign(RANDOM.normal(size=count))
    bn.moving_mean.assign(RANDOM.normal(size=count))
    bn.moving_variance.assign(RANDOM.uniform(1e-6, 4, count))


def normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    kind = keras.layers.BatchNormalization
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    here = [layer for layer in model.layers if isinstance(layer, kind)]
    return here + [found for one in inner for found in normalizations(one)]


@pytest.mark.parametrize(
    "convolution",
    [
        keras.layers.Conv2D(6, 3, padding="same", use_bias=False),
        keras.layers.Conv2D(6, 3, strides=2, bias_initializer="normal"),
        keras.layers.Conv2D(6, 3, groups=2, dilation_rate=2, bias_initializer="normal"),
        keras.layers.Conv2DTranspose(6, 4, strides=2, padding="same", use_bias=False),
        keras.layers.Conv2DTranspose(6, 3, strides=2, bias_initializer="normal"),
        keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2, bias_initializer="normal"),
    ],
    ids=[
        *("no bias", "strides", "groups", "transposed without bias", "transposed"),
        *("depthwise", "depthwise, two of each"),
    ],
)
@pytest.mark.parametrize(
    "bn",
    [
        keras.layers.BatchNormalization(),
        keras.layers.BatchNormalization(scale=False, epsilon=0.1),
        keras.layers.BatchNormalization(center=False),
        FusedBatchNormalization(),
    ],
    ids=["stock", "no scale", "no center", "fused"],
)
def test_one_layer_is_the_formula(convolution: keras.Layer, bn: keras.Layer) -> None:
    convolution, bn = (type(one).from_config(one.get_config()) for one in (convolution, bn))
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, bn(convolution(inputs)))
    randomize(bn)
    folded = fold_batch_normalization(model)
    assert [type(layer) for layer in folded.layers[1:]] == [type(convolution)]
    features = RANDOM.normal(size=(2, 9, 11, 4)).astype(np.float32)
    before = np.array(convolution(features), np.float64)
    gamma, beta = (1.0 if w is None else np.array(w) for w in (bn.gamma, bn.beta))
    beta = 0.0 if bn.beta is None else beta
    scale = gamma / np.sqrt(np.array(bn.moving_variance) + bn.epsilon)
    expected = (before - np.array(bn.moving_mean)) * scale + beta
    np.testing.assert_allclose(
        folded(features), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("encoder", "decoder", "gone", "left"),
    # Folded: conv0's, the second of each residual block, two of each decoder block. Left: bn_data,
    # the first of each residual block, and the one behind the last block. In EfficientNet-Lite0 all
    # 49 stand behind a convolution.
    [
        ("resnet34", "transpose", 27, 18),
        ("resnet18", "upsampling", 19, 10),
        ("efficientnet_lite0", "transpose", 59, 0),
    ],
)
def test_network_gives_the_same_logits_with_fewer_layers(
    encoder: str,
    decoder: str,
    gone: int,
    left: int,
    randomize_normalization: Callable[[keras.Model], None],
) -> None:
    keras.utils.set_random_seed(0)
    model = build_unet(4, encoder=encoder, decoder=decoder, fused=False)
    randomize_normalization(model)
    for bn in normalizations(model):
        if bn.gamma is not None:
            gamma = np.array(bn.gamma)
            gamma[::5] *= -1
            gamma[::7] = 0
            bn.gamma.assign(gamma)
    weights = model.get_weights()
    config = model.get_config()
    names = {bn.name for bn in foldable(model)}
    folded = fold_batch_normalization(model)

    assert len(names) == gone
    assert len(normalizations(folded)) == left
    assert not names & {bn.name for bn in normalizations(folded)}
    assert "bn_data" not in names
    for size in ((64, 64), (96, 32), (45, 71)):
        photos = PHOTOS[:, : size[0], : size[1]]
        expected = np.array(model(photos))
        assert expected.std() > 0.1
        tolerance = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(folded(photos), expected, rtol=0, atol=tolerance)

    assert model.get_config() == config
    for now, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)
    assert not {id(weight) for weight in folded.weights} & {id(weight) for weight in model.weights}
    assert isinstance(folded.get_layer(CORE), keras.Model)


def stays(model: keras.Model) -> bool:
    for bn in normalizations(model):
        randomize(bn)
    folded = fold_batch_normalization(model)
    features = RANDOM.normal(size=(2, 8, 8, 4)).astype(np.float32)
    for actual, expected in zip(
        keras.tree.flatten(folded(features)), keras.tree.flatten(model(features)), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    return len(normalizations(folded)) == len(normalizations(model))


def test_what_is_not_exact_stays() -> None:
    layers = keras.layers
    inputs = keras.Input((None, None, 4))
    bn = layers.BatchNormalization
    convolved = layers.Conv2D(4, 3, padding="same")(inputs)
    assert stays(keras.Model(inputs, bn()(layers.Add()([inputs, convolved]))))
    assert stays(keras.Model(inputs, bn()(layers.ReLU()(convolved))))
    assert stays(keras.Model(inputs, bn()(layers.Conv2D(4, 1, activation="relu")(inputs))))
    assert stays(keras.Model(inputs, layers.Conv2D(4, 3, padding="same")(bn()(inputs))))
    # Somebody else reads the convolution.
    read_twice = layers.Conv2D(4, 1)(inputs)
    assert stays(keras.Model(inputs, bn()(read_twice) + read_twice))
    read_outside = layers.Conv2D(4, 1)(inputs)
    assert stays(keras.Model(inputs, [bn()(read_outside), read_outside]))
    shared = layers.Conv2D(4, 1)
    assert stays(keras.Model(inputs, bn()(shared(inputs)) + shared(shared(inputs))))
    # A nested model reads it.
    inner = keras.Model(inputs, layers.ReLU()(inputs))
    read_inside = layers.Conv2D(4, 1)(inputs)
    assert stays(keras.Model(inputs, bn()(read_inside) + inner(read_inside)))


def test_float32_weights_of_a_bfloat16_model_are_folded() -> None:
    inputs = keras.Input((8, 8, 4))
    policy = "mixed_bfloat16"
    convolved = keras.layers.Conv2D(4, 3, dtype=policy)(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(dtype=policy)(convolved))
    folded = fold_batch_normalization(model)
    assert folded.layers[-1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in folded.weights} == {"float32"}
    assert len(folded.layers) == 2
