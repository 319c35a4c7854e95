from pathlib import Path

import keras
import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.model.ensemble import averaged, cost_sentence, load_networks
from tf_muscle.model.folding import fold_batch_normalization, foldable
from tf_muscle.runs.folder import RunFolder

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3), np.uint8)


def small_network(seed: int, scale: float = 1.0) -> keras.Model:
    """Convolution and batch normalization in a network of its own, as the U-Net has it inside."""
    rng = np.random.default_rng(seed)
    features = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(features)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    core = keras.Model(features, keras.layers.Conv2D(4, 1)(x), name="unet")
    images = keras.Input((None, None, 3), dtype="uint8")
    network = keras.Model(
        images, core(keras.layers.Rescaling(1 / 128, dtype="float32")(images)), name="tf_muscle"
    )
    network.set_weights(
        [
            scale * (np.abs(w) + 0.1 if i == 5 else w)  # the moving variance
            for i, w in enumerate(rng.normal(0, 1, w.shape) for w in network.get_weights())
        ]
    )
    return network


def softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(-1, keepdims=True))


@pytest.fixture
def networks() -> list[keras.Model]:
    return [small_network(seed) for seed in range(3)]


def test_probabilities_are_the_mean_of_the_networks(
    networks: list[keras.Model], tmp_path: Path
) -> None:
    expected = np.mean([softmax(network(PHOTOS)) for network in networks], axis=0)
    one = averaged(networks)
    assert (one.input_shape, one.output_shape) == ((None, None, None, 3), (None, None, None, 4))
    np.testing.assert_allclose(softmax(one(PHOTOS)), expected, atol=1e-6)
    np.testing.assert_allclose(np.exp(one(PHOTOS)), expected, atol=1e-6)
    one.save(tmp_path / "mean.keras")
    loaded = keras.saving.load_model(tmp_path / "mean.keras")
    np.testing.assert_allclose(softmax(loaded(PHOTOS)), expected, atol=1e-6)


def test_a_single_network_is_left_as_it_is(networks: list[keras.Model]) -> None:
    assert averaged(networks[:1]) is networks[0]
    assert networks[0].name == "tf_muscle"


def test_probabilities_too_small_for_float32_stay_finite() -> None:
    networks = [small_network(seed, scale=30.0) for seed in range(2)]
    assert min(softmax(network(PHOTOS)).min() for network in networks) < 1e-50
    logits = np.asarray(averaged(networks)(PHOTOS))
    assert np.isfinite(logits).all()
    expected = np.mean([softmax(network(PHOTOS)) for network in networks], axis=0)
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)


def test_batch_normalization_is_folded_in_each_network(networks: list[keras.Model]) -> None:
    one = averaged(networks)
    assert len(foldable(one)) == 3
    folded = fold_batch_normalization(one)
    assert not [layer for layer in folded.layers[1].layers if "batch" in layer.name]
    np.testing.assert_allclose(softmax(folded(PHOTOS)), softmax(one(PHOTOS)), atol=1e-5)


def test_cost() -> None:
    assert cost_sentence(5) == (
        "The mean of 5 networks, one a fold: about 5 times the time and size of one."
    )


def test_a_damaged_network_is_told_in_a_sentence(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.model.write_bytes(b"PK damaged")
    with pytest.raises(
        UserError, match=r"best\.keras cannot be loaded \(.*\): give the best\.keras"
    ):
        load_networks(run)
