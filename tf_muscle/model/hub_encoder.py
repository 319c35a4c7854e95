"""Any KerasHub backbone with features of strides 4, 8, 16 and 32 as an encoder (extra `hub`).

The U-Net takes the deepest features from the backbone's end and a skip from each stride before it.
"""

import contextlib
import difflib
import functools
import hashlib
import json
import types
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_muscle.encoders import KERASHUB
from tf_muscle.errors import UserError, one_line, refuse_missing, shortened
from tf_muscle.model.transformer_decoder import FEATURES, PLAIN, block_features
from tf_muscle.runs.encoder import Channels, HubEncoder
from tf_muscle.runs.environment import EncoderStart

NAME = "kerashub"  # that segmentation-models knows it by
OUTPUT = FEATURES  # layer of the deepest features
BACKBONE = "backbone"  # layer of the backbone
STRIDES = (32, 16, 8, 4, 2)  # a backbone that begins with 4x4 patches has no features of stride 2
PROBED = 64  # pixels at which strides are told apart
FIXED_SIZE = ("MiTBackbone", *PLAIN)  # take squares of the size that they were built for
SHAPES = ("image_shape", "input_shape")  # what families call the shape of a photo


@keras.saving.register_keras_serializable(package="tf_muscle")
class Pyramid(keras.Model):
    """A KerasHub backbone that gives its features of each stride.

    A model of its own rather than KerasHub's layers in ours, since some of these cannot be made
    again from the configuration that Keras writes of them (MiT's, in KerasHub 0.32).

    Args:
        backbone: KerasHub's configuration of it, as `keras.saving.serialize_keras_object` gives.
        momentum: of its batch normalizations.
        name: of the layer.

    Attributes:
        plain: whether its features are those of `transformer_decoder.block_features`.

    Raises:
        UserError: it has no features of strides 32, 16, 8 and 4, or KerasHub is not installed.
    """

    def __init__(self, backbone: Mapping[str, Any], momentum: float, name: str = BACKBONE) -> None:
        network = _built(backbone)
        for layer in network._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = momentum
            if isinstance(layer, keras.layers.Conv2D) and layer.groups > 1:
                layer.convolution_op = functools.partial(_convolution, layer)
            if type(layer).__name__ == "DINOV2Embedding":
                if layer.use_mask_token:
                    layer.mask_token.trainable = False  # nothing reads it
                # Its own ways bring the position embeddings to another size and back, which loses
                # some of what they learned, or leave them out.
                for way in ("save_own_variables", "load_own_variables"):
                    setattr(layer, way, functools.partial(getattr(keras.layers.Layer, way), layer))
        super().__init__(network.inputs[0], _features(network), name=name)
        self.plain = type(network).__name__ in PLAIN
        self._configuration = {"backbone": backbone, "momentum": momentum, "name": name}

    def get_config(self) -> dict[str, Any]:
        return dict(self._configuration)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: object = None) -> "Pyramid":
        return cls(**config)


