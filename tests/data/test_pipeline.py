import gc
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tf_muscle.data import pipeline
from tf_muscle.data.augment import Augmenter
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.pipeline import (
    as_arrays,
    batches_per_epoch,
    evaluation_batches,
    load_own_sizes,
    load_split,
    training_batches,
)
from tf_muscle.data.prepare import load_builder
from tf_muscle.options import AugmentConfig, DataConfig

COUNT, SIZE = 10, 32
GEOMETRY = Geometry("pad", SIZE)
NO_CHANGE = AugmentConfig(horizontal_flip=0, vertical_flip=0, shear=0, grayscale=0, blur=0, noise=0)
# Width and height of the photos; the first is the model's size already.
SIZES = [(SIZE, SIZE), (100, 80), (47, 51), (20, 33)]

Batches = list[tuple[np.ndarray, np.ndarray]]


def numbered() -> tf.data.Dataset:
    """Photos and masks that show their number."""
    numbers = np.arange(COUNT, dtype=np.uint8)
    images = np.broadcast_to(numbers[:, None, None, None], (COUNT, SIZE, SIZE, 3))
    masks = np.broadcast_to(numbers[:, None, None], (COUNT, SIZE, SIZE))
    names = [f"{number}.jpg" for number in numbers]
    return tf.data.Dataset.from_tensor_slices({"image": images, "mask": masks, "file_name": names})


def first(dataset: tf.data.Dataset, count: int) -> Batches:
    return list(dataset.take(count).as_numpy_iterator())


