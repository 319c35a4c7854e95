"""The smallest backbone of each KerasHub family, with random weights, saved as presets."""

from pathlib import Path
from typing import Any

import keras
import keras_hub

SIDE = 64  # pixels
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
STAGES = 6  # of an EfficientNet


def resnet(block: str, pre_activation: bool = False) -> keras.Model:
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[8, 8, 64] if block.endswith("vd") else [64],
        input_conv_kernel_sizes=[3, 3, 3] if block.endswith("vd") else [7],
        stackwise_num_filters=[64, 16, 16, 16],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type=block,
        use_pre_activation=pre_activation,
    )


def efficientnet(block: str) -> keras.Model:
    return keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[0.5] * STAGES,
        stackwise_depth_coefficients=[1.0] * STAGES,
        stackwise_kernel_sizes=[3, 3, 3, 3, 5, 3],
        stackwise_num_repeats=[1] * STAGES,
        stackwise_input_filters=[16, 16, 24, 24, 32, 32],
        stackwise_output_filters=[16, 24, 24, 32, 32, 48],
        stackwise_expansion_ratios=[1, 2, 2, 2, 2, 2],
        stackwise_squeeze_and_excite_ratios=[0.25] * STAGES,
        stackwise_strides=[1, 2, 2, 2, 1, 2],
        stackwise_block_types=[block] * STAGES,
    )


def hgnetv2() -> keras.Model:
    filters = [(16, 8, 16), (16, 8, 24), (24, 8, 32), (32, 8, 48)]  # in, between, out
    return keras_hub.models.HGNetV2Backbone(
        depths=[1, 1, 1, 1],
        embedding_size=16,
        hidden_sizes=[16, 24, 32, 48],
        stem_channels=[3, 8, 16],
        hidden_act="relu",
        use_learnable_affine_block=True,
        stackwise_stage_filters=[(*one, 1, 1, 3) for one in filters],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
    )


def mit() -> keras.Model:
    return keras_hub.models.MiTBackbone(
        layerwise_depths=[1, 1, 1, 1],
        num_layers=4,
        layerwise_num_heads=[1, 1, 2, 2],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        image_shape=(SIDE, SIDE, 3),
        hidden_dims=[8, 16, 16, 32],
    )


def densenet() -> keras.Model:
    return keras_hub.models.DenseNetBackbone(
        stackwise_num_repeats=[1, 1, 1, 1], compression_ratio=0.5, growth_rate=8
    )


def cspnet() -> keras.Model:
    return keras_hub.models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=1,
        stem_padding="same",
        stackwise_depth=[1, 1, 1, 1, 1],
        stackwise_strides=[2, 2, 2, 2, 2],
        stackwise_num_filters=[8, 16, 24, 32, 48],
        block_type="dark_block",
        stage_type="dark",
        bottle_ratio=[0.5],
    )


def dinov2(registers: int = 0, num_layers: int = 4, **options: Any) -> keras.Model:
    return keras_hub.models.DINOV2Backbone(
        patch_size=14,
        num_layers=num_layers,
        hidden_dim=16,
        num_heads=2,
        intermediate_dim=32,
        num_register_tokens=registers,
        image_shape=(56, 56, 3),
        position_embedding_shape=(84, 84, 3),
        **options,
    )


BACKBONES = {
    "resnet": lambda: resnet("basic_block"),
    "resnet_v2": lambda: resnet("bottleneck_block", True),
    "resnet_vd": lambda: resnet("basic_block_vd"),
    "efficientnet": lambda: efficientnet("v1"),
    "efficientnet_v2": lambda: efficientnet("fused"),
    "hgnetv2": hgnetv2,
    "mit": mit,
    "densenet": densenet,
    "cspnet": cspnet,
}
PLAIN = {"dinov2": dinov2, "dinov2_registers": lambda: dinov2(4)}


def converter(backbone: keras.Model, **options: Any) -> keras.layers.Layer:
    """The family's own preprocessing; by default that of most weights for ImageNet."""
    per_channel = {
        "scale": [1 / (255 * std) for std in STD],
        "offset": [-mean / std for mean, std in zip(MEAN, STD, strict=True)],
    }
    kind = type(backbone).__name__.replace("Backbone", "ImageConverter")
    return getattr(keras_hub.layers, kind)(**(per_channel | options))


def save_preset(name: str, folder: Path, **options: Any) -> tuple[keras.Model, keras.layers.Layer]:
    """Writes a preset, and gives its backbone and its preprocessing.

    Args:
        name: of `BACKBONES` or `PLAIN`.
        folder: to write.
        options: of the preprocessing.
    """
    keras.utils.set_random_seed(1)
    backbone = (BACKBONES | PLAIN)[name]()
    preprocessing = converter(backbone, **options)
    backbone.save_to_preset(str(folder))
    preprocessing.save_to_preset(str(folder))
    return backbone, preprocessing