def read_preset(preset: str, image_size: int) -> HubEncoder:
    """The architecture and the preprocessing of a preset.

    Args:
        preset: a name of KerasHub's, "hf://user/name", "kaggle://..." or a folder of
            `save_to_preset`.
        image_size: height and width of the photos, for a backbone that takes those of one size.

    Raises:
        UserError: it cannot be had, tells no preprocessing, or has other features than a U-Net
            needs.
    """
    keras_hub = kerashub(f"--encoder {KERASHUB}{preset}")
    with loading(preset):
        backbone = keras_hub.models.Backbone.from_preset(preset, load_weights=False)
        if not any(len(one.shape) == 4 for one in backbone.inputs):
            raise UserError(
                f"--encoder {KERASHUB}{preset}: a {type(backbone).__name__} takes no photos: give "
                f"a backbone that does, such as {KERASHUB}resnet_vd_34_imagenet"
            )
        _features(backbone)  # refuses a backbone without them
    with loading(preset, "image_converter.json"):
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    fixed = type(backbone).__name__ in FIXED_SIZE
    unit = backbone.patch_size if type(backbone).__name__ in PLAIN else STRIDES[0]
    side = -(-image_size // unit) * unit if fixed else None
    record = keras.saving.serialize_keras_object(backbone)
    options = record["config"]
    options.pop("dtype", None)  # the network's, whatever the preset was saved in
    for shape in set(SHAPES) & set(options):
        options[shape] = (side, side, 3)
    # Without build_config and compile_config, which tell nothing of a backbone.
    record = {name: record[name] for name in ("module", "class_name", "registered_name", "config")}
    encoder = HubEncoder(
        preset,
        json.dumps(record),
        _channels(converter.scale, 1.0),
        _channels(converter.offset, 0.0),
        image_size if fixed else None,
    )
    if min(encoder.scale) <= 0:
        raise UserError(
            f"--encoder {KERASHUB}{preset}: the scale in its image_converter.json must be above 0, "
            f"got {min(encoder.scale)}"
        )
    return encoder


def load_weights(core: keras.Model, encoder: HubEncoder) -> EncoderStart:
    """Loads the preset's weights into the backbone of a network.

    Args:
        core: the network inside the model of `build_unet`, layer `unet.CORE`.
        encoder: of the network.

    Raises:
        UserError: the weights cannot be had.
    """
    keras_hub = kerashub(f"--encoder {KERASHUB}{encoder.preset}")
    options = json.loads(encoder.backbone)["config"]
    shapes = {name: tuple(options[name]) for name in set(SHAPES) & set(options)}
    with loading(encoder.preset):
        source = keras_hub.models.Backbone.from_preset(encoder.preset, **shapes)
        weights = keras.Model(source.inputs, _features(source)).get_weights()
        core.get_layer(BACKBONE).set_weights(weights)
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.tobytes())
    return EncoderStart("kerashub", encoder.preset, f"sha256 {digest.hexdigest()[:16]}")


def is_plain(encoder: HubEncoder) -> bool:
    """Whether it is a plain transformer, which `transformer_decoder` is for."""
    return json.loads(encoder.backbone).get("class_name") in PLAIN


class Features:
    """A backbone's features, as segmentation-models reads them from an encoder.

    Args:
        pyramid: gives them, the deepest first.

    Attributes:
        input: preprocessed photos, float32 [B, H, W, 3].
        output: the deepest features, [B, H/32, W/32, F].
        layers: [None], since segmentation-models only asks whether the last one is a pooling.
        names: of the skips, the deepest first.
    """

    def __init__(self, pyramid: Pyramid) -> None:
        self.input = keras.Input(pyramid.input_shape[1:])
        deepest, *others = pyramid(self.input)
        self.output = keras.layers.Identity(name=OUTPUT)(deepest)
        self.layers = [None]
        self.names = tuple(f"stride_{stride}" for stride in STRIDES[1 : len(others) + 1])
        self._skips = dict(zip(self.names, others, strict=True))

    def get_layer(self, name: str) -> types.SimpleNamespace:
        """The layer whose output is a skip."""
        return types.SimpleNamespace(output=self._skips[name])


def kerashub(asked: str) -> types.ModuleType:
    """KerasHub, which makes Keras know its classes when it is imported.

    Args:
        asked: what needs it, as the user called it.

    Raises:
        UserError: it is not installed.
    """
    refuse_missing(asked, "hub", ["keras_hub"])
    import keras_hub

    return keras_hub


