import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from removed_options import RECORD as UNLABELED

from tf_muscle.errors import UserError
from tf_muscle.processor import Choice
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.runs import environment
from tf_muscle.runs.environment import (
    NOTHING_CHANGED,
    EncoderStart,
    Environment,
    Machine,
    read_environment,
    record_resume,
    refuse_changed_data,
    versions,
)
from tf_muscle.runs.folder import RunFolder, write_json

MACHINE = Machine(
    {"keras": "3.12"},
    "Z80, 1 threads",
    Choice("oneDNN", "the processor has AVX2"),
    "CPU",
    Choice("bfloat16", "the processor (Z80) has AMX"),
)
INFO = DataInfo(
    "0123456789abcdef",
    format="coco",
    class_names=("background", "biceps"),
    num_examples={"train": 2},
    pixel_counts={"train": [7, 1]},
    baked_augmentation=("shear",),
    stretched=True,
    aspect=1.5,
    notes=("Something to know.",),
)
RECORD = Environment(
    MACHINE,
    EncoderStart("imagenet", "resnet34.h5", "md5 00ff"),
    augmentation_left_out=("shear",),
    loss={"kind": "focal"},
    data="muscles.zip",
    synthetic=False,
    info=INFO,
)
# As the first version wrote it.
FIRST = """{
  "python": "3.11.9",
  "keras": "3.12",
  "device": "Tesla T4",
  "precision": "float16 (the GPU has compute capability 7.5)",
  "encoder_weights": "random, because the ImageNet weights a.h5 could not be downloaded",
  "augmentation_left_out": [],
  "loss": {"kind": "focal"},
  "data": {
    "name": "sample",
    "synthetic": true,
    "fingerprint": "0123456789abcdef",
    "format": "masks",
    "class_names": ["background", "biceps"],
    "num_examples": {"train": 2},
    "pixel_counts": {"train": [7, 1]},
    "baked_augmentation": [],
    "notes": []
  }
}"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (EncoderStart("random"), "random"),
        (EncoderStart("random", reason="a: (b, c)\nd"), "random, because a: (b, c)\nd"),
        (EncoderStart("imagenet", "a_1.h5", "md5 0f"), "imagenet (a_1.h5, md5 0f)"),
        (EncoderStart("file", "mine.h5", "sha256 0f"), "file mine.h5 (sha256 0f)"),
        (EncoderStart("file", "(a, b) (2).h5", "sha256 0f"), "file (a, b) (2).h5 (sha256 0f)"),
        (EncoderStart("file", "random", "sha256 0f"), "file random (sha256 0f)"),
    ],
)
def test_encoder_start_in_words_and_back(start: EncoderStart, text: str) -> None:
    assert str(start) == text
    assert EncoderStart.parse(text) == start


def test_what_is_written_is_read(run: RunFolder) -> None:
    write_json(run.environment, RECORD.to_json())
    assert read_environment(run) == RECORD
    assert json.loads(run.environment.read_text()) == {
        "keras": "3.12",
        "processor": "Z80, 1 threads",
        "kernels": "oneDNN (the processor has AVX2)",
        "device": "CPU",
        "precision": "bfloat16 (the processor (Z80) has AMX)",
        "encoder_weights": "imagenet (resnet34.h5, md5 00ff)",
        "augmentation_left_out": ["shear"],
        "loss": {"kind": "focal"},
        "data": {
            "name": "muscles.zip",
            "synthetic": False,
            "fingerprint": "0123456789abcdef",
            "format": "coco",
            "class_names": ["background", "biceps"],
            "num_examples": {"train": 2},
            "pixel_counts": {"train": [7, 1]},
            "baked_augmentation": ["shear"],
            "stretched": True,
            "aspect": 1.5,
            "notes": ["Something to know."],
        },
    }


def test_file_of_a_run_with_an_option_that_is_none_any_more(run: RunFolder) -> None:
    write_json(run.environment, RECORD.to_json() | {"unlabeled": UNLABELED})
    assert read_environment(run) == RECORD


def test_file_of_an_older_run(run: RunFolder) -> None:
    """It names neither the processor nor whether the photos were stretched."""
    run.environment.write_text(FIRST)
    record = read_environment(run)
    assert record.machine == Machine(
        {"python": "3.11.9", "keras": "3.12"},
        "unknown",
        Choice("unknown", ""),
        "Tesla T4",
        Choice("float16", "the GPU has compute capability 7.5"),
    )
    assert record.encoder_weights.kind == "random"
    assert record.synthetic
    assert record.info.class_names == ("background", "biceps")
    assert not record.info.stretched
    assert record.info.aspect == 1
    record_resume(run, "sample", dataclasses.replace(record.machine, processor="Z80, 1 threads"))
    assert read_environment(run).resumed == (NOTHING_CHANGED,)


@pytest.mark.parametrize(
    "content",
    ["", "{", "3", "[1]", "{}", '{"data": 3}', '{"data": {"class_names": 3}}',
     '{"data": {}, "encoder_weights": "half a"}', '{"data": {}, "precision": 16}'],
)  # fmt: skip
def test_damaged_file(content: str, run: RunFolder) -> None:
    run.environment.write_text(content)
    with pytest.raises(UserError, match=r"environment\.json cannot be read"):
        read_environment(run)


def test_missing_file(run: RunFolder) -> None:
    with pytest.raises(UserError, match=r"environment\.json cannot be read"):
        read_environment(run)


def test_resuming_is_recorded_with_what_has_changed(run: RunFolder) -> None:
    write_json(run.environment, RECORD.to_json())
    record_resume(run, "old.zip", MACHINE)
    record_resume(
        run, "new.zip", dataclasses.replace(MACHINE, versions={"keras": "3.15"}, device="T4")
    )
    record = read_environment(run)
    assert record.resumed == (NOTHING_CHANGED, "keras 3.12 -> 3.15, device CPU -> T4")
    assert record == dataclasses.replace(RECORD, data="new.zip", resumed=record.resumed)
    assert json.loads(run.environment.read_text())["resumed"] == list(record.resumed)


def test_other_photos_are_refused(run: RunFolder) -> None:
    refuse_changed_data(run, "muscles.zip", "f" * 16)  # killed before anything was written
    write_json(run.environment, RECORD.to_json())
    refuse_changed_data(run, "muscles.zip", INFO.fingerprint)
    with pytest.raises(UserError, match=f"fingerprint {'f' * 16}, not {INFO.fingerprint}"):
        refuse_changed_data(run, "muscles.zip", "f" * 16)


def test_versions_name_packages_and_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    record = versions()
    assert record["numpy"] == numpy.__version__
    checkout = Path(__file__).parents[1]
    if (checkout / ".git").exists():
        git = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
        assert record["git_commit"] == commit
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    assert versions() == {key: value for key, value in record.items() if key != "git_commit"}


def test_installed_package_in_a_strangers_checkout_names_no_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A virtual environment often lies inside some other project's repository."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(environment, "PACKAGE", tmp_path / "lib" / "tf_muscle")
    assert "git_commit" not in versions()


def test_a_checkout_and_its_wheel_have_the_same_source(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    ignored = shutil.ignore_patterns("__pycache__", "*.npz", "bundled", "dummy_data")
    for folder, name in (
        ("tf_muscle", "tf_muscle"),
        ("tuner", "tf_muscle/tuner"),
        ("datasets/roboflow_segmentation", "tf_muscle/roboflow_segmentation"),
    ):
        shutil.copytree(checkout / folder, tmp_path / name, ignore=ignored)
    code = (
        "from tf_muscle.runs.environment import PACKAGE, versions\n"
        "print(PACKAGE, versions()['tf_muscle source'])"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    def installed() -> list[str]:
        told = subprocess.check_output(
            [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
        )
        return told.decode().split()

    assert installed() == [str(tmp_path / "tf_muscle"), versions()["tf_muscle source"]]
    with (tmp_path / "tf_muscle" / "tuner" / "oracle.py").open("a") as file:
        file.write("# changed\n")
    assert installed()[1] != versions()["tf_muscle source"]


def test_resuming_a_run_that_recorded_no_precision_finds_no_change(run: RunFolder) -> None:
    run.environment.write_text('{"keras": "3.12", "device": "CPU", "data": {}}')
    machine = dataclasses.replace(MACHINE, precision=Choice("float32", "as asked"))
    record_resume(run, "muscles.zip", machine)
    assert read_environment(run).resumed == ("nothing changed",)
