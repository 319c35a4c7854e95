import keras
import numpy as np
import pytest

from tf_muscle.model.keras_metrics import SegmentationScores
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.metrics import SCALARS, confusion_matrix, scores

CLASS_NAMES = ["background", "biceps", "activated calf"]
K = len(CLASS_NAMES)


def batches(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks uint8 and logits of three batches, the last one smaller."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.choice(K, (size, 8, 9), p=[0.9, 0.08, 0.02]).astype(np.uint8),
            rng.normal(size=(size, 8, 9, K)).astype(np.float32),
        )
        for size in (4, 4, 1)
    ]


def expected(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    matrices = [confusion_matrix(truth, logits.argmax(-1), K) for truth, logits in pairs]
    total = np.sum(matrices, axis=0)
    values = scores(total.astype(float))
    return {name: values[name] for name in SCALARS} | {
        f"iou_{name}": values["iou"][class_id] for class_id, name in enumerate(CLASS_NAMES)
    }


def test_metric_over_batches_is_the_score_of_all_pixels() -> None:
    metric = SegmentationScores(CLASS_NAMES)
    for seed in (0, 1):  # a second epoch knows nothing of the first
        pairs = batches(seed)
        for truth, logits in pairs:
            metric.update_state(truth, logits)
        result = {name: float(value) for name, value in metric.result().items()}
        assert result == pytest.approx(expected(pairs), rel=1e-6)
        metric.reset_state()
    assert all(float(value) == 0 for value in metric.result().values())


def test_counts_beyond_float32() -> None:
    """One pixel more changes a count of 2^24 and above."""
    metric = SegmentationScores(CLASS_NAMES)
    metric.confusion.assign(np.full((K, K), 2**24, np.int64))
    metric.update_state(np.zeros((1, 1, 1), np.uint8), np.array([[[[1.0, 0.0, 0.0]]]], np.float32))
    assert int(metric.confusion[0, 0]) == 2**24 + 1


def test_scores_stand_in_the_logs_of_fit_and_evaluate() -> None:
    same = keras.layers.Dense(K, kernel_initializer="identity")  # logits in, logits out
    model = keras.Sequential([keras.Input((8, 9, K)), same])
    stays = keras.optimizers.SGD(0.0)
    model.compile(stays, SegmentationLoss(), metrics=[SegmentationScores(CLASS_NAMES)])
    (logits, truth), (val_logits, val_truth) = (
        [np.concatenate([pair[part] for pair in batches(seed)]) for part in (1, 0)]
        for seed in (0, 1)
    )
    options = {"batch_size": 4, "verbose": 0}
    history = model.fit(
        logits, truth, epochs=2, validation_data=(val_logits, val_truth), **options
    ).history
    evaluated = model.evaluate(val_logits, val_truth, return_dict=True, **options)
    for name, value in expected(batches(0)).items():
        assert history[name] == pytest.approx([value, value], rel=1e-6)
    for name, value in expected(batches(1)).items():
        assert history[f"val_{name}"] == pytest.approx([value, value], rel=1e-6)
        assert evaluated[name] == pytest.approx(value, rel=1e-6)


def test_config_round_trip() -> None:
    metric = SegmentationScores(CLASS_NAMES, name="scores")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(copy, SegmentationScores)
    assert copy.class_names == CLASS_NAMES
    assert copy.name == "scores"


def test_void_pixels_do_not_count() -> None:
    truth = np.array([[[0, 1, 255], [255, 2, 1]]], np.uint8)
    prediction = np.array([[[0, 1, 2], [1, 2, 0]]])
    metric = SegmentationScores(["background", "biceps", "calf"])
    metric.update_state(truth, np.eye(3, dtype=np.float32)[prediction])
    expected = [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(np.array(metric.confusion), expected)
