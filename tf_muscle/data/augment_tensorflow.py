"""The recipe of `augment.py` in batched TensorFlow ops, for the device that trains.

One process of albumentations changes some 400 photos of 256x256 a second, which a fast GPU outruns.
Here a whole batch is changed at once, by ops that XLA compiles too. Every draw is stateless: the
same seed and batch number give the same pixels on any device.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from tf_muscle.data.augment import FOREGROUND_CROPS
from tf_muscle.options import AugmentConfig
from tf_muscle.roboflow.records import VOID

SALT_SHARE = (0.4, 0.6)  # of the noise; albumentations' default
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV and Pillow turn RGB into grey
BLUR_REACH = 3.5  # standard deviations that a Gaussian kernel reaches to; albumentations' rule

Batch = tuple[tf.Tensor, tf.Tensor]

RNG = "philox"  # named, for TensorFlow otherwise chooses by device


def uniform(
    shape: Sequence[int | tf.Tensor] | tf.Tensor,
    seed: tf.Tensor,
    lowest: float = 0.0,
    highest: float = 1.0,
) -> tf.Tensor:
    """Stateless draws from [lowest, highest), float32, the same on every device.

    TensorFlow's own floats differ between its kernels and XLA's; their integers do not.
    """
    bits = tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg=RNG
    )
    # 24 bits are what a float32 holds.
    share = tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) / 2**24
    return lowest + (highest - lowest) * share


def crop(images: tf.Tensor, masks: tf.Tensor, size: int, seed: tf.Tensor) -> Batch:
    """Random crops, two thirds of them around a random pixel of a muscle, if there is one.

    Args:
        images: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W].
        size: height and width of the crops, S.
        seed: int32 [2].

    Returns:
        Images [B, S, S, 3] and masks [B, S, S].
    """
    count, height, width = tf.unstack(tf.shape(masks))
    seeds = tf.random.split(seed, 4, alg=RNG)
    kind = uniform([count], seeds[0])
    chance = uniform(tf.shape(masks), seeds[1])
    chance = tf.reshape(tf.where((masks > 0) & (masks != VOID), chance, -1.0), [count, -1])
    pixel = tf.argmax(chance, axis=1, output_type=tf.int32)
    around = (kind < FOREGROUND_CROPS) & (tf.reduce_max(chance, axis=1) >= 0)

    def starts(length: tf.Tensor, position: tf.Tensor, its_seed: tf.Tensor) -> tf.Tensor:
        """First rows or columns, [B]: anywhere, or so that the crop holds `position`."""
        u = uniform([count], its_seed)
        free = tf.cast(length - size + 1, tf.float32)
        anywhere = tf.cast(u * free, tf.int32)
        holding = position - tf.cast(u * size, tf.int32)
        return tf.clip_by_value(tf.where(around, holding, anywhere), 0, length - size)

    rows = starts(height, pixel // width, seeds[2])[:, None] + tf.range(size)
    columns = starts(width, pixel % width, seeds[3])[:, None] + tf.range(size)

    def cut(pixels: tf.Tensor) -> tf.Tensor:
        return tf.gather(
            tf.gather(pixels, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1
        )

    return cut(images), cut(masks)


def affine_matrices(
    shear: tf.Tensor, rotate: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Matrices from input to output pixels, as albumentations' Affine multiplies them.

    Args:
        shear: [B, 2], degrees in x and y.
        rotate: [B], degrees.
        scale: [B].
        shift: [B, 2], pixels in x and y.
        size: [2], width and height.

    Returns:
        float32 [B, 2, 3]: the linear part, and the translation about the centre of the image.
    """
    sheared, turned = tf.tan(shear * math.pi / 180), rotate * math.pi / 180
    one = tf.ones_like(turned)
    shear_matrix = tf.stack([one, sheared[:, 0], sheared[:, 1], one], axis=-1)
    cos, sin = tf.cos(turned), tf.sin(turned)
    rotation = tf.stack([cos, sin, -sin, cos], axis=-1)
    linear = tf.reshape(shear_matrix, [-1, 2, 2]) @ tf.reshape(rotation, [-1, 2, 2])
    linear *= scale[:, None, None]
    center = (size - 1.0) / 2
    moved = shift + center - tf.linalg.matvec(linear, tf.broadcast_to(center, tf.shape(shift)))
    return tf.concat([linear, moved[..., None]], axis=-1)


