"""The scores of metrics.py as one Keras metric, so that a run logs them every epoch."""

from collections.abc import Sequence

import keras
from keras import ops

from tf_muscle.model.metrics import SCALARS, scores
from tf_muscle.roboflow.records import VOID


@keras.saving.register_keras_serializable(package="tf_muscle")
class SegmentationScores(keras.metrics.Metric):
    """One confusion matrix of class ids [B, H, W] and logits [B, H, W, K], many scores.

    Pixels of class id `VOID` do not count.

    `result()` is a dictionary that Keras spreads over the logs: the scalars of `metrics.scores`
    (`mean_iou`, ...) and `iou_<class name>`.

    Args:
        class_names: K names; [0] is the background.
    """

    def __init__(
        self, class_names: Sequence[str], name: str = "segmentation_scores", **kwargs: object
    ):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.class_names = list(class_names)
        size = len(self.class_names)
        # int64, since float32 counts no further than 2^24 and an epoch may have more pixels.
        self.confusion = self.add_variable((size, size), "zeros", name="confusion", dtype="int64")

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: None = None,
    ) -> None:
        size = len(self.class_names)
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        prediction = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        # Pixels that do not count go to a bin of their own behind the matrix.
        index = ops.where(truth == VOID, size * size, truth * size + prediction)
        counts = ops.bincount(index, minlength=size * size + 1)[: size * size]
        self.confusion.assign_add(ops.cast(ops.reshape(counts, (size, size)), "int64"))

    def result(self) -> dict[str, keras.KerasTensor]:
        values = scores(ops.cast(self.confusion, "float32"), ops)
        by_class = {
            f"iou_{name}": values["iou"][class_id] for class_id, name in enumerate(self.class_names)
        }
        return {name: values[name] for name in SCALARS} | by_class

    def get_config(self) -> dict[str, object]:
        return {"class_names": self.class_names, "name": self.name}
