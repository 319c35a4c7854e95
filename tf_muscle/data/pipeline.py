"""From a prepared data set to batches: tf.data, uint8 from end to end.

The model normalises inside, so nobody can feed it wrongly; uint8 is also a quarter of the memory.
"""

import functools
import io
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_muscle.data.augment import Augmenter
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.prepare import quiet_tfds
from tf_muscle.processor import this_processor
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.runs.assignment import Assignment

WORKERS = this_processor().threads
PREFETCH = 2  # one batch in the making while one is trained on; more only costs memory
# Decoded photos above this stay on disk: 4 GB holds 15,000 at 256x256.
MEMORY_CACHE_BYTES = 4 * 1024**3
# A run asks for each of its folders up to six times, and TFDS traces functions for each reader: a
# third of the time in which two small folds were put together.
REMEMBERED = 4

Example = dict[str, tf.Tensor]


def _without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Fixed parallelism, and an end without a wait.

    tf.data's tuner thread sleeps for doubling periods up to a minute and, in TensorFlow 2.21, an
    iterator that Keras drops waits for it: a fit of 5 s took 10.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return dataset.with_options(options)


def load_split(
    builder: tfds.core.DatasetBuilder,
    split: str,
    geometry: Geometry,
    assignment: Assignment | None = None,
) -> tf.data.Dataset:
    """Decodes one split, brings its photos into the network's square, and caches them.

    Decoder and geometry are those of prediction, so that a model sees a photo as it learned it.

    Args:
        builder: a prepared `roboflow_segmentation` builder.
        split: "train", "valid" or "test".
        geometry: brings photos to squares of S pixels.
        assignment: which photos of a builder with every folder are in the split; by default those
            of the builder's own.

    Returns:
        Examples in a fixed order: `image` uint8 [S, S, 3], `mask` uint8 [S, S] (`VOID` where no
        photo is or nobody labelled), `file_name` string, which has the folder in front,
        "train/X.jpg", where there is an assignment.
    """
    size = geometry.size

    def fit(example: Example) -> Example:
        image, mask = tf.numpy_function(
            functools.partial(_fit, geometry),
            (example["image"], example["segmentation_mask"][..., 0]),
            (tf.uint8, tf.uint8),
        )
        return {
            "image": tf.ensure_shape(image, (size, size, 3)),
            "mask": tf.ensure_shape(mask, (size, size)),
            "file_name": example["file_name"],
        }

    encoded = _records(builder, split, assignment)
    dataset = encoded.map(fit, num_parallel_calls=WORKERS)
    byte_count = 4 * size**2 * int(encoded.cardinality())
    return _without_autotune(_cache(dataset, byte_count))


def load_own_sizes(
    builder: tfds.core.DatasetBuilder,
    split: str,
    geometry: Geometry,
    assignment: Assignment | None = None,
) -> tf.data.Dataset:
    """What it takes to score one split at the photos' own sizes, in the order of `load_split`.

    Read anew each time, since the masks of large photos would fill the memory.

    Returns:
        Examples: `mask` uint8 [H, W], and `windows` uint8 [N, S, S, 3], the squares of a photo that
        prediction sees in windows; N is 0 for others, whose square `load_split` gives.
    """

    def own(example: Example) -> Example:
        mask = example["segmentation_mask"][..., 0]
        windows = tf.numpy_function(
            functools.partial(_windows, geometry), (example["image"], mask), tf.uint8
        )
        size = geometry.size
        return {"mask": mask, "windows": tf.ensure_shape(windows, (None, size, size, 3))}

    return _without_autotune(_records(builder, split, assignment).map(own))


def load_names(
    builder: tfds.core.DatasetBuilder, split: str, assignment: Assignment | None = None
) -> list[tuple[str, str]]:
    """File name and source name of one split's photos, in the order of `load_split`."""
    names = _records(builder, split, assignment).map(
        lambda example: (example["file_name"], example["source_name"])
    )
    return [(name.decode(), source.decode()) for name, source in names.as_numpy_iterator()]


