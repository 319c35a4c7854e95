"""The fuzz run in a process of its own, so that its memory is measured and limited."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="needs Linux or macOS")


def run(inputs: int, *words: str) -> int:
    """How many inputs were read, none of which broke a promise."""
    script = Path(__file__).with_name("fuzz.py")
    command = [sys.executable, str(script), "--inputs", str(inputs), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^(\d+) inputs, no promise broken$", done.stdout, re.MULTILINE)
    assert counted
    return int(counted[1])


def test_a_hundred_hostile_inputs_keep_every_promise() -> None:
    assert run(100, "--seed", "0") >= 100


@pytest.mark.slow
def test_five_thousand_hostile_inputs_keep_every_promise() -> None:
    assert run(5_200) >= 5_000
