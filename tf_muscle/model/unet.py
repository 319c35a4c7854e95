"""The published model: a U-Net with a ResNet34 encoder, its parts from segmentation-models.

A smaller ResNet, EfficientNet-Lite0 or a backbone of KerasHub can stand in the encoder's place.

Around the library's network stand what the report adds and the library lacks: uint8 images
normalised inside, sizes that are no multiple of 32, batch normalization with PyTorch's momentum,
and a head of float32 logits, 1x1 as in the report or 3x3.
"""

import contextlib
import dataclasses
import io
import json
import os
import types
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from tf_muscle.model import efficientnet_lite0, hub_encoder
from tf_muscle.model.layers import FusedBatchNormalization
from tf_muscle.model.transformer_decoder import transformer_core
from tf_muscle.runs.encoder import HubEncoder

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of images in [0, 1]: the report's slides
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCH_NORM_MOMENTUM = 0.9  # PyTorch's default 0.1; with 30 steps an epoch Keras' 0.99 lags behind
HEAD = "logits"  # the last convolution
CORE = "unet"  # the layer that holds the network proper
NORMALIZATION = "normalize"  # the layer before it
STRIDE = 32  # the encoder halves an image five times
DECODER_BLOCKS = 5  # each doubles it


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What the network around an encoder has to know of it.

    Attributes:
        output: name of its last layer.
        mean: of its input, RGB, for images in [0, 1].
        std: of its input, as `mean`.
    """

    output: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


ENCODERS = {
    "resnet34": Encoder("relu1", IMAGENET_MEAN, IMAGENET_STD),
    "resnet18": Encoder("relu1", IMAGENET_MEAN, IMAGENET_STD),
    "efficientnet_lite0": Encoder(efficientnet_lite0.OUTPUT, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def encoder_facts(encoder: str | HubEncoder) -> Encoder:
    """What the network has to know of an encoder, one of `ENCODERS` or a backbone of KerasHub."""
    if isinstance(encoder, str):
        return ENCODERS[encoder]
    mean, std = zip(
        *(
            (-offset / scale / 255, 1 / scale / 255)
            for scale, offset in zip(encoder.scale, encoder.offset, strict=True)
        ),
        strict=True,
    )
    return Encoder(hub_encoder.OUTPUT, mean, std)


def import_segmentation_models() -> types.ModuleType:
    """Imports segmentation_models on Keras 3, without the line that it prints."""
    os.environ["SM_FRAMEWORK"] = "tf.keras"  # "keras" fails: it looks for keras.utils.generic_utils
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models.models.unet
        from segmentation_models.backbones.backbones_factory import Backbones
    # The library's `Unet` knows encoders by name. Preprocessing, the second, is inside our model.
    name, builder = efficientnet_lite0.NAME, efficientnet_lite0.efficientnet_lite0
    Backbones._models_update[name] = [builder, None]
    Backbones._default_feature_layers[name] = efficientnet_lite0.SKIPS
    return segmentation_models


def _introduce(features: hub_encoder.Features) -> None:
    """Makes a backbone of KerasHub known to segmentation-models, in the place of the last one."""
    from segmentation_models.backbones.backbones_factory import Backbones

    Backbones._models_update[hub_encoder.NAME] = [lambda **unused: features, None]
    Backbones._default_feature_layers[hub_encoder.NAME] = features.names


def layers_namespace(fused: bool) -> types.SimpleNamespace:
    """`keras.layers` as segmentation-models is to build with.

    Its batch normalization has PyTorch's momentum. A convolution of stride 1 after a padding of 1
    pads by itself, which is the same and saves two copies of the features in each direction.
    """
    base = FusedBatchNormalization if fused else keras.layers.BatchNormalization
    unpadded: dict[int, tuple[keras.KerasTensor, keras.KerasTensor]] = {}  # by id of the padded

    def batch_normalization(momentum: float = 0.0, **kwargs: object) -> keras.layers.Layer:
        return base(momentum=BATCH_NORM_MOMENTUM, **kwargs)  # in place of the library's 0.99

    def zero_padding(padding: tuple[int, int], **kwargs: object) -> Callable:
        def pad(features: keras.KerasTensor) -> keras.KerasTensor:
            padded = keras.layers.ZeroPadding2D(padding, **kwargs)(features)
            if padding == (1, 1):
                unpadded[id(padded)] = (padded, features)
            return padded

        return pad

    def convolution(filters: int, kernel_size: int | tuple[int, int], **kwargs: object) -> Callable:
        def convolve(features: keras.KerasTensor) -> keras.KerasTensor:
            stride_1 = kwargs.get("strides", (1, 1)) == (1, 1)
            if stride_1 and kernel_size == (3, 3) and id(features) in unpadded:
                kwargs["padding"] = "same"
                _, features = unpadded[id(features)]
            return keras.layers.Conv2D(filters, kernel_size, **kwargs)(features)

        return convolve

    return types.SimpleNamespace(
        **{name: getattr(keras.layers, name) for name in dir(keras.layers) if name[0].isupper()}
        | {
            "BatchNormalization": batch_normalization,
            "ZeroPadding2D": zero_padding,
            "Conv2D": convolution,
        }
    )


def _row_numbers(images: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Row or column numbers 0, 1, ... of images whose size is only known when they come: [H]."""
    line = images[0, :, 0, 0] if axis == 1 else images[0, 0, :, 0]
    return ops.cumsum(ops.ones_like(line, dtype="float32")) - 1.0