@contextlib.contextmanager
def loading(preset: str, file: str = "") -> Iterator[None]:
    """Turns what KerasHub, Kaggle, Hugging Face or the network raise into one sentence.

    Args:
        preset: that is loaded.
        file: that is wanted of it; by default its architecture or weights.

    Raises:
        UserError: in place of every error.
    """
    asked = f"--encoder {KERASHUB}{preset}"
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each source has errors of its own
        known = kerashub(asked).models.Backbone.presets
        alike = difflib.get_close_matches(preset, known, 1)
        meant = f" such as {alike[0]}" if alike and preset not in known else ""
        what = f"the {file} of the preset" if file else "the preset"
        reason = shortened(one_line(error).partition(". ")[0])
        raise UserError(
            f"{asked}: {what} cannot be loaded ({reason}); give a name of KerasHub's{meant}, "
            "hf://USER/NAME or kaggle://..., for which the network is needed, or a folder of "
            "save_to_preset with image_converter.json in it"
        ) from error


def _built(backbone: Mapping[str, Any]) -> keras.Model:
    """The backbone with random weights, from KerasHub's configuration of it.

    Raises:
        UserError: the configuration is damaged, or of another version of KerasHub.
    """
    keras_hub = kerashub("a network with an encoder of KerasHub")
    try:
        network = keras.saving.deserialize_keras_object(dict(backbone))
        if not isinstance(network, keras_hub.models.Backbone):
            raise TypeError(f"{backbone} is no backbone")
    except Exception as error:  # of a wrong configuration: what Keras happens to be led to
        raise UserError(
            f"the KerasHub encoder cannot be built ({shortened(one_line(error))}): put the run's "
            "encoder.json and best.keras back as it wrote them, or install the keras-hub that it "
            "was trained with"
        ) from error
    return network


def _features(network: keras.Model) -> list[keras.KerasTensor]:
    """The backbone's features of the strides 32, 16, 8, 4 and, if it has them, 2.

    Its pyramid, or its named outputs, say which. What these lack, such as a ResNet's stride 2, is
    the last that the backbone computes at that stride. A plain transformer gives features of four
    blocks, all of one stride.
    """
    if type(network).__name__ in PLAIN:
        return block_features(network)
    found: dict[int, keras.KerasTensor] = {}
    outputs = network.output if isinstance(network.output, dict) else {}
    pyramid = getattr(network, "pyramid_outputs", {}) or outputs
    layers = [layer.output for layer in network.layers[1:]]
    ends = [] if outputs else [network.output]
    candidates = [
        one
        for one in (*layers, *pyramid.values(), *ends)
        if isinstance(one, keras.KerasTensor) and len(one.shape) == 4
    ]
    side = network.input.shape[1] or PROBED
    shapes = [one.shape for one in candidates]
    if network.input.shape[1] is None:
        shapes = keras.Model(network.input, candidates).compute_output_shape((1, side, side, 3))
    for tensor, (_, height, width, _) in zip(candidates, shapes, strict=True):
        if height == width and side % height == 0:
            found[side // height] = tensor
    if missing := [stride for stride in STRIDES[:4] if stride not in found]:
        raise UserError(
            f"--encoder {KERASHUB}PRESET: a {type(network).__name__} has no features of stride "
            f"{missing[-1]}, which the U-Net needs: give a backbone with a feature pyramid, such "
            f"as {KERASHUB}resnet_vd_34_imagenet"
        )
    return [found[stride] for stride in STRIDES if stride in found]


def _convolution(
    layer: keras.layers.Conv2D, features: keras.KerasTensor, kernel: keras.KerasTensor
) -> keras.KerasTensor:
    """The layer's convolution; as a depthwise one where each channel is a group of its own.

    Keras compiles grouped convolutions with XLA, which takes long and has no place in ONNX.
    """
    channels = features.shape[-1]
    if layer.groups != channels or layer.data_format != "channels_last":
        return type(layer).convolution_op(layer, features, kernel)
    height, width, _, filters = kernel.shape
    return keras.ops.depthwise_conv(
        features,
        keras.ops.reshape(kernel, (height, width, channels, filters // channels)),
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
    )


def _channels(value: float | tuple[float, ...] | None, default: float) -> Channels:
    """A factor or summand of an image converter, for each channel."""
    red, green, blue = np.broadcast_to(default if value is None else value, 3).tolist()
    return red, green, blue
