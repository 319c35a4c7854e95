"""A student that learns a teacher's probabilities."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import entropy

from tf_muscle.model.compiled import AugmentingModel
from tf_muscle.model.distilling import DistillingModel
from tf_muscle.model.losses import DistillationLoss, SegmentationLoss

K = 3
RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.integers(0, 256, (8, 6, 6, 3), np.uint8)
MASKS = RANDOM.integers(0, K, (8, 6, 6)).astype(np.uint8)
COLOURS = RANDOM.normal(0, 0.02, (3, K)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(-1, keepdims=True))


def teacher(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(tf.cast(images, tf.float32) @ COLOURS)


def student(kind: type[DistillingModel] = DistillingModel) -> DistillingModel:
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 128, dtype="float32")(images)
    model = kind(images, keras.layers.Conv2D(K, 1)(scaled))
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss=SegmentationLoss())
    return model


def divergence(model: keras.Model, images: np.ndarray) -> float:
    """Of the teacher from the model, the mean over the pixels; scipy's formula."""
    said = softmax(np.asarray(model(images), np.float64))
    return float(np.mean(entropy(np.asarray(teacher(images), np.float64), said, axis=-1)))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_loss_is_scipys_divergence(temperature: float) -> None:
    said, taught = RANDOM.normal(0, 2, (2, 2, 5, 4, K)).astype(np.float32)
    softened = (softmax(one / temperature) for one in (taught, said))
    expected = 3.0 * temperature**2 * np.mean(entropy(*softened, axis=-1))
    loss = DistillationLoss(temperature, weight=3.0)
    assert float(loss(softmax(taught), said)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(softmax(said), said)) == pytest.approx(0.0, abs=1e-5)


def test_pixels_of_no_probability_do_not_count() -> None:
    said, taught = RANDOM.normal(0, 2, (2, 1, 4, 4, K)).astype(np.float32)
    probabilities = softmax(taught)
    top = float(DistillationLoss()(probabilities[:, :2], said[:, :2]))
    probabilities[:, 2:] = 0
    assert float(DistillationLoss()(probabilities, said)) == pytest.approx(top, rel=1e-5)
    assert float(DistillationLoss()(0 * probabilities, said)) == 0.0
    # A class that the teacher rules out: p log p is 0, and nothing becomes NaN.
    sure = np.eye(K, dtype=np.float32)[np.zeros((1, 4, 4), int)]
    expected = -np.log(softmax(said)[..., 0]).mean()
    assert float(DistillationLoss()(sure, said)) == pytest.approx(expected, rel=1e-4)


def test_the_student_comes_nearer_to_its_teacher() -> None:
    """The masks are noise, so that whoever learns from them alone stays where it is."""
    alone, taught = student(), student()
    taught.teacher, taught.distillation = teacher, DistillationLoss(2.0, 2.0)
    before = divergence(taught, PHOTOS)
    steps = tf.data.Dataset.from_tensors((PHOTOS, MASKS)).repeat(60)  # an epoch has its own cost
    for model in (alone, taught):
        model.fit(steps, shuffle=False, verbose=0)  # Keras warns otherwise
    assert divergence(taught, PHOTOS) < 0.3 * before
    assert divergence(taught, PHOTOS) < 0.5 * divergence(alone, PHOTOS)


def test_the_training_loss_is_the_sum_and_validation_has_the_masks_alone() -> None:
    model = student()
    expected = float(SegmentationLoss()(MASKS, model(PHOTOS)))
    assert model.evaluate(PHOTOS, MASKS, verbose=0) == pytest.approx(expected, rel=1e-5)
    model.teacher, model.distillation = teacher, DistillationLoss(1.0, 0.5)
    assert model.evaluate(PHOTOS, MASKS, verbose=0) == pytest.approx(expected, rel=1e-5)
    void = MASKS.copy()
    void[:, :3] = 255
    shown = float(SegmentationLoss()(void, model(PHOTOS))) + 0.5 * divergence(model, PHOTOS[:, 3:])
    history = model.fit(PHOTOS, void, batch_size=8, verbose=0).history
    assert history["loss"][0] == pytest.approx(shown, rel=1e-4)


def test_a_teacher_that_is_a_network_is_none_of_the_students_own() -> None:
    model = student()
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(K, 1)])
    before = network.get_weights()
    names = [variable.path for variable in model.variables]
    model.teacher = lambda images: tf.nn.softmax(network(tf.cast(images, tf.float32) / 255))
    model.fit(PHOTOS, MASKS, verbose=0)
    assert [variable.path for variable in model.variables] == names
    for weights, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, now)


def test_the_teacher_sees_the_augmented_photo() -> None:
    seen = []
    model = student(AugmentingModel)
    assert isinstance(model, AugmentingModel)
    model.augment = lambda images, masks, number: (255 - images, masks)

    def watching(images: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda pixels: seen.append(pixels.numpy()), [images], [])
        return teacher(images)

    model.teacher = watching
    model.fit(PHOTOS, MASKS, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(seen[0], 255 - PHOTOS)
