"""The network with its loss, optimizer and scores, ready for `fit`."""

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_muscle.config import Config
from tf_muscle.data.augment import without_baked
from tf_muscle.data.augment_tensorflow import TensorFlowAugmenter
from tf_muscle.data.dataset import Data
from tf_muscle.encoders import preset_of
from tf_muscle.errors import UserError
from tf_muscle.model.distilling import DistillingModel, Teach
from tf_muscle.model.encoder_weights import WITHOUT_NETWORK, load_encoder_weights
from tf_muscle.model.hub_encoder import is_plain, read_preset
from tf_muscle.model.keras_metrics import SegmentationScores
from tf_muscle.model.losses import DistillationLoss, SegmentationLoss, balanced_class_weights
from tf_muscle.model.optimizers import optimizer
from tf_muscle.model.unet import CORE, build_unet, set_prior_bias
from tf_muscle.runs.encoder import HubEncoder
from tf_muscle.runs.environment import EncoderStart


def compiled_model(
    config: Config,
    data: Data,
    precision: str,
    steps_per_epoch: int,
    teacher: Teach | None = None,
    encoder: str | HubEncoder | None = None,
) -> tuple[keras.Model, EncoderStart]:
    """Builds the model with its loss, optimizer and scores.

    Args:
        config: every option.
        data: the loaded export; its pixel counts, int64 [K], weigh the classes.
        precision: "float32", "bfloat16" or "float16".
        steps_per_epoch: for the learning rate's schedule.
        teacher: whose probabilities the model learns beside the masks.
        encoder: as `build_unet` takes it, of a run that has it already, so that its preset need
            not be there any more; by default that of `encoder_asked_for`.

    Returns:
        The model, and what its encoder really starts from.

    Raises:
        UserError: the encoder or its weights cannot be had.
    """
    choice = config.optimization
    encoder = encoder or encoder_asked_for(config)
    model = build_unet(
        len(data.class_names),
        None if config.augment.crop else config.data.image_size,
        encoder=encoder,
        decoder=config.model.decoder,
        decoder_filters=config.model.decoder_filters,
        head_kernel=config.model.head_kernel,
        precision=precision,
    )
    if config.augment.augment_backend == "tensorflow":
        recipe, _ = without_baked(config.augment, data.info.baked_augmentation)
        model = AugmentingModel(model.input, model.output)
        model.augment = TensorFlowAugmenter(recipe, config.run.seed)
    elif teacher:
        model = DistillingModel(model.input, model.output)
    if teacher:
        model.teacher = lambda images: teacher(images)  # Keras would take a layer for its own
        model.distillation = DistillationLoss(choice.distill_temperature, choice.distill_weight)
    core = model.get_layer(CORE)
    encoder_start = load_encoder_weights(core, encoder, config.model.encoder_weights)
    if encoder_start.reason:
        print(
            f"WARNING: the encoder starts from {encoder_start}; to start from ImageNet all the "
            f"same, use {WITHOUT_NETWORK}",
            file=sys.stderr,
        )
    counts = np.array(data.info.pixel_counts["train"])
    if config.model.prior_bias:
        set_prior_bias(core, counts)
    weights = None
    if choice.class_weights == "balanced":
        weights = balanced_class_weights(counts, choice.class_weight_cap)
    model.compile(
        optimizer=optimizer(choice, steps_per_epoch),
        loss=SegmentationLoss(choice.loss, weights, choice.ignore_background),
        metrics=[SegmentationScores(data.class_names)],
    )
    # Else Keras makes the optimizer's variables while it traces the first step, and TensorFlow
    # traces a function that makes variables twice: seconds before every training, fold and trial.
    model.optimizer.build(model.trainable_variables)
    return model, encoder_start


def encoder_asked_for(config: Config) -> str | HubEncoder:
    """The encoder that the options ask for, as `build_unet` takes it.

    Raises:
        UserError: a KerasHub preset cannot be had, or does not go with the other options.
    """
    name = config.model.encoder
    if (preset := preset_of(name)) is None:
        return name
    encoder = read_preset(preset, config.data.image_size)
    if encoder.size and config.augment.crop:
        raise UserError(
            f"--crop {config.augment.crop}: --encoder {name} takes photos of one size only; leave "
            "--crop out"
        )
    if is_plain(encoder) and config.model.decoder != "transpose":
        raise UserError(
            f"--decoder {config.model.decoder}: --encoder {name} is a plain transformer with a "
            "decoder of its own; leave --decoder out, or give transpose"
        )
    return encoder


class AugmentingModel(DistillingModel):
    """A functional model whose training step first augments the batch.

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
