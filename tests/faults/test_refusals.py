"""A disk that is full or read-only, a missing right, a damaged checkpoint: real ones, by mount."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# A ResNet18 U-Net: 57 MB of best weights and 172 MB for each of two checkpoints.
TINY = [
    "--image_size", "32", "--batch_size", "4", "--encoder", "resnet18", "--encoder_weights",
    "none", "--precision", "float32", "--minutes", "0",
]  # fmt: skip


# Root may write where the permissions forbid it, unless it gives that right away.
WITHOUT_ROOTS_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def start(
    words: list[str], cwd: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def assert_one_sentence(run: subprocess.CompletedProcess[str], *told: str) -> None:
    """Exit code 2 and, of the command's own, one line on stderr."""
    assert run.returncode == 2, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    for words in told:
        assert words in line


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of this size at one place; called again, it changes its options."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root on Linux may mount a small disk")
    place = tmp_path / "disk"

    def resize(options: str) -> Path:
        if place.exists():
            mount("-o", f"remount,{options}", str(place))
        else:
            place.mkdir()
            mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
        return place

    yield resize
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


def training(export: Path, tmp_path: Path, runs_dir: Path, *more: str) -> list[str]:
    return [
        "tf_muscle.train", *TINY, "--epochs", "3", "--run_name", "mine", "--data", str(export),
        "--data_dir", str(tmp_path / "tfds"), "--runs_dir", str(runs_dir),
        "--saved_models_dir", str(tmp_path / "saved_models"), *more,
    ]  # fmt: skip


def epochs(run: Path) -> list[str]:
    with (run / "history.csv").open(newline="") as file:
        return [row["epoch"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(("megabytes", "epochs_done"), [(40, 0), (300, 1)])
def test_full_disk_ends_the_training_and_space_lets_it_go_on(
    megabytes: int,
    epochs_done: int,
    small_export: Path,
    tmp_path: Path,
    disk: Callable[[str], Path],
) -> None:
    runs_dir = disk(f"size={megabytes}m")
    run = runs_dir / "mine"
    first = start(training(small_export, tmp_path, runs_dir), tmp_path)
    assert_one_sentence(first, "No space left on device; free some space", f"--resume {run}")
    disk("size=2g")
    again = start(["tf_muscle.train", "--resume", str(run)], tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"Epoch {epochs_done + 1}/3" in again.stdout
    assert f"Epoch {epochs_done}/3" not in again.stdout
    assert epochs(run) == ["0", "1", "2"]
    assert (run / "run.json").is_file()
    assert not list(tmp_path.rglob("unfinished_*"))


def test_full_disk_while_preparing_and_exporting(
    small_export: Path, tmp_path: Path, disk: Callable[[str], Path]
) -> None:
    place = disk("size=100k")
    words = training(small_export, tmp_path, tmp_path / "runs", "--data_dir", str(place / "tfds"))
    assert_one_sentence(start(words, tmp_path), f"{place / 'tfds'}: No space left on device")
    assert not (tmp_path / "runs").exists()
    disk("size=2g")
    assert start(words, tmp_path).returncode == 0
    shutil.rmtree(place / "tfds")
    disk("size=20m")
    words = ["tf_muscle.export", "runs/mine", "--saved_models_dir", str(place)]
    assert_one_sentence(start(words, tmp_path), "No space left on device", "the same command again")
    assert not list(place.glob("*mine*"))
    disk("size=2g")
    assert start(words, tmp_path).returncode == 0
    assert (place / "mine" / "saved_model.pb").is_file()


def test_read_only_disk_is_named(
    small_export: Path, tmp_path: Path, disk: Callable[[str], Path]
) -> None:
    runs_dir = disk("size=300m")
    words = training(small_export, tmp_path, runs_dir)
    assert_one_sentence(start(words, tmp_path), "No space left")
    before = {path: path.stat().st_size for path in runs_dir.rglob("*")}
    disk("ro")
    resume = ["tf_muscle.train", "--resume", str(runs_dir / "mine")]
    assert_one_sentence(start(resume, tmp_path), "Read-only file system; make it writable")
    assert {path: path.stat().st_size for path in runs_dir.rglob("*")} == before
    new = training(small_export, tmp_path, runs_dir, "--run_name", "other")
    assert_one_sentence(start(new, tmp_path), "choose another --runs_dir")
    disk("rw,size=2g")
    assert start(resume, tmp_path).returncode == 0


def test_missing_rights_are_named(small_export: Path, tmp_path: Path) -> None:
    prefix = [] if os.geteuid() else WITHOUT_ROOTS_RIGHTS
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("root may write everywhere, and setpriv is missing that could change that")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    words = training(small_export, tmp_path, tmp_path / "runs", "--data_dir", str(locked / "tfds"))
    refused = start(words, tmp_path, prefix)
    assert_one_sentence(refused, "Permission denied", str(locked), "--data_dir")
    words = training(small_export, tmp_path, locked / "runs")
    refused = start(words, tmp_path, prefix)
    assert_one_sentence(refused, "Permission denied", "choose another --runs_dir")
    assert list(locked.iterdir()) == []


def test_damaged_checkpoint_costs_one_epoch(small_export: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    words = training(small_export, tmp_path, run.parent)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 3"):  # two checkpoints are complete
            process.kill()
            break
    process.wait()
    latest = run / "checkpoints" / "backup" / "latest.weights.h5"
    content = latest.read_bytes()
    latest.write_bytes(content[: len(content) // 2])
    again = start(["tf_muscle.train", "--resume", str(run)], tmp_path)
    assert again.returncode == 0, again.stderr
    assert "is damaged: going on from the checkpoint before, epoch 1" in again.stdout
    assert "Epoch 2/3" in again.stdout
    assert epochs(run) == ["0", "1", "2"]
