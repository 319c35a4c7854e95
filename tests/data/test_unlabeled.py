"""Photos without masks in two views."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.data import unlabeled
from tf_muscle.data.augment import Augmenter
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.pipeline import training_batches
from tf_muscle.data.unlabeled import UnlabeledPhotos, beside, cut_mix_box, unlabeled_views
from tf_muscle.options import AugmentConfig

SIZE, COUNT = 32, 5
STILL = AugmentConfig(horizontal_flip=0, vertical_flip=0, shear=0, grayscale=0, blur=0, noise=0)
MOVING = AugmentConfig(horizontal_flip=0.5, rotate=10, zoom=0.3, brightness=0.4, noise=0.1)


@pytest.fixture
def photos(tmp_path: Path) -> UnlabeledPhotos:
    """Five landscape photos, each with its number in the red of every pixel."""
    geometry = Geometry("pad", SIZE)
    fitted = []
    for number in range(COUNT):
        image = np.zeros((30, 60, 3), np.uint8)
        image[..., 0], image[:, :30, 1] = 40 * number + 20, 200
        fitted.append(geometry.fit(image))
    path = tmp_path / "photos"
    path.write_bytes(np.stack(fitted).tobytes())
    return UnlabeledPhotos(path, ((30, 60),) * COUNT, geometry, 3)


def drawn(views: tf.data.Dataset, count: int) -> list[tuple[np.ndarray, ...]]:
    return list(views.take(count).as_numpy_iterator())


def test_every_photo_comes_once_a_round_and_padding_is_told(photos: UnlabeledPhotos) -> None:
    batches = drawn(unlabeled_views(photos, STILL, 0), 5)
    numbers = [int(image[SIZE // 2, 0, 0] - 20) // 40 for weak, *_ in batches for image in weak]
    assert [sorted(numbers[i : i + COUNT]) for i in (0, 5, 10)] == [list(range(COUNT))] * 3
    assert numbers[:5] != numbers[5:10]
    for weak, strong, around, boxes in batches:
        assert weak.shape == strong.shape == (3, SIZE, SIZE, 3)
        assert around.shape == boxes.shape == (3, SIZE, SIZE)
        np.testing.assert_array_equal(around[:, :8], 255)
        np.testing.assert_array_equal(around[:, 8:24], 0)
        np.testing.assert_array_equal(around[:, 24:], 255)


def test_same_seed_same_views_also_from_the_middle_on(photos: UnlabeledPhotos) -> None:
    whole = drawn(unlabeled_views(photos, MOVING, 3), 6)
    rest = drawn(unlabeled_views(photos, MOVING, 3, skipped_batches=4), 2)
    for ours, expected in zip(rest, whole[4:], strict=True):
        for part, its in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(part, its)
    other = drawn(unlabeled_views(photos, MOVING, 4), 1)[0]
    assert (other[0] != whole[0][0]).any()


def test_the_strong_view_is_the_weak_one_in_other_colours(
    photos: UnlabeledPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = drawn(unlabeled_views(photos, MOVING, 0), 4)
    assert any((weak != strong).any() for weak, strong, *_ in batches)
    # Without its colours, nothing of it moves, and the recipe's own are in neither view.
    monkeypatch.setattr(unlabeled, "STRONG", STILL)
    monkeypatch.setattr(unlabeled, "BLUR", 0.0)
    for weak, strong, *_ in drawn(unlabeled_views(photos, MOVING, 0), 4):
        np.testing.assert_array_equal(weak, strong)


def test_crops(photos: UnlabeledPhotos) -> None:
    crop = AugmentConfig(horizontal_flip=0, vertical_flip=0, shear=0, crop=32)
    weak, strong, around, boxes = drawn(unlabeled_views(photos, crop, 0), 1)[0]
    assert weak.shape == strong.shape == (3, 32, 32, 3)
    assert around.shape == boxes.shape == (3, 32, 32)


def test_fewer_photos_than_a_batch(photos: UnlabeledPhotos) -> None:
    few = UnlabeledPhotos(photos.path, photos.sizes[:2], photos.geometry, 8)
    weak, *_ = drawn(unlabeled_views(few, STILL, 0), 1)[0]
    assert sorted(weak[:, SIZE // 2, 0, 0].tolist()) == [20] * 4 + [60] * 4


def test_boxes_have_their_share_of_the_photo() -> None:
    boxes = np.stack([cut_mix_box(64, np.random.default_rng(seed)) for seed in range(400)])
    shares = boxes.mean((1, 2))
    assert 0.4 < (shares > 0).mean() < 0.6
    some = shares[shares > 0]
    assert some.max() <= 0.42
    assert some.min() >= 0.015
    for box in boxes[shares > 0]:
        rows, columns = box.any(1), box.any(0)
        assert box.sum() == rows.sum() * columns.sum()  # a full rectangle


def test_they_stand_beside_the_labelled_ones(photos: UnlabeledPhotos) -> None:
    labelled = tf.data.Dataset.from_tensor_slices(
        {"image": np.zeros((4, 8, 8, 3), np.uint8), "mask": np.ones((4, 8, 8), np.uint8)}
    )
    batches = training_batches(labelled, 2, 0, Augmenter(STILL, 0))
    images, masks, views = next(iter(beside(batches, unlabeled_views(photos, STILL, 0))))
    assert images.shape == (2, 8, 8, 3)
    assert masks.shape == (2, 8, 8)
    assert [len(one) for one in views] == [3] * 4
