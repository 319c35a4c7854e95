"""Random changes to training batches: the report's recipe in albumentations."""

import os
import random
import threading
from collections.abc import Iterable

import numpy as np

from tf_muscle.options import AugmentConfig
from tf_muscle.roboflow.records import VOID

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its version
import albumentations as A  # noqa: N812
import cv2

# tf.data runs several batches at once; OpenCV's own threads only get in the way.
cv2.setNumThreads(0)

FOREGROUND_CROPS = 2 / 3  # nnU-Net crops 1/3 around foreground; muscles are rarer than its organs

# Which option does what Roboflow had already done to the exported photos.
BAKED_OPTIONS = {
    "horizontal_flip": ("horizontal_flip",),
    "vertical_flip": ("vertical_flip",),
    "shear": ("shear",),
    "grayscale": ("grayscale",),
    "blur": ("blur",),
    "noise": ("noise",),
    "rotate": ("rotate",),
    "crop": ("zoom", "shift"),
    "brightness": ("brightness",),
    "exposure": ("brightness",),
    "saturation": ("saturation",),
    "hue": ("hue",),
}


def without_baked(config: AugmentConfig, baked: Iterable[str]) -> tuple[AugmentConfig, list[str]]:
    """Turns off what the export already holds, unless `augment_again` asks for it.

    Args:
        config: the recipe.
        baked: `Export.baked_augmentation`.

    Returns:
        The recipe to use, and the options that were turned off.
    """
    options = sorted({option for name in baked for option in BAKED_OPTIONS.get(name, ())})
    off = [option for option in options if getattr(config, option)]
    if config.augment_again or not off:
        return config, []
    return AugmentConfig(**{**vars(config), **dict.fromkeys(off, 0.0)}), off


def compose(config: AugmentConfig) -> A.Compose:
    """The recipe as albumentations transforms; a part that is 0 is left out.

    Geometry is nearest-neighbour on masks and fills with background, so that no class id can
    appear that was not there.
    """
    geometry = A.Affine(
        shear=dict.fromkeys(("x", "y"), (-config.shear, config.shear)),
        rotate=(-config.rotate, config.rotate),
        scale=(1 / (1 + config.zoom), 1 + config.zoom),
        translate_percent=(-config.shift, config.shift),
        balanced_scale=True,
        keep_ratio=True,
        p=config.geometry_probability,
    )
    colours = A.ColorJitter(
        brightness=(1.0, 1.0),
        contrast=(1.0, 1.0),
        saturation=(1 - config.saturation, 1 + config.saturation),
        hue=(-config.hue, config.hue),
        p=config.color_probability,
    )
    parts = [
        (config.horizontal_flip, A.HorizontalFlip(p=config.horizontal_flip)),
        (config.vertical_flip, A.VerticalFlip(p=config.vertical_flip)),
        (config.shear or config.rotate or config.zoom or config.shift, geometry),
        (
            config.brightness,
            A.RandomBrightnessContrast(
                config.brightness, config.brightness, p=config.color_probability
            ),
        ),
        (config.saturation or config.hue, colours),
        (config.grayscale, A.ToGray(p=config.grayscale)),
        # blur_limit=0 derives the kernel from sigma, which the report names.
        (config.blur, A.GaussianBlur(sigma_limit=(0.0, config.blur), blur_limit=0, p=1.0)),
        (config.noise, A.SaltAndPepper(amount=(0.0, config.noise), p=1.0)),
    ]
    if config.crop:
        # First, so that all else works on fewer pixels.
        crop = A.OneOf(
            [
                A.CropNonEmptyMaskIfExists(
                    config.crop, config.crop, ignore_values=[VOID], p=FOREGROUND_CROPS
                ),
                A.RandomCrop(config.crop, config.crop, p=1 - FOREGROUND_CROPS),
            ],
            p=1.0,
        )
        parts.insert(0, (config.crop, crop))
    return A.Compose([transform for strength, transform in parts if strength])


class Augmenter:
    """Augments batches so that the same seed gives the same pixels, whatever the parallelism.

    A Compose holds its random state, so every thread has its own, reseeded for each image from
    (seed, batch, image).
    """

    def __init__(self, config: AugmentConfig, seed: int):
        self.config = config
        self.seed = seed
        self._local = threading.local()

    def __call__(
        self, images: np.ndarray, masks: np.ndarray, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augments one batch.

        Args:
            images: uint8 [B, H, W, 3].
            masks: uint8 [B, H, W], class ids.
            batch: number of the batch since the start of the training.

        Returns:
            Images and masks, uint8, cropped if the recipe says so.
        """
        if not hasattr(self._local, "transform"):
            self._local.transform = compose(self.config)
        transform = self._local.transform
        size = (self.config.crop, self.config.crop) if self.config.crop else images.shape[1:3]
        out_images = np.empty((len(images), *size, 3), np.uint8)
        out_masks = np.empty((len(images), *size), np.uint8)
        for i in range(len(images)):
            sequence = np.random.SeedSequence([self.seed, int(batch), i])
            # One state for all transforms: set_random_seed would give each its own of the same
            # seed, and every draw of one be the draw of the others (both flips, or neither).
            transform.set_random_state(
                np.random.default_rng(sequence),
                random.Random(int(sequence.generate_state(1, np.uint64)[0])),
            )
            changed = transform(image=images[i], mask=masks[i])
            out_images[i], out_masks[i] = changed["image"], changed["mask"]
        return out_images, out_masks
