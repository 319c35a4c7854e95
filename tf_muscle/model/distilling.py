"""A model that learns what another one says of its photos."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_muscle.model.losses import DistillationLoss
from tf_muscle.roboflow.records import VOID

Teach = Callable[[tf.Tensor], tf.Tensor]  # photos uint8 [B, H, W, 3] -> float32 [B, H, W, K]


class DistillingModel(keras.Model):
    """A functional model that learns a teacher's probabilities beside the masks.

    The teacher sees each batch as the model sees it. Validation has the masks alone.
    """

    teacher: Teach | None = None
    distillation = DistillationLoss()

    def compute_loss(
        self,
        x: tf.Tensor = None,
        y: tf.Tensor = None,
        y_pred: tf.Tensor = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.teacher is None or not training:
            return loss
        counted = tf.cast(y != VOID, tf.float32)[..., tf.newaxis]
        probabilities = tf.stop_gradient(self.teacher(x)) * counted
        return loss + self.distillation(probabilities, y_pred)
