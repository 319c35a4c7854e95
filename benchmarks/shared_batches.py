"""A network of which two processes train half a batch each, as `benchmarks.two_processes` tries it.

Nothing of Keras is replaced: a layer, a model and an optimizer override what it documents. Only
TensorFlow's collective operations are needed, which MultiWorkerMirroredStrategy joins the processes
for; the network is built outside of its scope, and Keras knows of one process.
"""

import functools
import itertools
import json
import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_muscle.model.optimizers import NOT_DECAYED

PROCESSES = 2
RANK = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {}).get("index", 0)
KEYS = itertools.count(1)  # all processes trace the same operations in the same order


@functools.cache
def join() -> None:
    """Joins the processes, before the first operation; the strategy does no more here."""
    tf.distribute.MultiWorkerMirroredStrategy()


def total(values: tf.Tensor) -> tf.Tensor:
    """The sum over the processes, of any shape; it has no gradient."""
    return tf.raw_ops.CollectiveReduceV2(
        input=values,
        group_size=PROCESSES,
        group_key=1,
        instance_key=next(KEYS),
        ordering_token=[],
        merge_op="Add",
        final_op="Id",
    )


def stacked(values: tf.Tensor) -> tf.Tensor:
    """[...] of each process -> [PROCESSES, ...]; it has no gradient."""
    return total(tf.stack([values if i == RANK else 0 * values for i in range(PROCESSES)]))


@tf.custom_gradient
def of_all(values: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """As `stacked`; what any process does with the result has a part in the gradient."""
    return stacked(values), lambda gradient: total(gradient)[RANK]


@tf.custom_gradient
def whole(values: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """[B, ...] of each -> the whole batch, for a loss that all compute: it has one gradient."""
    batch = tf.concat(tf.unstack(stacked(values)), 0)
    return batch, lambda gradient: tf.split(gradient, PROCESSES)[RANK]


@keras.saving.register_keras_serializable(package="benchmarks")
class SharedBatchNormalization(keras.layers.BatchNormalization):
    """Normalizes by the mean and the variance of the whole batch, of which each has as much."""

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        if not training:
            return super().call(inputs, training=False)
        means, variances = tf.unstack(of_all(tf.stack(tf.nn.moments(inputs, (0, 1, 2)))), axis=1)
        mean = tf.reduce_mean(means, 0)
        variance = tf.reduce_mean(variances + (means - mean) ** 2, 0)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * new)
        return tf.nn.batch_normalization(
            inputs, mean, variance, self.beta, self.gamma, self.epsilon
        )


class SharedModel(keras.Model):
    """A functional model with the loss of the whole batch's logits.

    It is no mean of the parts' losses: Dice and the weighted mean divide by sums over the batch.
    """

    def compute_loss(
        self,
        x: Any,
        y: tf.Tensor,
        y_pred: tf.Tensor,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        masks, logits = whole(tf.cast(y, tf.int32)), whole(y_pred)
        return super().compute_loss(x, masks, logits, sample_weight, training)


def summing(optimizer: keras.optimizers.Optimizer, factor: float) -> keras.optimizers.Optimizer:
    """The same optimizer for the sum of all processes' gradients, times a factor."""

    class Summing(type(optimizer)):  # type: ignore[misc]
        def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Any = None) -> None:
            flat = factor * total(tf.concat([tf.reshape(one, [-1]) for one in grads], 0))
            parts = tf.split(flat, [one.shape.num_elements() for one in grads])
            sums = [tf.reshape(part, one.shape) for part, one in zip(parts, grads, strict=True)]
            super().apply(sums, trainable_variables)

    made = Summing.from_config(optimizer.get_config())
    if made.weight_decay:  # its configuration does not have what it leaves out
        made.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return made


def copy_of(model: keras.Model, norm: type[keras.layers.Layer] | None) -> keras.Model:
    """The same network and weights, with another batch normalization."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        is_other = norm and isinstance(layer, keras.layers.BatchNormalization)
        return (norm if is_other else type(layer)).from_config(layer.get_config())

    copied = keras.models.clone_model(model, clone_function=copy, recursive=True)
    copied.set_weights(model.get_weights())
    return copied
