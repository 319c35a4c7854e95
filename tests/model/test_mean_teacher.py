"""A model that also learns what the moving average of its weights says of unlabelled photos."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.mean_teacher import Guidance, MeanTeacher, SemiSupervisedModel, cut_mix
from tf_muscle.model.unet import CORE

K = 3
VOID = 255
RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.integers(0, 256, (4, 6, 6, 3), np.uint8)
MASKS = RANDOM.integers(0, K, (4, 6, 6)).astype(np.uint8)
WEAK, STRONG = RANDOM.integers(0, 256, (2, 3, 6, 6, 3)).astype(np.uint8)
AROUND = np.zeros((3, 6, 6), np.uint8)
AROUND[:, :2] = VOID
BOXES = np.zeros((3, 6, 6), bool)
BOXES[1, 2:5, 1:4] = True
VIEWS = (WEAK, STRONG, AROUND, BOXES)


def network() -> tuple[keras.KerasTensor, keras.KerasTensor]:
    images = keras.Input((6, 6, 3), dtype="uint8")
    features = keras.Input((6, 6, 3))
    normalized = keras.layers.BatchNormalization(momentum=0.5)(features)
    core = keras.Model(features, keras.layers.Conv2D(K, 1)(normalized), name=CORE)
    scaled = keras.layers.Rescaling(1 / 64, dtype="float32")(images)
    return images, core(scaled)


def model(weight: float = 1.0, ramp: int = 0, confidence: float = 0.9) -> SemiSupervisedModel:
    keras.utils.set_random_seed(0)
    made = SemiSupervisedModel(*network())
    teacher = keras.Model(*network())
    teacher.set_weights(made.get_weights())
    made.mean_teacher = MeanTeacher(teacher, Guidance(weight, ramp, confidence, decay=0.75))
    made.compile(keras.optimizers.SGD(0.1), SegmentationLoss())
    return made


def softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(-1, keepdims=True))


def cross_entropy(logits: np.ndarray, masks: np.ndarray) -> float:
    """Mean over the pixels that are not VOID; 0 if there are none."""
    counted = masks != VOID
    if not counted.any():
        return 0.0
    chosen = np.take_along_axis(
        softmax(logits.astype(np.float64)), np.where(counted, masks, 0)[..., None], -1
    )
    return float(-np.log(chosen[..., 0][counted]).mean())


def teacher_of(confidence: float, decay: float = 0.75) -> MeanTeacher:
    return MeanTeacher(keras.Model(*network()), Guidance(1.0, 0, confidence, decay))


def test_thresholds_and_labels_by_hand() -> None:
    """Two pixels of class 0 (0.9 and 0.7), one of class 1 (0.5); none of class 2; one around."""
    teacher = teacher_of(0.8)
    said = np.array([[[0.9, 0.1, 0], [0.7, 0.3, 0], [0.3, 0.5, 0.2], [0, 0, 1.0]]], np.float32)
    counted = np.array([[True, True, True, False]])
    # Step 0 forgets the start: class 0 is sure by 0.8, class 1 by 0.5, class 2 was never seen.
    labels = teacher.label(said[None], counted[None], tf.constant(0))
    np.testing.assert_allclose(teacher.sureness, [0.8, 0.5, 1.0], rtol=1e-6)
    # Thresholds 0.8 x (0.8, 0.5, 1) / 1: all three pass.
    np.testing.assert_allclose(teacher.thresholds(), [0.64, 0.4, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(labels, [[[0, 0, 1, VOID]]])
    # Step 1 has the decay 1 - 1/2: class 1 is now at 0.5 x 0.5 + 0.5 x 0.9.
    said = np.array([[[0.1, 0.9, 0], [0.6, 0.4, 0], [0.5, 0.3, 0.2], [1.0, 0, 0]]], np.float32)
    labels = teacher.label(said[None], counted[None], tf.constant(1))
    np.testing.assert_allclose(teacher.sureness, [0.5 * 0.8 + 0.5 * 0.55, 0.7, 1.0], rtol=1e-6)
    # 0.8 x 0.675 = 0.54 for class 0: 0.6 passes, 0.5 does not.
    np.testing.assert_array_equal(labels, [[[1, 0, VOID, VOID]]])


def test_averages_are_those_by_hand() -> None:
    """The decay is 0, 1/2, 2/3 and then 0.75; moving statistics are averaged like kernels."""
    teacher = teacher_of(0.9)
    student = keras.Model(*network()).get_layer(CORE)
    expected = [np.zeros(variable.shape) for variable in student.weights]
    for step, decay in enumerate((0.0, 1 / 2, 2 / 3, 0.75, 0.75)):
        now = [RANDOM.normal(size=variable.shape) for variable in student.weights]
        student.set_weights(now)
        teacher.follow(student, tf.constant(step))
        expected = [
            decay * mean + (1 - decay) * one for mean, one in zip(expected, now, strict=True)
        ]
        for mean, ours in zip(expected, teacher.network.get_weights(), strict=True):
            np.testing.assert_allclose(ours, mean, rtol=1e-4, atol=1e-6)
    assert any("moving_mean" in variable.path for variable in teacher.network.weights)


def test_cut_mix_takes_the_box_from_the_photo_before() -> None:
    expected = STRONG.copy()
    expected[1, 2:5, 1:4] = STRONG[0, 2:5, 1:4]
    np.testing.assert_array_equal(cut_mix(tf.constant(STRONG), BOXES), expected)
    boxes = np.roll(BOXES, -1, axis=0)  # the first photo has the box, and the last before it
    expected = MASKS[:3].copy()
    expected[0, 2:5, 1:4] = MASKS[2, 2:5, 1:4]
    np.testing.assert_array_equal(cut_mix(tf.constant(MASKS[:3]), boxes), expected)


def test_a_step_is_that_of_numpy() -> None:
    """The loss, and where the teacher stands after it."""
    ours = model(weight=0.5)
    core = ours.get_layer(CORE)
    kernel, bias = (
        np.asarray(core.layers[-1].kernel)[0, 0].astype(np.float64),
        np.asarray(core.layers[-1].bias).astype(np.float64),
    )
    said = softmax(WEAK / 64 / np.sqrt(1 + 1e-3) @ kernel + bias)  # the statistics at the start
    confidence, classes = said.max(-1), said.argmax(-1)
    counted = AROUND != VOID
    chosen = [confidence[counted & (classes == k)] for k in range(K)]
    sureness = np.array([one.mean() if one.size else 1.0 for one in chosen])
    thresholds = 0.9 * sureness / sureness.max()
    labels = np.where(counted & (confidence >= thresholds[classes]), classes, VOID)
    assert 0 < (labels != VOID).sum() < counted.sum()
    labels[1, 2:5, 1:4], strong = labels[0, 2:5, 1:4], STRONG.copy()
    strong[1, 2:5, 1:4] = STRONG[0, 2:5, 1:4]
    seen = np.concatenate([PHOTOS, strong]) / 64
    mean, variance = seen.mean((0, 1, 2)), seen.var((0, 1, 2))
    logits = (seen - mean) / np.sqrt(variance + 1e-3) @ kernel + bias
    expected = cross_entropy(logits[:4], MASKS) + 0.5 * cross_entropy(logits[4:], labels)

    history = ours.fit(dataset(), epochs=1, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-3)
    # The first step's average is the student itself, trained and with its new statistics.
    for mine, teachers in zip(
        core.get_weights(), ours.mean_teacher.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mine, teachers, rtol=1e-6)
    np.testing.assert_allclose(ours.mean_teacher.sureness, sureness, rtol=1e-3)


def dataset() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((PHOTOS, MASKS, VIEWS))


def test_weight_grows_in_the_ramp() -> None:
    ours = model(weight=2.0, ramp=10)
    weights = []
    for step in (0, 5, 10, 50):
        ours.optimizer.iterations.assign(step)
        weights.append(float(ours.unlabeled_weight()))
    assert weights == pytest.approx([2 * np.exp(-5), 2 * np.exp(-1.25), 2, 2], rel=1e-5)


def test_validation_has_the_masks_alone() -> None:
    ours = model()
    expected = cross_entropy(np.asarray(ours(PHOTOS)), MASKS)
    assert ours.evaluate(PHOTOS, MASKS, verbose=0) == pytest.approx(expected, rel=1e-4)
    history = ours.fit(dataset(), validation_data=(PHOTOS, MASKS), shuffle=False, verbose=0).history
    expected = cross_entropy(np.asarray(ours(PHOTOS)), MASKS)
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_a_checkpoint_has_the_teacher(tmp_path: Path) -> None:
    ours, other = model(), model()
    for _ in range(3):
        ours.fit(dataset(), shuffle=False, verbose=0)
    ours.save_weights(tmp_path / "state.weights.h5")
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "state.weights.h5")
    for mine, its in zip(ours.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert len(ours.get_weights()) == 2 * len(ours.get_layer(CORE).get_weights()) + 1
    assert len(ours.trainable_variables) == 4  # the optimizer has none of the teacher's
    ours.fit(dataset(), shuffle=False, verbose=0)
    other.fit(dataset(), shuffle=False, verbose=0)
    for mine, its in zip(ours.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
