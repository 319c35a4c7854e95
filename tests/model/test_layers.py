from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.model.layers import FusedBatchNormalization

CHANNELS = 5
OPTIONS = {"momentum": 0.9, "epsilon": 2e-5}
# bfloat16 has 8 significant bits, so that one rounding changes a value by up to 2^-9 of it. Keras
# and the kernel round the output once each and sum in float32, but from rounded gradients.
BFLOAT16 = 2.0**-7


def images(seed: int, count: int = 4) -> np.ndarray:
    """Channels of different mean and spread, [count, 6, 7, CHANNELS]."""
    noise = np.random.default_rng(seed).normal(size=(count, 6, 7, CHANNELS))
    return (noise * [1, 2, 0.5, 3, 1] + [0, 5, -1, 2, 10]).astype(np.float32)


def pair(dtype: str = "float32", **options: Any) -> tuple[keras.Layer, keras.Layer]:
    """The fused layer and Keras' own, with the same random weights."""
    layers = [
        kind(dtype=dtype, **(OPTIONS | options))
        for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.build((None, None, None, CHANNELS))
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 2.0, weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    fused, stock = layers
    return fused, stock


def step(layer: keras.Layer, inputs: np.ndarray, **call: Any) -> tuple[np.ndarray, list]:
    """Output, and the gradients of a weighted sum of it by the input, gamma and beta."""
    x = tf.cast(inputs, layer.compute_dtype)
    target = tf.constant(np.random.default_rng(99).normal(size=inputs.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, **call)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * target)
    variables = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [x, *variables])
    assert outputs.dtype == layer.compute_dtype
    return np.array(tf.cast(outputs, tf.float32)), [
        np.array(tf.cast(gradient, tf.float32)) for gradient in gradients
    ]


def assert_near(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Compares to a share of the largest value."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("mixed_bfloat16", BFLOAT16)])
def test_training_steps_are_keras_own(dtype: str, tolerance: float) -> None:
    fused, stock = pair(dtype)
    for seed in range(5):
        batch = images(seed)
        output, gradients = step(fused, batch, training=True)
        expected_output, expected_gradients = step(stock, batch, training=True)
        assert_near(output, expected_output, tolerance)
        assert len(gradients) == 3
        for gradient, expected in zip(gradients, expected_gradients, strict=True):
            assert_near(gradient, expected, tolerance)
    assert [weight.dtype for weight in fused.weights] == ["float32"] * 4
    assert_near(np.array(fused.moving_mean), np.array(stock.moving_mean), tolerance)
    assert_near(np.array(fused.moving_variance), np.array(stock.moving_variance), tolerance)


def test_one_step_by_hand() -> None:
    """Biased variance in the output and in the moving average, as Keras defines them."""
    fused, _ = pair()
    gamma, beta, mean_before, variance_before = fused.get_weights()
    batch = images(0)
    output, _ = step(fused, batch, training=True)
    mean, variance = batch.mean((0, 1, 2)), batch.var((0, 1, 2))
    assert_near(output, (batch - mean) / np.sqrt(variance + 2e-5) * gamma + beta, 1e-5)
    np.testing.assert_allclose(fused.moving_mean, 0.9 * mean_before + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(
        fused.moving_variance, 0.9 * variance_before + 0.1 * variance, rtol=1e-4
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("mixed_bfloat16", BFLOAT16)])
def test_inference_uses_and_keeps_the_moving_statistics(dtype: str, tolerance: float) -> None:
    fused, stock = pair(dtype)
    before = fused.get_weights()
    for call in ({"training": False}, {}):
        output, gradients = step(fused, images(0), **call)
        expected_output, expected_gradients = step(stock, images(0), **call)
        assert_near(output, expected_output, tolerance)
        for gradient, expected in zip(gradients, expected_gradients, strict=True):
            assert_near(gradient, expected, 20 * tolerance)
    for weight, kept in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_frozen_layer_infers_even_in_training() -> None:
    fused, stock = pair()
    fused.trainable = stock.trainable = False
    before = fused.get_weights()
    output, _ = step(fused, images(0), training=True)
    expected, _ = step(stock, images(0), training=False)
    assert_near(output, expected, 1e-6)
    for weight, kept in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}])
def test_without_scale_or_center(options: dict[str, Any]) -> None:
    """The encoder's first layer, bn_data, has no gamma."""
    fused, stock = pair(**options)
    for training in (True, False):
        output, gradients = step(fused, images(0), training=training)
        expected_output, expected_gradients = step(stock, images(0), training=training)
        assert_near(output, expected_output, 1e-5)
        for gradient, expected in zip(gradients, expected_gradients, strict=True):
            assert_near(gradient, expected, 2e-5)


def test_a_single_pixel_has_no_variance() -> None:
    fused, stock = pair()
    pixel = images(0)[:1, :1, :1]
    for layer in (fused, stock):
        layer(pixel, training=True)
    np.testing.assert_allclose(fused.moving_variance, stock.moving_variance, rtol=1e-6)
    assert np.isfinite(np.array(fused.moving_variance)).all()


def test_fit_in_a_graph_is_keras_own() -> None:
    """`training` comes from fit and evaluate, on unknown sizes."""
    results = []
    for kind in (FusedBatchNormalization, keras.layers.BatchNormalization):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, None, CHANNELS))
        hidden = keras.layers.Conv2D(4, 3, padding="same")(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1)(kind(**OPTIONS)(hidden)))
        model.compile(keras.optimizers.SGD(0.01), "mse")
        target = np.ones((8, 6, 7, 1), np.float32)
        model.fit(images(0, 8), target, batch_size=4, epochs=2, shuffle=False, verbose=0)
        results.append([*model.get_weights(), model.predict(images(1), verbose=0)])
    for ours, keras_own in zip(*results, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-3, atol=1e-4)


def test_config_round_trip() -> None:
    layer = FusedBatchNormalization(**OPTIONS, scale=False, name="bn")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(copy, FusedBatchNormalization)
    assert copy.get_config() == layer.get_config()
    assert copy.momentum == 0.9
    assert copy.gamma is None


@pytest.mark.parametrize("options", [{"axis": 1}, {"renorm": True}, {"synchronized": True}])
def test_what_the_kernel_cannot_do_is_refused(options: dict[str, Any]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        FusedBatchNormalization(**options).build((None, 6, 7, CHANNELS))


def test_other_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 5\)"):
        FusedBatchNormalization()(np.zeros((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"mask.shape=TensorShape\(\[4, 6, 7\]\)"):
        FusedBatchNormalization()(images(0), mask=tf.ones((4, 6, 7), bool))