def warp(images: tf.Tensor, masks: tf.Tensor, matrices: tf.Tensor) -> Batch:
    """Applies `affine_matrices`: images bilinear, masks nearest, outside black and background.

    Args:
        images: float32 [B, H, W, 3].
        masks: uint8 [B, H, W].
        matrices: float32 [B, 2, 3].
    """
    count, height, width = tf.unstack(tf.shape(masks))
    inverse = tf.linalg.inv(matrices[:, :, :2])
    x, y = tf.meshgrid(tf.range(width), tf.range(height))
    target = tf.cast(tf.stack([x, y], axis=-1), tf.float32)[None]  # [1, H, W, 2]
    offset = target - matrices[:, None, None, :, 2]
    source = tf.einsum("bij,bhwj->bhwi", inverse, offset)

    def pixels_at(flat: tf.Tensor, column: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Values [B, H, W, C] of `flat`, [B, H * W, C], at [B, H, W] positions, 0 outside."""
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = tf.where(inside, row * width + column, 0)
        taken = tf.gather(flat, index, axis=1, batch_dims=1)
        return tf.where(inside[..., None], taken, tf.zeros_like(taken))

    low = tf.floor(source)
    part = source - low
    left, top = tf.cast(low[..., 0], tf.int32), tf.cast(low[..., 1], tf.int32)
    flat = tf.reshape(images, [count, -1, 3])
    warped = tf.zeros_like(images)
    for right in (0, 1):
        for down in (0, 1):
            across = part[..., 0] if right else 1 - part[..., 0]
            along = part[..., 1] if down else 1 - part[..., 1]
            warped += (across * along)[..., None] * pixels_at(flat, left + right, top + down)
    nearest = tf.cast(tf.floor(source + 0.5), tf.int32)
    ids = pixels_at(tf.reshape(masks, [count, -1, 1]), nearest[..., 0], nearest[..., 1])
    return warped, ids[..., 0]


def recolour(images: tf.Tensor, saturation: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    """Changes saturation and hue as albumentations' ColorJitter does.

    Args:
        images: float32 [B, H, W, 3], 0 to 255.
        saturation: float32 [B]; 0 is grey, 1 leaves the colours, 2 doubles their distance to grey.
        hue: float32 [B], -0.5 to 0.5 of the colour circle.
    """
    gray = tf.reduce_sum(images * LUMA, axis=-1, keepdims=True)
    images = gray + (images - gray) * saturation[:, None, None, None]
    hsv = tf.image.rgb_to_hsv(tf.clip_by_value(images, 0.0, 255.0))
    turned = tf.math.floormod(hsv[..., :1] + hue[:, None, None, None], 1.0)
    return tf.image.hsv_to_rgb(tf.concat([turned, hsv[..., 1:]], axis=-1))


def blur(images: tf.Tensor, sigma: tf.Tensor, largest: float) -> tf.Tensor:
    """Gaussian blur, mirrored at the borders.

    Args:
        images: float32 [B, H, W, 3].
        sigma: float32 [B], pixels; below 1/3.5 there is no neighbour within reach.
        largest: sigma's upper bound, which sets the size of the kernel.
    """
    radius = int(largest * BLUR_REACH)
    distance = tf.range(-radius, radius + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * (distance / tf.maximum(sigma, 1e-3)[:, None]) ** 2)
    weights = tf.where(tf.abs(distance) <= tf.floor(sigma * BLUR_REACH)[:, None], weights, 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    for axis in (1, 2):
        length = tf.shape(images)[axis]
        mirrored = tf.range(-radius, length + radius) + length - 1
        mirrored = tf.abs(mirrored % (2 * (length - 1)) - (length - 1))
        padded = tf.gather(images, mirrored, axis=axis)
        images = tf.add_n(
            [
                weights[:, i, None, None, None]
                * (padded[:, i : i + length] if axis == 1 else padded[:, :, i : i + length])
                for i in range(2 * radius + 1)
            ]
        )
    return images


def salt_and_pepper(
    images: tf.Tensor, amount: tf.Tensor, salt_share: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Makes single pixels white or black.

    Args:
        images: float32 [B, H, W, 3].
        amount: [B], the share of pixels that change, in expectation.
        salt_share: [B], the white ones among them.
        seed: int32 [2].
    """
    chance = uniform(tf.shape(images)[:3], seed)[..., None]
    amount, salt = amount[:, None, None, None], (amount * salt_share)[:, None, None, None]
    return tf.where(chance < salt, 255.0, tf.where(chance < amount, 0.0, images))


class TensorFlowAugmenter:
    """Augments batches by the recipe of `augment.compose`.

    The distribution of what comes out is that of albumentations; single photos differ, since the
    draws do. Between the steps the pixels are not rounded, and the number of noisy pixels is
    binomial around albumentations' fixed share.
    """

    def __init__(self, config: AugmentConfig, seed: int):
        self.config = config
        self.seed = seed

    def __call__(self, images: tf.Tensor, masks: tf.Tensor, batch: tf.Tensor) -> Batch:
        """Augments one batch.

        Args:
            images: uint8 [B, H, W, 3].
            masks: uint8 [B, H, W], class ids.
            batch: number of the batch since the start of the training.

        Returns:
            Images and masks, uint8, cropped if the recipe says so.
        """
        config = self.config
        root = tf.stack([tf.cast(self.seed & 0x7FFFFFFF, tf.int32), tf.cast(batch, tf.int32)])
        seeds = iter(tf.unstack(tf.random.split(root, 32, alg=RNG), num=32))
        if config.crop:
            images, masks = crop(images, masks, config.crop, next(seeds))
        count = tf.shape(images)[0]

        def between(lowest: float, highest: float, *more: int) -> tf.Tensor:
            return uniform([count, *more], next(seeds), lowest, highest)

        def happens(probability: float) -> tf.Tensor:
            return between(0.0, 1.0) < probability

        def perhaps(probability: float, changed: tf.Tensor, unchanged: object) -> tf.Tensor:
            """`changed`, [B, ...], of the photos that it happens to, `unchanged` of the others."""
            if probability == 1:
                return changed
            happened = tf.reshape(happens(probability), [count] + [1] * (len(changed.shape) - 1))
            return tf.where(happened, changed, unchanged)

        for probability, axis in ((config.horizontal_flip, 2), (config.vertical_flip, 1)):
            if probability:
                flipped = happens(probability)
                images = tf.where(flipped[:, None, None, None], tf.reverse(images, [axis]), images)
                masks = tf.where(flipped[:, None, None], tf.reverse(masks, [axis]), masks)
        pixels = tf.cast(images, tf.float32)
        if config.shear or config.rotate or config.zoom or config.shift:
            # Half of the draws shrink and half enlarge, as with albumentations' balanced_scale.
            smaller = between(1 / (1 + config.zoom), 1.0)
            larger = between(1.0, 1 + config.zoom)
            size = tf.cast(tf.stack([tf.shape(masks)[2], tf.shape(masks)[1]]), tf.float32)
            matrices = affine_matrices(
                shear=between(-config.shear, config.shear, 2),
                rotate=between(-config.rotate, config.rotate),
                scale=tf.where(happens(0.5), smaller, larger),
                # Whole pixels towards 0, as albumentations shifts.
                shift=tf.cast(
                    tf.cast(between(-config.shift, config.shift, 2) * size, tf.int32), tf.float32
                ),
                size=size,
            )
            identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
            matrices = perhaps(config.geometry_probability, matrices, identity)
            pixels, masks = warp(pixels, masks, matrices)
        if config.brightness:
            contrast = 1 + between(-config.brightness, config.brightness)
            added = 255 * between(-config.brightness, config.brightness)
            changed = pixels * contrast[:, None, None, None] + added[:, None, None, None]
            changed = tf.clip_by_value(changed, 0.0, 255.0)
            pixels = perhaps(config.color_probability, changed, pixels)
        if config.saturation or config.hue:
            factor = 1 + between(-config.saturation, config.saturation)
            changed = recolour(pixels, factor, between(-config.hue, config.hue))
            pixels = perhaps(config.color_probability, changed, pixels)
        if config.grayscale:
            gray = tf.reduce_sum(pixels * LUMA, axis=-1, keepdims=True)
            pixels = tf.where(happens(config.grayscale)[:, None, None, None], gray, pixels)
        if config.blur:
            pixels = blur(pixels, between(0.0, config.blur), config.blur)
        if config.noise:
            amount, share = between(0.0, config.noise), between(*SALT_SHARE)
            pixels = salt_and_pepper(pixels, amount, share, next(seeds))
        return tf.cast(tf.round(pixels), tf.uint8), masks
