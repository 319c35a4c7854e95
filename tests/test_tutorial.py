"""The commands of docs/tutorial.md, in order and as they stand there, with a shorter training."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import ROOT, fenced_lines

# What stands in the tutorial, and what the test gives: quick, and too little to learn anything.
SHORTER = {"--image_size 96": "--image_size 64 --epochs 1"}


def commands() -> list[str]:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    return [line for line in fenced_lines(text) if line.startswith("python ")]


def test_it_has_every_step() -> None:
    steps = [line.split()[2].removeprefix("tf_muscle.") for line in commands() if " -m " in line]
    assert steps == ["inspect", "train", "predict", "review", "inspect", "train", "evaluate"]
    for line in commands():
        if " tf_muscle.train " in line:
            assert all(option in line for option in SHORTER)


@pytest.mark.slow
def test_it_runs(tmp_path: Path) -> None:
    for name in ("configs", "datasets", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = os.environ | {"TFDS_DATA_DIR": str(tmp_path / "tfds")}
    for line in commands():
        for shown, shorter in SHORTER.items():
            line = line.replace(shown, shorter)
        words = [sys.executable, *shlex.split(line)[1:]]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    for file in (
        *("inspections/mine/inspection.html", "runs/first/report.md"),
        "corrections/predictions.csv",
        *("reviews/first/index.html", "runs/second/best.keras", "saved_models/second/README.md"),
    ):
        assert (tmp_path / file).is_file()
    assert len(list((tmp_path / "corrections/train").glob("*_mask.png"))) == 40
    assert len(list((tmp_path / "runs/second/evaluations").glob("*.json"))) == 1
