"""A model that augments its training batches itself, on the device that trains it."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class AugmentingModel(keras.Model):
    """A functional model whose training step first changes the batch.

    For `--augment_backend tensorflow`: the pixels go to the GPU unchanged, and the processor is
    free to read. Validation and prediction are those of any model.
    """

    # (images, masks, number of the batch) -> (images, masks)
    augment: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        images, masks, _ = keras.utils.unpack_x_y_sample_weight(data)
        replica = tf.distribute.get_replica_context()
        # Each of several GPUs has a part of the batch, and draws of its own for it. The optimizer's
        # step is in the checkpoint, so that a resumed run goes on with the draws that it left.
        step = tf.cast(self.optimizer.iterations.value, tf.int32)
        number = step * replica.num_replicas_in_sync + replica.replica_id_in_sync_group
        return super().train_step(self.augment(images, masks, number))