def order(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    """The numbers of the photos, checked against their masks."""
    numbers = []
    for images, masks in batches:
        np.testing.assert_array_equal(images[..., 0], masks)
        numbers += masks[:, 0, 0].tolist()
    return numbers


def assert_equal_batches(actual: Batches, expected: Batches) -> None:
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        for part in (0, 1):
            np.testing.assert_array_equal(ours[part], theirs[part])


def test_every_epoch_sees_every_photo_once() -> None:
    steps = batches_per_epoch(numbered(), 4)
    assert steps == 3
    batches = training_batches(numbered(), 4, 0, Augmenter(NO_CHANGE, 0))
    assert batches.element_spec[0].shape.as_list() == [None, SIZE, SIZE, 3]
    assert batches.element_spec[1].shape.as_list() == [None, SIZE, SIZE]
    assert [spec.dtype for spec in batches.element_spec] == [tf.uint8, tf.uint8]
    drawn = first(batches, 4 * steps)
    assert [len(images) for images, _ in drawn] == [4, 4, 2] * 4
    epochs = [order(drawn[epoch * steps : (epoch + 1) * steps]) for epoch in range(4)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(COUNT))
    assert len({tuple(epoch) for epoch in epochs}) == 4  # shuffled anew


def test_same_seed_same_batches_whatever_the_parallelism(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(workers: int, seed: int) -> Batches:
        monkeypatch.setattr(pipeline, "WORKERS", workers)
        augmenter = Augmenter(AugmentConfig(rotate=10.0, zoom=0.2), seed)
        return first(training_batches(numbered(), 4, augmenter.seed, augmenter), 7)

    expected = drawn(1, seed=0)
    assert_equal_batches(drawn(1, seed=0), expected)
    assert_equal_batches(drawn(5, seed=0), expected)
    other = drawn(5, seed=1)
    assert any((ours[0] != theirs[0]).any() for ours, theirs in zip(other, expected, strict=True))


def test_skipped_batches_are_those_of_the_interrupted_run() -> None:
    augmenter = Augmenter(AugmentConfig(), 3)
    whole = first(training_batches(numbered(), 4, augmenter.seed, augmenter), 9)
    for skipped in (3, 6):
        tail = training_batches(numbered(), 4, augmenter.seed, augmenter, skipped_batches=skipped)
        assert_equal_batches(first(tail, 9 - skipped), whole[skipped:])


def test_crops_give_the_batches_their_shape() -> None:
    recipe = AugmentConfig(crop=32)
    batches = training_batches(load_sized(40), 4, 0, Augmenter(recipe, 0))
    assert batches.element_spec[0].shape.as_list() == [None, 32, 32, 3]
    ((images, masks),) = first(batches, 1)
    assert images.shape == (4, 32, 32, 3)
    assert masks.shape == (4, 32, 32)


def load_sized(size: int) -> tf.data.Dataset:
    examples = {
        "image": np.zeros((4, size, size, 3), np.uint8),
        "mask": np.zeros((4, size, size), np.uint8),
        "file_name": ["x.jpg"] * 4,
    }
    return tf.data.Dataset.from_tensor_slices(examples)


def test_evaluation_keeps_order_and_every_photo() -> None:
    batches = list(evaluation_batches(numbered(), 4).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    assert order(batches) == list(range(COUNT))


def test_as_arrays() -> None:
    images, masks, names = as_arrays(numbered())
    assert images.shape == (COUNT, SIZE, SIZE, 3)
    assert masks[:, 0, 0].tolist() == list(range(COUNT))
    assert names == [f"{number}.jpg" for number in range(COUNT)]
    images, masks, names = as_arrays(numbered(), limit=3)
    assert masks[:, 0, 0].tolist() == [0, 1, 2]
    assert len(images) == len(names) == 3
    assert len(as_arrays(numbered(), limit=99)[0]) == COUNT


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PNG photos of several sizes with blocks of the classes 0 and 3."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        folder = root / split
        folder.mkdir()
        (folder / "_classes.csv").write_text(
            "Pixel Value, Class\n0, background\n1, biceps\n2, triceps\n3, calf"
        )
        for number, (width, height) in enumerate(SIZES):
            small = rng.integers(0, 256, (9, 9, 3), np.uint8)
            photo = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
            photo.save(folder / f"{split}{number}_png.rf.0.png")
            mask = rng.choice([0, 3], (height, width)).astype(np.uint8)
            mask[:2] = 3
            Image.fromarray(mask).save(folder / f"{split}{number}_png.rf.0_mask.png")
    return root


@pytest.fixture(scope="module")
def builder(export: Path, tmp_path_factory: pytest.TempPathFactory) -> tfds.core.DatasetBuilder:
    data_dir = str(tmp_path_factory.mktemp("tfds"))
    return load_builder(DataConfig(data=str(export), data_dir=data_dir))


def test_photos_are_stretched_as_pillow_does(
    export: Path, builder: tfds.core.DatasetBuilder
) -> None:
    """Bilinear with antialiasing for photos, nearest for masks."""
    examples = load_split(builder, "train", Geometry("stretch", SIZE))
    assert examples.element_spec["image"] == tf.TensorSpec((SIZE, SIZE, 3), tf.uint8)
    assert examples.element_spec["mask"] == tf.TensorSpec((SIZE, SIZE), tf.uint8)
    assert int(examples.cardinality()) == len(SIZES)
    images, masks, names = as_arrays(examples)
    assert sorted(names) == [f"train{number}_png.rf.0.png" for number in range(len(SIZES))]
    for image, mask, name in zip(images, masks, names, strict=True):
        path = export / "train" / name
        with Image.open(path) as photo:
            expected = np.array(photo.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(image, expected)
        with Image.open(path.with_name(f"{path.stem}_mask.png")) as stored:
            nearest = np.array(stored.resize((SIZE, SIZE), Image.Resampling.NEAREST))
        np.testing.assert_array_equal(mask, nearest)
        assert set(np.unique(mask)) == {0, 3}


def test_photos_are_padded_as_by_hand(export: Path, builder: tfds.core.DatasetBuilder) -> None:
    images, masks, names = as_arrays(load_split(builder, "train", Geometry("pad", SIZE)))
    wide = names.index("train1_png.rf.0.png")  # 100x80: 32x26, three rows above and below
    assert (images[wide, :3] == (124, 116, 104)).all()
    assert (images[wide, 29:] == (124, 116, 104)).all()
    assert (masks[wide, [0, 1, 2, 29, 30, 31]] == 255).all()
    with Image.open(export / "train" / names[wide]) as photo:
        expected = np.array(photo.resize((32, 26), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(images[wide, 3:29], expected)
    assert set(np.unique(masks[wide, 3:29])) == {0, 3}
    square = names.index("train0_png.rf.0.png")
    assert (masks[square] != 255).all()


def test_masks_come_at_their_own_size_in_the_order_of_the_photos(
    export: Path, builder: tfds.core.DatasetBuilder
) -> None:
    _, _, names = as_arrays(load_split(builder, "train", GEOMETRY))
    own_sizes = load_own_sizes(builder, "train", GEOMETRY).as_numpy_iterator()
    for name, own in zip(names, own_sizes, strict=True):
        path = export / "train" / name
        with Image.open(path.with_name(f"{path.stem}_mask.png")) as stored:
            np.testing.assert_array_equal(own["mask"], np.array(stored))
        assert len(own["windows"]) == 0


def test_order_is_fixed(builder: tfds.core.DatasetBuilder) -> None:
    examples = load_split(builder, "valid", GEOMETRY)
    names = as_arrays(examples)[2]
    assert as_arrays(examples)[2] == names  # the second time from the cache
    assert as_arrays(load_split(builder, "valid", Geometry("pad", 48)))[2] == names


def test_photos_too_many_for_the_memory_are_cached_on_disk(
    builder: tfds.core.DatasetBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.tempfile, "tempdir", str(tmp_path))
    in_memory = load_split(builder, "train", GEOMETRY)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(pipeline, "MEMORY_CACHE_BYTES", 2 * 4 * SIZE**2)  # two of four photos
    on_disk = load_split(builder, "train", GEOMETRY)
    for _ in range(2):  # written, then read
        for ours, expected in zip(as_arrays(on_disk), as_arrays(in_memory), strict=True):
            np.testing.assert_array_equal(ours, expected)
    (folder,) = tmp_path.iterdir()
    assert any(folder.iterdir())

    batches = training_batches(on_disk, 3, 0, Augmenter(NO_CHANGE, 0))
    del on_disk
    expected = sorted(image.tobytes() for image in as_arrays(in_memory)[0])
    for epoch in (0, 1):
        drawn = first(batches.skip(2 * epoch), 2)
        assert sorted(image.tobytes() for images, _ in drawn for image in images) == expected
    del batches, drawn
    gc.collect()
    assert list(tmp_path.iterdir()) == []  # gone with the last that reads it
