"""Networks that several tests look at; building one takes seconds."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from small_encoder import encoder_of, save_legacy, small_core

from tf_muscle.model.unet import build_unet

CLASS_COUNT = 4


@pytest.fixture(scope="module", autouse=True)
def real_networks(real_resnet18: None) -> None:
    """Here the networks themselves are tested."""


@pytest.fixture(scope="session")
def fused_unet(randomize_normalization: Callable[[keras.Model], None]) -> keras.Model:
    """The network that is trained, for 64x64 photos. Tests leave its weights as they are."""
    keras.utils.set_random_seed(0)
    model = build_unet(CLASS_COUNT, 64)
    randomize_normalization(model)
    return model


@pytest.fixture(scope="session")
def stock_unet(fused_unet: keras.Model) -> keras.Model:
    """The network that is saved, for photos of any size, with the same weights."""
    model = build_unet(CLASS_COUNT, fused=False)
    model.set_weights(fused_unet.get_weights())
    return model


@pytest.fixture(scope="session")
def fused_efficientnet(randomize_normalization: Callable[[keras.Model], None]) -> keras.Model:
    """As `fused_unet`, with the encoder EfficientNet-Lite0."""
    keras.utils.set_random_seed(0)
    model = build_unet(CLASS_COUNT, 64, encoder="efficientnet_lite0")
    randomize_normalization(model)
    return model


@pytest.fixture(scope="session")
def stock_efficientnet(fused_efficientnet: keras.Model) -> keras.Model:
    """As `stock_unet`, with the encoder EfficientNet-Lite0."""
    model = build_unet(CLASS_COUNT, encoder="efficientnet_lite0", fused=False)
    model.set_weights(fused_efficientnet.get_weights())
    return model


@pytest.fixture(scope="session")
def randomize_normalization() -> Callable[[keras.Model], None]:
    """Gives every batch normalization statistics and levels that a wrong formula would show."""

    def randomize(model: keras.Model) -> None:
        rng = np.random.default_rng(0)
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                randomize(layer)
            elif isinstance(layer, keras.layers.BatchNormalization):
                raw = layer.name == "bn_data"  # sees photos, the others features
                ranges: dict[str, tuple[float, float]] = {
                    "gamma": (0.5, 1.5),
                    "beta": (-0.5, 0.5),
                    "moving_mean": (80, 160) if raw else (-0.5, 0.5),
                    "moving_variance": (2000, 6000) if raw else (0.5, 2.0),
                }
                layer.set_weights(
                    [rng.uniform(*ranges[weight.name], weight.shape) for weight in layer.weights]
                )

    return randomize


@pytest.fixture
def pretrained(randomize_normalization: Callable[[keras.Model], None]) -> keras.Model:
    source = small_core(seed=1)
    randomize_normalization(source)
    return source


@pytest.fixture
def weights_file(pretrained: keras.Model, tmp_path: Path) -> Path:
    return save_legacy(encoder_of(pretrained), tmp_path / "mine.h5")
