from typing import Any

import keras
import numpy as np
import pytest

from tf_muscle.model.losses import SegmentationLoss, balanced_class_weights

K = 4
RNG = np.random.default_rng(3)
LABELS = RNG.choice(K, (2, 6, 5), p=[0.7, 0.15, 0.1, 0.05]).astype(np.uint8)
LOGITS = (4 * RNG.normal(size=(2, 6, 5, K))).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropy(labels: np.ndarray = LABELS, logits: np.ndarray = LOGITS) -> np.ndarray:
    """Of every pixel, [B, H, W]."""
    return -np.log(np.take_along_axis(softmax(logits), labels[..., None].astype(int), -1)[..., 0])


def soft_dice(labels: np.ndarray, probability: np.ndarray) -> float:
    """The mean over the muscles of 2 |overlap| / (|a| + |b|), with 1 added above and below."""
    values = []
    for class_id in range(1, K):
        truth = labels == class_id
        overlap = probability[truth, class_id].sum()
        size = probability[..., class_id].sum() + truth.sum()
        values.append((2 * overlap + 1) / (size + 1))
    return float(np.mean(values))


def loss_of(**options: Any) -> float:
    return float(SegmentationLoss(**options)(LABELS, LOGITS))


def test_cross_entropy() -> None:
    assert loss_of() == pytest.approx(cross_entropy().mean(), rel=1e-6)
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss_of() == pytest.approx(float(reference(LABELS, LOGITS)), rel=1e-6)


def test_ignored_background_is_keras_ignore_class() -> None:
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    expected = float(reference(LABELS.astype("int32"), LOGITS))
    assert loss_of(ignore_background=True) == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(cross_entropy()[LABELS > 0].mean(), rel=1e-6)


def test_class_weights_divide_by_their_sum_as_in_pytorch() -> None:
    """torch.nn.CrossEntropyLoss(weight=w): sum of w[y] * ce over sum of w[y]."""
    weights = np.array([1.0, 3.0, 7.0, 10.0])
    by_pixel = weights[LABELS]
    expected = (by_pixel * cross_entropy()).sum() / by_pixel.sum()
    assert loss_of(class_weights=list(weights)) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(cross_entropy().mean(), rel=0.01)
    by_pixel = np.where(LABELS == 0, 0.0, by_pixel)
    both = loss_of(class_weights=list(weights), ignore_background=True)
    assert both == pytest.approx((by_pixel * cross_entropy()).sum() / by_pixel.sum(), rel=1e-6)


def test_scale_of_the_class_weights_does_not_matter() -> None:
    assert loss_of(class_weights=[0.01] * K) == pytest.approx(cross_entropy().mean(), rel=1e-6)


def test_focal() -> None:
    """Lin et al. 2017, equation 4 with gamma 2: (1 - p)^2 * -log p."""
    p = np.take_along_axis(softmax(LOGITS), LABELS[..., None].astype(int), -1)[..., 0]
    expected = ((1 - p) ** 2 * -np.log(p)).mean()
    assert loss_of(kind="focal") == pytest.approx(expected, rel=1e-5)


def test_dice() -> None:
    dice = soft_dice(LABELS, softmax(LOGITS))
    expected = cross_entropy().mean() + 1 - dice
    assert loss_of(kind="cross_entropy_dice") == pytest.approx(expected, rel=1e-6)


def test_dice_without_background_pixels() -> None:
    muscles = LABELS > 0
    dice = soft_dice(LABELS[muscles], softmax(LOGITS)[muscles])
    expected = cross_entropy()[muscles].mean() + 1 - dice
    loss = loss_of(kind="cross_entropy_dice", ignore_background=True)
    assert loss == pytest.approx(expected, rel=1e-6)


def test_perfect_and_empty_masks_have_no_dice_loss() -> None:
    for labels in (LABELS, LABELS * 0):
        logits = 50 * np.eye(K, dtype=np.float32)[labels]
        loss = SegmentationLoss("cross_entropy_dice")(labels, logits)
        assert float(loss) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
def test_everything_ignored_is_zero(kind: str) -> None:
    assert float(SegmentationLoss(kind, ignore_background=True)(LABELS * 0, LOGITS)) == 0.0


@pytest.mark.parametrize("kind", ["cross_entropy", "cross_entropy_dice", "focal"])
def test_gradient_stays_finite_at_extreme_logits(kind: str) -> None:
    import tensorflow as tf

    logits = tf.constant(100 * LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = SegmentationLoss(kind, [1.0, 2.0, 3.0, 4.0])(LABELS, logits)
    gradient = tape.gradient(loss, logits)
    assert np.isfinite(float(loss))
    assert np.isfinite(gradient.numpy()).all()


def test_serialization_round_trip() -> None:
    loss = SegmentationLoss("focal", (1, 2.5, 3, 4), ignore_background=True)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert copy.get_config() == loss.get_config()
    assert loss.get_config()["name"] == "segmentation_loss"
    assert SegmentationLoss(reduction="sum").get_config()["reduction"] == "sum"
    assert float(copy(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="hinge"):
        SegmentationLoss("hinge")


def test_balanced_class_weights() -> None:
    counts = np.array([9600, 200, 1200, 0, 19200])
    # 9600/200 = 48 is capped, 9600/1200 = 8; what is absent or commoner than background counts 1.
    assert balanced_class_weights(counts, 10.0) == [1.0, 10.0, 8.0, 1.0, 1.0]
    assert balanced_class_weights(counts, 100.0) == [1.0, 48.0, 8.0, 1.0, 1.0]
    assert balanced_class_weights(counts, 1.0) == [1.0] * 5
    assert balanced_class_weights(np.array([0, 5]), 10.0) == [1.0, 1.0]
    assert balanced_class_weights(np.array([100, 1]), 1000.0) == [1.0, 100.0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "focal"},
        {"kind": "cross_entropy_dice"},
        {"kind": "cross_entropy_dice", "class_weights": [1.0, 3.0, 7.0, 10.0]},
        {"kind": "cross_entropy_dice", "ignore_background": True},
    ],
)
def test_void_pixels_count_as_if_they_were_not_there(options: dict[str, Any]) -> None:
    """The last two rows are void: the loss is that of the rows above them."""
    labels = LABELS.copy()
    labels[:, 4:] = 255
    loss = SegmentationLoss(**options)
    expected = float(loss(LABELS[:, :4], LOGITS[:, :4]))
    assert float(loss(labels, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_a_batch_of_void_pixels_has_no_loss_and_no_gradient() -> None:
    import tensorflow as tf

    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = SegmentationLoss("cross_entropy_dice")(np.full_like(LABELS, 255), logits)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros_like(LOGITS))
