"""Tests of killed and simultaneous preparations, with real processes that are killed."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.roboflow_segmentation.dummy_export import NUM_EXAMPLES, prepared


def read_counts(builder: Builder) -> dict[str, int]:
    """The examples that are really there, by split."""
    return {split: len(list(builder.as_dataset(split=split))) for split in NUM_EXAMPLES}


def changed_copy(export: Path, name: str) -> Path:
    copy = Path(shutil.copytree(export, export.with_name(name)))
    (copy / "README.roboflow.txt").write_text(name)
    return copy


def leftovers(data_dir: Path) -> list[str]:
    names = [path.name for path in data_dir.rglob("*")]
    return [name for name in names if name.startswith("incomplete.") or name.endswith(".lock")]


STALL = """
import sys, time
from pathlib import Path
from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.roboflow_segmentation import roboflow_segmentation_dataset_builder as builder_module

def stall(example):
    Path(sys.argv[3]).touch()
    time.sleep(600)

builder_module.read_mask = stall
config = RoboflowSegmentationConfig(export_dir=sys.argv[1])
Builder(config=config, data_dir=sys.argv[2]).download_and_prepare()
"""


@contextmanager
def stalled_preparation(export: Path, data_dir: Path) -> Iterator[subprocess.Popen]:
    """Another process, alive in the middle of a preparation."""
    reached = export.with_name("reached")
    process = subprocess.Popen(
        [sys.executable, "-c", STALL, str(export), str(data_dir), str(reached)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not reached.exists():
            assert process.poll() is None, "ended before it had begun to write"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_killed_preparation_is_swept_and_a_living_one_is_not(export: Path, data_dir: Path) -> None:
    config = RoboflowSegmentationConfig(export_dir=export)
    config_dir = data_dir / "roboflow_segmentation" / config.name

    with stalled_preparation(export, data_dir) as process:
        prepared(changed_copy(export, "other"), data_dir)
        assert list(config_dir.glob("incomplete.*")), "a living preparation was swept"
        process.kill()  # SIGKILL
        process.wait()
    assert list(config_dir.glob("incomplete.*"))
    assert not Builder(config=config, data_dir=data_dir).is_prepared()

    # By another config: the export may have changed, so that nobody prepares the killed one again.
    prepared(changed_copy(export, "third"), data_dir)
    assert not config_dir.exists()
    assert leftovers(data_dir) == []


def test_killed_preparation_is_prepared_again(export: Path, data_dir: Path) -> None:
    with stalled_preparation(export, data_dir) as process:
        process.kill()  # SIGKILL
        process.wait()
    assert len(leftovers(data_dir)) == 2  # the folder and the lock file
    assert read_counts(prepared(export, data_dir)) == NUM_EXAMPLES
    assert leftovers(data_dir) == []


def test_two_preparations_at_once_both_end_well(export: Path, data_dir: Path) -> None:
    builders = [
        Builder(config=RoboflowSegmentationConfig(export_dir=export), data_dir=data_dir)
        for _ in range(2)
    ]
    threads = [threading.Thread(target=builder.download_and_prepare) for builder in builders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for builder in builders:
        assert builder.info.features["segmentation_mask"].num_classes == 4
        assert read_counts(builder) == NUM_EXAMPLES
    assert {path.name for path in (data_dir / "roboflow_segmentation").iterdir()} == {
        ".config",
        builders[0].builder_config.name,
    }
