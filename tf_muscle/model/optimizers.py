"""Optimizers and learning rate schedules of the options."""

import keras

from tf_muscle.config import OptimizationConfig

# one_cycle starts at a 25th of its highest rate (Smith and Topin 2018; fastai's and PyTorch's 25).
WARMUP_DIVISOR = 25.0


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
        return keras.optimizers.Adam(schedule, **betas)
    adamw = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, **betas)
    # Decay shrinks kernels only, as fastai and timm do: biases and batch normalization set levels.
    adamw.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return adamw
