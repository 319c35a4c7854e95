"""Optimizers and learning rate schedules of the options."""

import keras
import tensorflow as tf

from tf_muscle.options import OptimizationConfig

# one_cycle starts at a 25th of its highest rate (Smith and Topin 2018; fastai's and PyTorch's 25).
WARMUP_DIVISOR = 25.0
# Decay shrinks kernels only, as fastai and timm do: biases and batch normalization set levels, and
# so do a transformer's position embeddings, tokens and factors of its branches.
NOT_DECAYED = [
    *("bias", "beta", "gamma"),
    *("lambda1", "cls_token", "register_tokens", "position_embeddings"),
]


@keras.saving.register_keras_serializable(package="tf_muscle")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` (without amsgrad) as TensorFlow's one kernel for each variable.

    Keras composes the same arithmetic of a dozen operations, each of which reads and writes the
    whole variable: 0.09 s a step for the ResNet34 U-Net on two cores, against 0.06 s. The state is
    the parent's, so that either goes on with the other's checkpoint.
    """

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


@keras.saving.register_keras_serializable(package="tf_muscle")
class FusedAdamW(FusedAdam, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` (without amsgrad) likewise."""


def learning_rate_schedule(
    config: OptimizationConfig, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate as a function of the optimizer's step, which a checkpoint carries.

    "step" is PyTorch's StepLR: learning_rate * gamma ** (epoch // step_epochs).
    """
    rate = config.learning_rate
    if config.schedule == "step":
        return keras.optimizers.schedules.ExponentialDecay(
            rate, config.step_epochs * steps_per_epoch, config.gamma, staircase=True
        )
    if config.schedule == "one_cycle":
        steps = config.epochs * steps_per_epoch
        warmup = int(config.warmup * steps)
        return keras.optimizers.schedules.CosineDecay(
            rate / WARMUP_DIVISOR,
            decay_steps=max(steps - warmup, 1),
            warmup_target=rate,
            warmup_steps=warmup,
        )
    return keras.optimizers.schedules.ExponentialDecay(rate, steps_per_epoch, 1.0)


def optimizer(config: OptimizationConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer with its schedule.

    Adam's epsilon is PyTorch's 1e-8 (Keras has 1e-7), since the report trained with PyTorch.
    """
    schedule = learning_rate_schedule(config, steps_per_epoch)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=config.momentum)
    betas = {"beta_1": config.beta_1, "beta_2": config.beta_2, "epsilon": 1e-8}
    if config.optimizer == "adam":
        return FusedAdam(schedule, **betas)
    adamw = FusedAdamW(schedule, weight_decay=config.weight_decay, **betas)
    adamw.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return adamw
