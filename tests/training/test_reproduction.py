"""What counts as a difference between two runs, and a real run that is trained twice."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tf_muscle.training.reproduction import ComparedNumber


@pytest.mark.parametrize(
    ("name", "then", "again", "difference"),
    [
        ("epoch 1 loss", 2.0, 1.0, 0.5),
        ("test mean_iou", 0.5, 0.25, 0.25),
        ("epoch 1 loss", 0.0, 0.0, 0.0),
        ("epoch 1 val_loss", math.nan, math.nan, 0.0),
        ("epoch 1 val_loss", math.nan, 1.0, math.inf),
        ("epoch 2 loss", 1.0, None, math.inf),
    ],
)
def test_differences(name: str, then: float, again: float | None, difference: float) -> None:
    assert ComparedNumber(name, then, again, 0.3).difference == difference
    assert ComparedNumber(name, then, again, 0.3).agrees == (difference <= 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("augment_backend", ["albumentations", "tensorflow"])
def test_killed_and_resumed_run_is_reproduced_to_the_last_digit(
    augment_backend: str, small_export: Path, tmp_path: Path
) -> None:
    """The real thing: deterministic, killed (-9) in its second epoch, resumed, trained again."""
    words = [
        "--data", str(small_export), "--data_dir", str(tmp_path / "tfds"), "--image_size", "32",
        "--batch_size", "4", "--encoder", "resnet18", "--encoder_weights", "none",
        "--epochs", "3", "--minutes", "0", "--run_name", "mine", "--deterministic",
        "--augment_backend", augment_backend,
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tf_muscle.train", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 2"):
            process.kill()
            break
    process.wait()
    for module, *rest in (("train", "--resume", "runs/mine"), ("reproduce", "runs/mine")):
        run = subprocess.run(
            [sys.executable, "-m", f"tf_muscle.{module}", *rest],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
    assert "the run was resumed (1): nothing changed" in run.stdout
    assert "numbers agree to the last digit" in run.stdout
