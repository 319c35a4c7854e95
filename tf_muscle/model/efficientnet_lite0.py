"""EfficientNet-Lite0 as an encoder: small enough for a phone, with ImageNet weights in the package.

Tan and Le 2019 (arXiv:1905.11946), in TensorFlow's Lite form: the blocks of EfficientNet-B0 with
ReLU6, without squeeze-and-excite, and with a stem and a last convolution that do not scale.
"""

import types
from pathlib import Path
from typing import NamedTuple

import keras

NAME = "efficientnet_lite0"
OUTPUT = "top_activation"
# Where segmentation-models takes the features of EfficientNets from: strides 16, 8, 4 and 2.
SKIPS = tuple(f"block{stage}a_expand_activation" for stage in (6, 4, 3, 2))
WEIGHTS = Path(__file__).with_name("efficientnet_lite0.npz")  # see efficientnet_lite0.md
WEIGHTS_SHA256 = "ce39c47383c0501a4d1272e400a714e5ca10894c93cd201340f406022d457e71"
EPSILON = 1e-3  # of the batch normalizations, as the weights were trained


class Stage(NamedTuple):
    """Blocks of one width; only the first has the stride, and the others add their input."""

    repeats: int
    kernel_size: int
    strides: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def efficientnet_lite0(
    input_shape: tuple[int | None, int | None, int],
    layers: types.SimpleNamespace,
    **unused: object,
) -> keras.Model:
    """Builds the encoder with random weights, in the form that segmentation-models calls.

    Args:
        input_shape: of one photo, [H, W, 3].
        layers: `keras.layers`, or those that stand for them.
        unused: what segmentation-models passes to every encoder.

    Returns:
        A model from photos, float32 [B, H, W, 3] in [-1, 1], to features [B, H/32, W/32, 1280].
        Layers have the names of segmentation-models' EfficientNets.
    """

    def normalized(x: keras.KerasTensor, name: str, activation: str = "") -> keras.KerasTensor:
        x = layers.BatchNormalization(epsilon=EPSILON, name=name)(x)
        return layers.ReLU(6.0, name=activation)(x) if activation else x

    def convolution(
        x: keras.KerasTensor, filters: int, name: str, **more: int
    ) -> keras.KerasTensor:
        return layers.Conv2D(
            filters,
            padding="same",
            use_bias=False,
            kernel_initializer=he_normal(),
            name=name,
            **{"kernel_size": 1, **more},
        )(x)

    def block(x: keras.KerasTensor, stage: Stage, strides: int, name: str) -> keras.KerasTensor:
        inputs, channels = x, x.shape[-1]
        if stage.expansion != 1:
            x = convolution(x, stage.expansion * channels, f"{name}_expand_conv")
            x = normalized(x, f"{name}_expand_bn", f"{name}_expand_activation")
        x = layers.DepthwiseConv2D(
            stage.kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=he_normal(),
            name=f"{name}_dwconv",
        )(x)
        x = normalized(x, f"{name}_bn", f"{name}_activation")
        x = convolution(x, stage.filters, f"{name}_project_conv")
        x = normalized(x, f"{name}_project_bn")
        if strides == 1 and channels == stage.filters:
            x = layers.Add(name=f"{name}_add")([x, inputs])
        return x

    photos = keras.Input(input_shape)
    x = convolution(photos, 32, "stem_conv", kernel_size=3, strides=2)
    x = normalized(x, "stem_bn", "stem_activation")
    for number, stage in enumerate(STAGES, 1):
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = block(x, stage, strides, f"block{number}{'abcd'[repeat]}")
    x = convolution(x, 1280, "top_conv")
    return keras.Model(photos, normalized(x, "top_bn", OUTPUT), name=NAME)


def he_normal() -> keras.initializers.Initializer:
    """The initializer of EfficientNet: by the number of outputs, and not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
