import numpy as np
import pytest
from random_masks import random_masks
from sklearn import metrics as sklearn_metrics

from tf_muscle.model.metrics import SCALARS, confusion_matrix
from tf_muscle.model.score_records import mean_and_spread, summarize

CLASS_NAMES = ["background", "biceps", "triceps", "calf"]
K = len(CLASS_NAMES)


def test_summary_of_a_split() -> None:
    truth, prediction = random_masks(1, [0, 1, 3], [0, 1, 3])  # triceps are nowhere
    pairs = zip(truth, prediction, strict=True)
    confusions = np.stack([confusion_matrix(*pair, K) for pair in pairs])
    record = summarize(confusions, np.array([0.1, 0.2, 0.6]), CLASS_NAMES)
    assert record["loss"] == pytest.approx(0.3)
    assert record["image_count"] == 3
    assert record["iou"]["triceps"] is None
    assert record["dice"]["triceps"] is None
    flat = truth.ravel(), prediction.ravel()
    assert record["iou"]["calf"] == pytest.approx(
        sklearn_metrics.jaccard_score(*flat, labels=[3], average="macro")
    )
    assert record["dice"]["biceps"] == pytest.approx(
        sklearn_metrics.f1_score(*flat, labels=[1], average="macro")
    )
    assert record["pixel_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(*flat))
    for name in SCALARS:
        low, high = record["intervals"][name]
        assert low <= record[name] <= high
    assert record["confusion_matrix"] == confusions.sum(axis=0).tolist()
    assert record["floor_mean_iou"] == pytest.approx((truth == 0).mean() / 3)
    assert record["background_only"] is False
    with pytest.raises(ValueError, match="argument"):  # names of another data set
        summarize(confusions, np.zeros(3), CLASS_NAMES[:-1])
    collapsed = np.stack([confusion_matrix(one, one * 0, K) for one in truth])
    assert summarize(collapsed, np.zeros(3), CLASS_NAMES)["background_only"] is True


def test_mean_and_spread_of_folds() -> None:
    folds = [
        summarize(np.array([[[90, 0], [5, 5]]]), np.array([1.0]), ["background", "calf"]),
        summarize(np.array([[[80, 0], [0, 20]]]), np.array([3.0]), ["background", "calf"]),
        summarize(np.array([[[100, 0], [0, 0]]]), np.array([8.0]), ["background", "calf"]),
    ]
    found = mean_and_spread(folds)
    assert found["mean"]["loss"] == 4
    assert found["standard_deviation"]["loss"] == pytest.approx(13**0.5)  # (9 + 1 + 16) / 2
    assert found["mean"]["iou"]["calf"] == 0.75  # the last fold has none
    assert found["standard_deviation"]["iou"]["calf"] == pytest.approx(0.5 / 2**0.5)
    one = mean_and_spread(folds[2:])
    assert one["mean"]["iou"]["calf"] is None
    assert one["standard_deviation"]["loss"] is None