def load_photos(
    builder: tfds.core.DatasetBuilder,
    split: str,
    every: int = 1,
    assignment: Assignment | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos and masks of one split at the photos' own sizes, read one by one.

    Args:
        builder: a prepared `roboflow_segmentation` builder.
        split: "train", "valid" or "test".
        every: take each so many-th photo only.
        assignment: which photos are in which split; by default the export's own division.

    Yields:
        Photo, uint8 [H, W, 3], and mask, uint8 [H, W].
    """
    records = _without_autotune(_records(builder, split, assignment).shard(every, 0))
    for example in records.as_numpy_iterator():
        photo = decode_photo(io.BytesIO(example["image"]))
        yield photo, example["segmentation_mask"][..., 0]


def _records(
    builder: tfds.core.DatasetBuilder, split: str, assignment: Assignment | None
) -> tf.data.Dataset:
    """Examples with photos still encoded."""
    if assignment is None:
        return _folder(builder, split)
    names = assignment.photos[split]
    chosen = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(names), tf.fill([len(names)], True)), False
    )

    picked = _every_folder(builder).filter(lambda example: chosen.lookup(example["file_name"]))
    return picked.apply(tf.data.experimental.assert_cardinality(len(names)))


@functools.lru_cache(maxsize=REMEMBERED)
def _every_folder(builder: tfds.core.DatasetBuilder) -> tf.data.Dataset:
    """Examples of all folders, each one's name in front of the files'."""

    def named(folder: str, example: Example) -> Example:
        return example | {"file_name": tf.strings.join((folder, example["file_name"]), "/")}

    folders = [
        _folder(builder, folder).map(functools.partial(named, folder))
        for folder in builder.info.splits
    ]
    return functools.reduce(tf.data.Dataset.concatenate, folders)


@functools.lru_cache(maxsize=REMEMBERED)
def _folder(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    with quiet_tfds():
        return builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=False),
        )


def _fit(geometry: Geometry, encoded: bytes, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return geometry.fit(decode_photo(io.BytesIO(encoded))), geometry.fit_mask(mask)


def _windows(geometry: Geometry, encoded: bytes, mask: np.ndarray) -> np.ndarray:
    if geometry.windows(*mask.shape):
        return geometry.squares(decode_photo(io.BytesIO(encoded)))
    return np.zeros((0, geometry.size, geometry.size, 3), np.uint8)


def _cache(dataset: tf.data.Dataset, byte_count: int) -> tf.data.Dataset:
    """Caches in memory, or in a temporary folder what is larger than memory should hold."""
    if byte_count <= MEMORY_CACHE_BYTES:
        return dataset.cache()
    folder = tempfile.TemporaryDirectory(prefix="tf_muscle_cache_")
    cached = dataset.cache(os.path.join(folder.name, "examples"))  # noqa: PTH118
    cached._folder = folder  # removed with the last reference to the data set
    return cached


def training_batches(
    examples: tf.data.Dataset,
    batch_size: int,
    seed: int,
    augmenter: Augmenter | None,
    *,
    skipped_batches: int = 0,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Endless shuffled and augmented batches, the same for the same seed.

    An epoch is `batches_per_epoch` of them; the last batch of an epoch may be smaller.

    Args:
        examples: dictionaries with `image` uint8 [S, S, 3] and `mask` uint8 [S, S], as
            `load_split` gives them.
        batch_size: images in a batch.
        seed: decides the order.
        augmenter: None leaves the photos as they are, for a model that augments them itself.
        skipped_batches: leave out so many from the start; a resumed run continues with what the
            interrupted one would have seen.
        drop_remainder: leave a smaller last batch of an epoch out.

    Returns:
        Pairs of images uint8 [B, S, S, 3] and masks uint8 [B, S, S], S the size of the augmenter's
        crop if it has one.
    """
    image_spec = examples.element_spec["image"].shape
    mask_spec = examples.element_spec["mask"].shape

    def as_pair(number: tf.Tensor, example: Example) -> tuple[tf.Tensor, tf.Tensor]:
        return example["image"], example["mask"]

    def augment(number: tf.Tensor, example: Example) -> tuple[tf.Tensor, tf.Tensor]:
        # One call a batch: calls for single images cost a third of the throughput.
        images, masks = tf.numpy_function(
            augmenter, (example["image"], example["mask"], number), (tf.uint8, tf.uint8)
        )
        assert augmenter is not None
        crop = augmenter.config.crop
        size = (None, crop, crop) if crop else (None, *mask_spec)
        return tf.ensure_shape(images, (*size, 3)), tf.ensure_shape(masks, size)

    image_bytes = image_spec.num_elements() + mask_spec.num_elements()
    buffer = min(int(examples.cardinality()), MEMORY_CACHE_BYTES // image_bytes)
    batches = (
        examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
        .batch(batch_size, drop_remainder=drop_remainder)
        .repeat()
        .enumerate()
        .skip(skipped_batches)
        .map(augment if augmenter else as_pair, num_parallel_calls=WORKERS)
        .prefetch(PREFETCH)
    )
    return _without_autotune(batches)


def batches_per_epoch(
    examples: tf.data.Dataset, batch_size: int, *, drop_remainder: bool = False
) -> int:
    """Batches that see every example once, but for those of a dropped remainder."""
    count = int(examples.cardinality())
    return count // batch_size if drop_remainder else -(-count // batch_size)


def evaluation_batches(examples: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Pairs of images uint8 [B, S, S, 3] and masks uint8 [B, S, S], in order, unchanged."""
    batches = examples.map(lambda example: (example["image"], example["mask"]))
    return _without_autotune(batches.batch(batch_size).prefetch(PREFETCH))


def as_arrays(
    examples: tf.data.Dataset, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The first examples as images [N, S, S, 3], masks [N, S, S] and file names."""
    rows: Iterator[dict[str, Any]] = (
        examples if limit is None else examples.take(limit)
    ).as_numpy_iterator()
    images, masks, names = zip(
        *((row["image"], row["mask"], row["file_name"].decode()) for row in rows), strict=True
    )
    return np.stack(images), np.stack(masks), list(names)
