"""The losses that `--loss` names, all from float32 logits and class ids."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from tf_muscle.roboflow.records import VOID

FOCAL_GAMMA = 2.0  # Lin et al. 2017, Focal Loss for Dense Object Detection, section 5.1
# nnU-Net (Isensee et al. 2021) smooths its Dice by 1e-5 on sums over a batch; on the 0-20 pixels a
# small muscle has here, 1 keeps the gradient of an absent class finite.
DICE_SMOOTH = 1.0


def balanced_class_weights(pixel_counts: np.ndarray, cap: float) -> list[float]:
    """Inverse class frequency, relative to the background's and at most `cap`.

    Args:
        pixel_counts: int64 [K], pixels of each class in the training split.
        cap: largest weight; without one, 2 percent foreground asks for 50 and floods the masks.

    Returns:
        K floats in 1..cap; 1.0 for the background and for a class without a pixel.
    """
    ratios = pixel_counts[0] / np.maximum(pixel_counts, 1)
    weights = np.where(pixel_counts > 0, np.clip(ratios, 1.0, cap), 1.0)
    weights[0] = 1.0
    return [float(weight) for weight in weights]


@keras.saving.register_keras_serializable(package="tf_muscle")
class SegmentationLoss(keras.losses.Loss):
    """Pixel-wise cross-entropy with its usual variants.

    Takes class ids, integers [B, H, W], and logits, float32 [B, H, W, K], and returns a scalar, the
    mean over the batch's pixels. Pixels of class id `VOID` do not count.

    Args:
        kind: "cross_entropy"; "cross_entropy_dice", which adds 1 - the mean soft Dice of the muscle
            classes over the batch (Drozdzal et al. 2016, with plain sums in the denominator as in
            nnU-Net); or "focal" (Lin et al. 2017).
        class_weights: K weights, or None. The mean divides by the weights' sum as PyTorch does.
        ignore_background: leave pixels of class 0 out, as the report did "if needed".
    """

    def __init__(
        self,
        kind: str = "cross_entropy",
        class_weights: Sequence[float] | None = None,
        ignore_background: bool = False,
        name: str = "segmentation_loss",
        **kwargs: object,
    ):
        super().__init__(name=name, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}. Received: kind={kind!r}")
        self.kind = kind
        self.class_weights = None if class_weights is None else list(class_weights)
        self.ignore_background = ignore_background

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        labels = ops.cast(y_true, "int32")
        void = labels == VOID
        labels = ops.where(void, 0, labels)
        logits = ops.cast(y_pred, "float32")
        per_pixel = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        if self.kind == "focal":
            per_pixel = (1.0 - ops.exp(-per_pixel)) ** FOCAL_GAMMA * per_pixel
        weights = ops.where(void, 0.0, self._pixel_weights(labels))
        # All pixels ignored is a loss of 0, not a division by 0.
        loss = ops.sum(per_pixel * weights) / ops.maximum(ops.sum(weights), 1e-6)
        if self.kind == "cross_entropy_dice":
            loss = loss + self._dice_loss(labels, logits, void)
        # Keras divides by the number of GPUs what it reduces itself, and takes a scalar as it is.
        return ops.reshape(loss, (1,))

    def _pixel_weights(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        weights = ops.ones_like(labels, dtype="float32")
        if self.class_weights is not None:
            weights = ops.take(ops.convert_to_tensor(self.class_weights, "float32"), labels)
        if self.ignore_background:
            weights = ops.where(labels == 0, 0.0, weights)
        return weights

    def _dice_loss(
        self, labels: keras.KerasTensor, logits: keras.KerasTensor, void: keras.KerasTensor
    ) -> keras.KerasTensor:
        class_count = logits.shape[-1]
        probability = ops.softmax(logits)[..., 1:]  # [B, H, W, K-1]
        truth = ops.one_hot(labels, class_count)[..., 1:]
        ignored = labels == 0 if self.ignore_background else void  # a void label became 0
        probability = ops.where(ops.expand_dims(ignored, -1), 0.0, probability)
        overlap = ops.sum(probability * truth, axis=(0, 1, 2))  # [K-1]
        size = ops.sum(probability, axis=(0, 1, 2)) + ops.sum(truth, axis=(0, 1, 2))
        return 1.0 - ops.mean((2.0 * overlap + DICE_SMOOTH) / (size + DICE_SMOOTH))

    def get_config(self) -> dict[str, object]:
        return super().get_config() | {
            "kind": self.kind,
            "class_weights": self.class_weights,
            "ignore_background": self.ignore_background,
        }


@keras.saving.register_keras_serializable(package="tf_muscle")
class DistillationLoss(keras.losses.Loss):
    """Kullback-Leibler divergence of a student from its teacher (Hinton et al. 2015, section 2).

    Takes the teacher's probabilities, float32 [B, H, W, K], all of them 0 at pixels that do not
    count, and the student's logits, float32 [B, H, W, K]. Returns a scalar, the mean over the
    pixels that count, times temperature^2, so that the temperature does not change the size of the
    gradients. It is 0 where the student gives the teacher's probabilities.

    Args:
        temperature: that softens both: what the teacher holds to be unlikely counts for more.
        weight: factor of the result.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        weight: float = 1.0,
        name: str = "distillation_loss",
        **kwargs: object,
    ):
        super().__init__(name=name, **kwargs)
        self.temperature = temperature
        self.weight = weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        counted = ops.sum(y_true, axis=-1)  # [B, H, W]: 1 or 0
        # Below float32's smallest normal number a logarithm is that of 0.
        logits = ops.log(ops.maximum(y_true, 1e-37))
        target = ops.log_softmax(logits / self.temperature)
        student = ops.log_softmax(ops.cast(y_pred, "float32") / self.temperature)
        divergence = ops.sum(ops.exp(target) * (target - student), axis=-1)
        mean = ops.sum(divergence * counted) / ops.maximum(ops.sum(counted), 1.0)
        return ops.reshape(self.weight * self.temperature**2 * mean, (1,))  # as above

    def get_config(self) -> dict[str, object]:
        return super().get_config() | {"temperature": self.temperature, "weight": self.weight}


KINDS = ("cross_entropy", "cross_entropy_dice", "focal")
