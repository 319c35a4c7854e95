"""Every command in a folder whose name is full of what programs take for patterns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

OUTER = "a [1] *b? é ü"
NAME = "export [2] 'x'"
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder, with an export of 16 photos in it: a red square on grey."""
    random = np.random.default_rng(0)
    place = tmp_path / OUTER / " x"
    for split, count in (("train", 8), ("valid", 4), ("test", 4)):
        folder = place / NAME / split
        folder.mkdir(parents=True)
        (folder / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, biceps\n")
        for i in range(count):
            image = random.integers(100, 156, (40, 40, 3), np.uint8)
            mask = np.zeros((40, 40), np.uint8)
            top, left = random.integers(0, 24, 2)
            mask[top : top + 16, left : left + 16] = 1
            image[mask == 1] = (200, 40, 40)
            Image.fromarray(image).save(folder / f"{split} [{i}] ü.jpg")
            Image.fromarray(mask).save(folder / f"{split} [{i}] ü_mask.png")
    return place


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows allows no * and ? in names")
def test_every_command(place: Path) -> None:
    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=place, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    small = (
        "--image_size", "32", "--batch_size", "8", "--encoder", "resnet18", "--encoder_weights",
        "none", "--precision", "float32", "--data", place / NAME, "--data_dir", place / "tfds [*]",
        "--runs_dir", place / "runs ?", "--saved_models_dir", place / "models [b]",
    )  # fmt: skip
    tiny, model = place / "runs ?" / "tiny", place / "models [b]" / "tiny"
    photos = place / NAME / "test"
    run("-m", "tf_muscle.inspect", NAME, "--resplit", "new [split]")
    assert len(list((place / "new [split]").rglob("*_mask.png"))) == 16
    run("-m", "tf_muscle.train", *small, "--preview", "--run_name", "look")
    run("-m", "tf_muscle.train", *small, "--epochs", "1", "--run_name", "tiny")
    assert json.loads((tiny / "run.json").read_text())["data"]["name"] == str(place / NAME)
    run("-m", "tf_muscle.evaluate", tiny)
    for number, source in enumerate((tiny, model)):
        run("-m", "tf_muscle.predict", source, photos, "--out", f"out [{number}]")
        assert len(list((place / f"out [{number}]").rglob("*_mask.png"))) == 4
    run("-m", "tf_muscle.export", tiny, "--name", "again", "--saved_models_dir", "models [b]")
    assert (place / "models [b]" / "again" / "export.json").is_file()
    run("-m", "tf_muscle.reproduce", tiny, "--check_only")
    photo = next(photos.glob("*.jpg"))
    assert "biceps" in run(EXAMPLES / "tensorflow_client.py", model, photo, "mask [1].png")
