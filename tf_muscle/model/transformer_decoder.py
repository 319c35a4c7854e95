"""A decoder for plain transformers: DPT, Ranftl et al. 2021, https://arxiv.org/abs/2103.13413.

Every block of a plain transformer has features of one stride, its patches'. Those of four blocks
are brought to four strides and fused from the deepest upwards, by the formulas of the paper's
section 3: no class and register tokens ("ignore"), one width for all features, and batch
normalization in the residual units, as the paper has it for segmentation.
"""

import types
from collections.abc import Callable

import keras
from keras import ops

from tf_muscle.errors import UserError

PLAIN = ("DINOV2Backbone",)  # classes of KerasHub; each takes squares of the size it was built for
SCALES = (0.5, 1, 2, 4)  # of the grid of patches, the deepest features first
FEATURES = "encoder_features"  # layer of the deepest features


def block_features(backbone: keras.Model) -> list[keras.KerasTensor]:
    """Normalized features of the blocks at 4, 3, 2 and 1 quarters of the depth, [B, G, G, D] each.

    G is the image size over the patch size. The patches are in rows from the top left.

    Args:
        backbone: of a class in `PLAIN`.

    Raises:
        UserError: it has fewer than four blocks.
    """
    if backbone.num_layers < len(SCALES):
        raise UserError(
            f"--encoder: the decoder reads {len(SCALES)} blocks of a transformer, and this "
            f"{type(backbone).__name__} has {backbone.num_layers}: give a deeper one"
        )
    grid = backbone.image_shape[0] // backbone.patch_size
    others = 1 + backbone.num_register_tokens  # before the patches
    found = []
    for quarters in (4, 3, 2, 1):
        tokens = backbone.pyramid_outputs[f"stage{backbone.num_layers * quarters // 4}"]
        if not backbone.apply_layernorm:
            tokens = backbone.layernorm(tokens)
        patches = tokens[:, others:]
        found.append(keras.layers.Reshape((grid, grid, backbone.hidden_dim))(patches))
    return found


def transformer_core(
    encoder: keras.Model,
    photos: keras.KerasTensor,
    filters: int,
    head: Callable[[keras.KerasTensor], keras.KerasTensor],
    layers: types.SimpleNamespace,
    name: str,
) -> keras.Model:
    """The network between normalized photos, float32 [B, S, S, 3], and logits, [B, S, S, K].

    Photos are resized to what the encoder takes, and the logits back.

    Args:
        encoder: gives the features of `block_features`.
        photos: the network's input.
        filters: of every convolution, 256 in the paper.
        head: the last convolution, to logits.
        layers: whose BatchNormalization is used.
        name: of the network.
    """
    deepest, *others = encoder(resized(photos, encoder.input_shape[1]))
    deepest = keras.layers.Identity(name=FEATURES)(deepest)
    lowest, *levels = (
        reassembled(features, scale, filters)
        for features, scale in zip((deepest, *others), SCALES, strict=True)
    )
    fused = fusion(lowest, filters, layers)
    for level in levels:
        level = residual_unit(level, filters, layers)
        level = keras.layers.Add()([resized(fused, level.shape[1]), level])
        fused = fusion(level, filters, layers)
    fused = resized(fused, 2 * fused.shape[1])
    fused = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(fused)
    fused = keras.layers.ReLU()(layers.BatchNormalization()(fused))
    return keras.Model(photos, resized(head(fused), photos.shape[1]), name=name)


def reassembled(features: keras.KerasTensor, scale: float, filters: int) -> keras.KerasTensor:
    """Features [B, G, G, D] as [B, scale G, scale G, filters], an odd G halved upwards."""
    features = keras.layers.Conv2D(filters, 1)(features)
    if scale > 1:
        return keras.layers.Conv2DTranspose(filters, int(scale), int(scale))(features)
    if scale < 1:
        return keras.layers.Conv2D(filters, 3, int(1 / scale), padding="same")(features)
    return features


def fusion(
    features: keras.KerasTensor, filters: int, layers: types.SimpleNamespace
) -> keras.KerasTensor:
    """Features as the next level takes them, before they are resized to it.

    The paper resizes first; a 1x1 convolution gives the same before it, of fewer pixels.
    """
    return keras.layers.Conv2D(filters, 1)(residual_unit(features, filters, layers))


def residual_unit(
    features: keras.KerasTensor, filters: int, layers: types.SimpleNamespace
) -> keras.KerasTensor:
    """Features, and what two convolutions make of them, added."""
    found = features
    for _ in range(2):
        found = keras.layers.ReLU()(found)
        found = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(found)
        found = layers.BatchNormalization()(found)
    return keras.layers.Add()([features, found])


def resized(images: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Squares [B, S, S, C] as [B, size, size, C], interpolated bilinearly."""
    if images.shape[1] == size:
        return images
    return ops.image.resize(images, (size, size))
