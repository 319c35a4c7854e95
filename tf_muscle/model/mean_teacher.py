"""Learning from photos without masks: a moving average of the model labels them for it.

FixMatch (Sohn et al. 2020, arXiv:2001.07685): what the teacher is sure of on a weakly changed photo
is what the student has to say of the same photo, strongly changed. UniMatch (Yang et al. 2023,
arXiv:2208.09910) shows that this holds for segmentation, with CutMix (Yun et al. 2019) as the
strongest change. The teacher is the mean of the student's weights over its last steps (Tarvainen
and Valpola 2017, Mean teachers are better role models).
"""

import dataclasses
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tf_muscle.model.distilling import DistillingModel
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.unet import CORE
from tf_muscle.roboflow.records import VOID

RAMP_SHARPNESS = 5.0  # exp(-5 (1 - t)^2), Laine and Aila 2017, Temporal Ensembling, section 3.1


@dataclasses.dataclass(frozen=True)
class Guidance:
    """How much a model learns from what its teacher says.

    Attributes:
        weight: of the unlabelled photos' loss, in full.
        ramp_steps: training steps in which the weight grows from nearly 0.
        confidence: probability that a pixel of the surest class needs to count, 0 to 1.
        decay: of the moving averages, 0 to 1.
    """

    weight: float
    ramp_steps: int
    confidence: float
    decay: float


class MeanTeacher(keras.layers.Layer):
    """A network whose weights, batch normalization's too, are a moving average of another's.

    A checkpoint of the model that holds it has both averages.

    Args:
        network: of its own, from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        guidance: with `confidence` and `decay`.

    Attributes:
        sureness: float32 [K], the moving average of the probability of the pixels that the teacher
            gives to a class.
    """

    def __init__(self, network: keras.Model, guidance: Guidance) -> None:
        super().__init__(name="mean_teacher", dtype="float32", trainable=False)
        self.network = network
        self.network.trainable = False
        self.guidance = guidance
        self.sureness = self.add_weight(
            shape=(network.output_shape[-1],), initializer="ones", name="sureness", trainable=False
        )
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Probabilities, float32 [B, H, W, K]."""
        return ops.softmax(self.network(images, training=False))

    def thresholds(self) -> tf.Tensor:
        """The probability that a pixel of each class needs to count, float32 [K].

        A small muscle is never as sure as the background. As in FreeMatch (Wang et al. 2023,
        arXiv:2205.07246), the threshold of a class is lowered by how sure the teacher is of it, in
        relation to the surest class. FreeMatch measures that by the mean probability of a class
        over all photos. Over pixels this is little more than the share of the photo that a muscle
        fills, so that every pixel of it would pass; here it is the mean over the pixels that the
        class gets.
        """
        return self.guidance.confidence * self.sureness / ops.max(self.sureness)

    def label(self, probabilities: tf.Tensor, counted: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The masks that the student is to learn; measures how sure the teacher is.

        Args:
            probabilities: float32 [B, H, W, K].
            counted: bool [B, H, W], False around a photo.
            step: training steps so far.

        Returns:
            Class ids, int32 [B, H, W], `VOID` where the teacher is not sure enough.
        """
        confidence, class_ids = ops.max(probabilities, -1), ops.argmax(probabilities, -1)
        chosen = ops.one_hot(class_ids, probabilities.shape[-1])
        chosen = ops.where(ops.expand_dims(counted, -1), chosen, 0.0)
        pixels = ops.sum(chosen, axis=(0, 1, 2))  # [K]
        mean = ops.sum(chosen * ops.expand_dims(confidence, -1), axis=(0, 1, 2))
        mean = ops.where(pixels > 0, mean / ops.maximum(pixels, 1.0), self.sureness)
        decay = self.decay(step)
        self.sureness.assign(decay * self.sureness + (1 - decay) * mean)
        sure = confidence >= ops.take(self.thresholds(), class_ids)
        return ops.where(ops.logical_and(sure, counted), ops.cast(class_ids, "int32"), VOID)

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """Of the step: a mean of all steps at first, so that the start is soon forgotten."""
        return ops.minimum(1 - 1 / (ops.cast(step, "float32") + 1), self.guidance.decay)

    def follow(self, student: keras.Model, step: tf.Tensor) -> None:
        """Moves the averages by one step.

        Args:
            student: the network proper, layer `CORE`, of the teacher's own architecture.
            step: training steps before this one.
        """
        decay = self.decay(step)
        for mean, now in zip(self.network.get_layer(CORE).weights, student.weights, strict=True):
            mean.assign(decay * mean + (1 - decay) * now)


class SemiSupervisedModel(DistillingModel):
    """A functional model that also learns what its moving average says of unlabelled photos.

    A batch is a tuple of images uint8 [B, S, S, 3], masks uint8 [B, S, S] and `Views` of unlabelled
    photos. Validation and prediction are those of any model.
    """

    mean_teacher: MeanTeacher
    # Without the weights of the classes: these mark more than they are sure of, which would grow
    # from step to step if the marks were weighted again.
    unlabeled_loss = SegmentationLoss("cross_entropy")

    def train_step(self, data: tuple[Any, ...]) -> dict[str, Any]:
        images, masks, views = keras.utils.unpack_x_y_sample_weight(data)
        weak, strong, surroundings, boxes = views
        step = self.optimizer.iterations + 0
        labels = self.mean_teacher.label(self.mean_teacher(weak), surroundings != VOID, step)
        labels, strong = cut_mix(labels, boxes), cut_mix(strong, boxes)
        # In one batch, so that batch normalization sees both kinds of photos.
        scores = super().train_step((ops.concatenate([images, strong]), (masks, labels)))
        self.mean_teacher.follow(self.get_layer(CORE), step)
        return scores

    def compute_loss(
        self,
        x: tf.Tensor = None,
        y: Any = None,
        y_pred: tf.Tensor = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        if not isinstance(y, tuple):
            return super().compute_loss(x, y, y_pred, None, training)
        masks, labels = y
        count = ops.shape(masks)[0]
        loss = super().compute_loss(x[:count], masks, y_pred[:count], None, training)
        return loss + self.unlabeled_weight() * self.unlabeled_loss(labels, y_pred[count:])

    def unlabeled_weight(self) -> tf.Tensor:
        """Of the step: grows during the ramp, since the first labels are mostly wrong."""
        guidance = self.mean_teacher.guidance
        steps = ops.cast(self.optimizer.iterations, "float32")
        done = ops.minimum(steps / guidance.ramp_steps, 1.0) if guidance.ramp_steps else 1.0
        return guidance.weight * ops.exp(-RAMP_SHARPNESS * (1 - done) ** 2)

    def compute_metrics(
        self, x: tf.Tensor, y: Any, y_pred: tf.Tensor, sample_weight: Any = None
    ) -> dict[str, Any]:
        if isinstance(y, tuple):
            y, _ = y
            y_pred = y_pred[: ops.shape(y)[0]]
        return super().compute_metrics(x, y, y_pred)


def cut_mix(pixels: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Pastes into each photo, or mask, a box of the one before it in the batch.

    Args:
        pixels: [B, H, W] or [B, H, W, C].
        boxes: bool [B, H, W], True inside the box.
    """
    inside = boxes[..., tf.newaxis] if len(pixels.shape) == 4 else boxes
    return ops.where(inside, ops.roll(pixels, 1, axis=0), pixels)