def pad_to_stride(images: keras.KerasTensor) -> keras.KerasTensor:
    """Repeats the last row and column until height and width are multiples of 32.

    Built of Keras' own layers, also for unknown sizes, so that a saved model needs no code of ours:
    pooling rounds a length up to whole strides, upsampling multiplies it out again.
    """
    for axis in (1, 2):
        size = images.shape[axis]
        if size is not None:
            if size % STRIDE == 0:
                continue
            source = np.minimum(np.arange(-(-size // STRIDE) * STRIDE), size - 1)
        else:
            numbers = ops.reshape(_row_numbers(images, axis), (1, -1, 1))
            strides = keras.layers.MaxPooling1D(STRIDE, padding="same", dtype="float32")(numbers)
            padded = keras.layers.UpSampling1D(STRIDE, dtype="float32")(strides)
            length = ops.cumsum(ops.ones_like(ops.reshape(padded, (-1,)))) - 1.0
            source = ops.cast(ops.minimum(length, ops.max(numbers)), "int32")
        images = ops.take(images, source, axis=axis)
    return images


def crop_to(logits: keras.KerasTensor, images: keras.KerasTensor) -> keras.KerasTensor:
    """Takes the rows and columns away that `pad_to_stride` added to the images."""
    for axis in (1, 2):
        size = images.shape[axis]
        if size is None:
            kept = ops.cast(_row_numbers(images, axis), "int32")
            logits = ops.take(logits, kept, axis=axis)
        elif size % STRIDE:
            logits = logits[:, :size] if axis == 1 else logits[:, :, :size]
    return logits


def build_unet(
    class_count: int,
    image_size: int | None = None,
    *,
    encoder: str | HubEncoder = "resnet34",
    decoder: str = "transpose",
    decoder_filters: int = 256,
    head_kernel: int = 1,
    fused: bool = True,
    precision: str = "float32",
) -> keras.Model:
    """Builds the U-Net with random weights.

    Args:
        class_count: classes with the background, K.
        image_size: height and width in pixels for a model of one size, which trains fastest; None
            for a model of any height and width. An encoder that takes one size only decides.
        encoder: "resnet34" (the report's), another of `ENCODERS`, or a backbone of KerasHub.
        decoder: "transpose" (the report's transposed convolutions) or "upsampling".
        decoder_filters: of the decoder's first block; each further one has half as many, at least
            16.
        head_kernel: height and width of the last convolution, 1 (the report's) or 3.
        fused: batch normalization as one kernel; False builds a model of Keras' own layers only,
            which any process loads without this package, unless the encoder is KerasHub's, whose
            own layers stay as they are.
        precision: "float32", "bfloat16" or "float16"; the latter two keep float32 weights.

    Returns:
        A model from images, uint8 RGB [B, H, W, 3], to logits, float32 [B, H, W, K].
    """
    before = keras.config.dtype_policy()
    # segmentation-models passes no dtype on to its layers, which leaves the global policy.
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        return _build(
            class_count, image_size, encoder, decoder, decoder_filters, head_kernel, fused
        )
    finally:
        keras.config.set_dtype_policy(before)


def _build(
    class_count: int,
    image_size: int | None,
    encoder: str | HubEncoder | hub_encoder.Pyramid,
    decoder: str,
    decoder_filters: int,
    head_kernel: int,
    fused: bool,
) -> keras.Model:
    statistics = encoder_facts(encoder)
    if isinstance(encoder, HubEncoder):
        image_size = encoder.size or image_size
        encoder = hub_encoder.Pyramid(json.loads(encoder.backbone), BATCH_NORM_MOMENTUM)
    plain = isinstance(encoder, hub_encoder.Pyramid) and encoder.plain

    def head(features: keras.KerasTensor) -> keras.KerasTensor:
        # bfloat16 logits cost accuracy in the softmax, hence float32 in every policy.
        return keras.layers.Conv2D(
            class_count, head_kernel, padding="same", dtype="float32", name=HEAD
        )(features)

    layers = layers_namespace(fused)
    if plain:
        photos = keras.Input((image_size, image_size, 3))
        core = transformer_core(encoder, photos, decoder_filters, head, layers, CORE)
    else:
        core = _unet_core(encoder, decoder, decoder_filters, head, layers)
    images = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    normalized = keras.layers.Normalization(
        mean=255 * np.array(statistics.mean),
        variance=(255 * np.array(statistics.std)) ** 2,
        dtype="float32",
        name=NORMALIZATION,
    )(images if plain else pad_to_stride(images))
    logits = core(normalized)
    return keras.Model(images, logits if plain else crop_to(logits, images), name="tf_muscle")


def _unet_core(
    encoder: str | hub_encoder.Pyramid,
    decoder: str,
    decoder_filters: int,
    head: Callable[[keras.KerasTensor], keras.KerasTensor],
    layers: types.SimpleNamespace,
) -> keras.Model:
    """The U-Net between normalized photos whose sizes are multiples of 32, and their logits."""
    sm = import_segmentation_models()
    if isinstance(encoder, hub_encoder.Pyramid):
        _introduce(hub_encoder.Features(encoder))
        encoder = hub_encoder.NAME
    submodules = {
        "backend": keras.backend,
        "layers": layers,
        "models": keras.models,
        "utils": keras.utils,
    }
    library_unet = sm.models.unet.Unet(
        encoder,
        input_shape=(None, None, 3),  # an encoder of KerasHub has its own
        activation="linear",
        encoder_weights=None,
        decoder_block_type=decoder,
        decoder_filters=[max(decoder_filters >> block, 16) for block in range(DECODER_BLOCKS)],
        **submodules,
    )
    features = library_unet.get_layer("final_conv").input
    return keras.Model(library_unet.input, head(features), name=CORE)


def set_prior_bias(core: keras.Model, pixel_counts: np.ndarray) -> None:
    """Starts the softmax at the classes' shares of the training pixels.

    Args:
        core: the network inside the model, layer `CORE`.
        pixel_counts: int64 [K]; a class without a pixel counts as one pixel.
    """
    head = core.get_layer(HEAD)
    shares = np.maximum(pixel_counts, 1) / pixel_counts.sum()
    head.bias.assign(np.log(shares))
