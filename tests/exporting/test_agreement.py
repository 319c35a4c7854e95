import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.exporting.agreement import LIMITS, Agreement, Limit, compare, refuse_drop
from tf_muscle.exporting.run_export import export
from tf_muscle.runs.folder import RunFolder

IMAGES = np.zeros((2, 1, 4, 3), np.uint8)
IMAGES[1] = 1
MASKS = np.array([[[0, 0, 1, 1]], [[0, 0, 0, 2]]], np.uint8)
EXPECTED = np.array([[[0, 0, 1, 1]], [[0, 0, 2, 2]]], np.uint8)
PREDICTED = np.array([[[0, 0, 1, 1]], [[0, 0, 0, 1]]], np.uint8)


def test_scores_by_hand() -> None:
    calls = []

    def predict(images: np.ndarray) -> np.ndarray:
        calls.append(images.shape)
        time.sleep(0.02)
        return PREDICTED[images[:, 0, 0, 0]]

    measured = compare(predict, IMAGES, MASKS, EXPECTED, 3)
    assert set(calls) == {(1, 1, 4, 3)}
    assert measured.image_count == 2
    assert measured.agreement == 6 / 8  # the last two pixels of the second photo differ
    assert measured.foreground_agreement == 2 / 4
    # IoU: background 5/5, class 1 2/3, class 2 0/1; of the Keras model 4/5, 2/2, 1/2.
    assert measured.mean_iou == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert measured.mean_iou_difference == pytest.approx((5 / 3 - (0.8 + 1 + 0.5)) / 3)
    assert 20 <= measured.latency_ms_median <= measured.latency_ms_p95 < 1000


def test_nothing_marked_by_either_is_agreement() -> None:
    empty = np.zeros_like(MASKS)
    measured = compare(lambda images: empty[:1], IMAGES, MASKS, empty, 3)
    assert (measured.agreement, measured.foreground_agreement) == (1, 1)


def result(agreement: float, difference: float) -> Agreement:
    return Agreement(agreement, 0.9, 0.5, difference, 1.0, 2.0, 20)


@pytest.mark.parametrize("kind", LIMITS)
def test_a_drop_over_the_limit_is_refused(kind: str) -> None:
    limit = LIMITS[kind]
    refuse_drop("onnx", kind, result(limit.agreement, -limit.mean_iou_drop))
    refuse_drop("onnx", kind, result(1.0, 0.1))
    with pytest.raises(UserError, match=r"onnx gives .* was not written"):
        refuse_drop("onnx", kind, result(limit.agreement - 1e-4, 0))
    with pytest.raises(UserError, match="changes the mIoU by -0"):
        refuse_drop("onnx", kind, result(1.0, -limit.mean_iou_drop - 1e-4))


def test_the_limits_are_those_promised() -> None:
    assert LIMITS["float16"].agreement >= 0.999
    assert LIMITS["int8"].agreement >= 0.98
    assert LIMITS["dynamic"].agreement >= 0.98


def test_a_refused_export_leaves_nothing(
    small_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "float32", Limit(1.1, 0.0))  # nothing agrees in 110 percent
    with pytest.raises(UserError, match="saved_model in float32 gives 100"):
        export(small_run, saved_models_dir=tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_photos_with_other_classes_are_refused(small_run: RunFolder, tmp_path: Path) -> None:
    environment = json.loads(small_run.environment.read_text())
    environment["data"]["class_names"] = ["background", "biceps", "calf"]
    run = RunFolder(tmp_path / "other")
    shutil.copytree(small_run.path, run.path)
    run.environment.write_text(json.dumps(environment))
    with pytest.raises(UserError, match=r"has the classes background, biceps, triceps, calf, the"):
        export(run, saved_models_dir=tmp_path / "models")
    assert not (tmp_path / "models").exists()
