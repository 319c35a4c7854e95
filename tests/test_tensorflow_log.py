"""What TensorFlow's libraries say; mostly with a stand-in for it that is imported at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOISE = "I0000 00:00:1 cudart_stub.cc:31] Could not find cuda drivers on your machine"
STAND_IN = f"""
import os
os.write(2, b"{NOISE}\\n")  # as a C library does, past sys.stderr
if "BROKEN" in os.environ:
    raise ImportError("libcudart.so.12 is missing")
level = os.environ["TF_CPP_MIN_LOG_LEVEL"]
class config:
    def list_physical_devices(kind):
        return []
"""
COMMAND = """
import sys
from tf_muscle.command import run_command
def command(argv):
    import importlib.util
    importlib.util.find_spec("tensorflow")  # as libraries ask whether it is there
    import tensorflow
    print("level", getattr(tensorflow, "level", None), *argv)
    print("ours", file=sys.stderr)
sys.exit(run_command(command))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """The environment of a process for which `import tensorflow` imports the stand-in."""
    (tmp_path / "tensorflow.py").write_text(STAND_IN)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {name: value for name, value in os.environ.items() if "TF_CPP" not in name}
    return environment | {"PYTHONPATH": path, "PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip


def test_a_command_says_only_what_is_ours(stand_in: dict[str, str]) -> None:
    done = run(stand_in, "a", "b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "level 3 a b\n", "ours\n")


@pytest.mark.parametrize("words", [("--verbose", "a"), ("a", "--verbose")])
def test_verbose_shows_everything(stand_in: dict[str, str], words: tuple[str, ...]) -> None:
    done = run(stand_in, *words)
    assert (done.stdout, done.stderr) == ("level 0 a\n", f"{NOISE}\nours\n")


def test_a_failed_import_shows_everything(stand_in: dict[str, str]) -> None:
    done = run(stand_in | {"BROKEN": "1"})
    assert done.returncode == 1
    assert done.stderr.startswith(NOISE)
    assert "ImportError: libcudart.so.12 is missing" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs /bin/sh")
def test_a_gpu_that_is_not_used_is_called_out(stand_in: dict[str, str], tmp_path: Path) -> None:
    probe = tmp_path / "nvidia-smi"
    probe.write_text("#!/bin/sh\n")
    probe.chmod(0o755)
    assert run(stand_in).stderr == "ours\n"  # hidden on purpose
    stderr = run(stand_in | {"CUDA_VISIBLE_DEVICES": "0"}).stderr
    assert "cannot use this machine's NVIDIA GPU" in stderr
    assert "--verbose" in stderr
    assert NOISE not in stderr


@pytest.mark.skipif(os.name == "nt", reason="needs /bin/sh")
def test_a_closed_standard_error_is_no_fault(stand_in: dict[str, str]) -> None:
    words = ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-c", COMMAND, "a"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, env=stand_in)
    assert done.returncode == 0
    assert done.stdout.startswith("level 3 a\n")


def test_the_real_one_is_silent() -> None:
    environment = {name: value for name, value in os.environ.items() if "TF_CPP" not in name}
    done = run(environment | {"CUDA_VISIBLE_DEVICES": "-1"})
    assert (done.returncode, done.stderr) == (0, "ours\n")
