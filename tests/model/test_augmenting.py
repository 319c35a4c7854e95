import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.model.compiled import AugmentingModel


def doubling(images: tf.Tensor, masks: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return 2.0 * images, masks + tf.cast(number, masks.dtype)


@pytest.fixture
def model() -> AugmentingModel:
    """y = w x with w = 1, trained by plain gradient descent on the squared error."""
    image = keras.Input((1,))
    plain = keras.Model(
        image, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(image)
    )
    model = AugmentingModel(plain.input, plain.output)
    model.augment = doubling
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def test_training_sees_the_augmented_batch(model: AugmentingModel) -> None:
    x, y = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    weight = 1.0
    for number in range(3):
        model.train_on_batch(x, y)
        # Of (2 w - number)^2: the first step has number 0, as the optimizer counts.
        weight -= 0.1 * 2 * (2 * weight - number) * 2
        assert float(model.weights[0][0, 0]) == pytest.approx(weight, rel=1e-5)


def test_evaluation_does_not(model: AugmentingModel) -> None:
    assert model.evaluate(np.ones((2, 1)), np.zeros((2, 1)), verbose=0) == pytest.approx(1.0)
    assert float(model.predict(np.ones((1, 1)), verbose=0)[0, 0]) == pytest.approx(1.0)
