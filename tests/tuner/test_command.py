import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.tuner.workers import VARIABLES, Role, role

CHECKOUT = Path(__file__).parents[2]


def tune(*argv: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tf_muscle.tuner", *argv],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k not in VARIABLES} | environment,
        check=False,
    )


def test_help_needs_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, tf_muscle.tuner.__main__, tf_muscle.tuner.results\n"
        "try: tf_muscle.tuner.__main__.main(['--help'])\n"
        "except SystemExit: print('tensorflow' in sys.modules, 'keras_tuner' in sys.modules)"
    )
    started = time.monotonic()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("False False\n")
    assert "--stop_collapsed" in run.stdout
    assert time.monotonic() - started < 5  # 0.4 s on an idle machine


def test_same_command_twice_named() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tf_muscle", "tune", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("usage: python -m tf_muscle.tuner [options]")


def test_folders_name_starts_it_in_a_checkout() -> None:
    """With one copy of each module: none by the name that it has when installed."""
    code = (
        "import sys, tuner.__main__, tuner.results\n"
        "print([name for name in sys.modules if name.startswith('tf_muscle.tuner')])"
    )
    for words, told in ((["-m", "tuner", "--help"], "usage: python -m tf_m"), (["-c", code], "[]")):
        run = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=True, cwd=CHECKOUT
        )
        assert run.stdout.startswith(told)


def test_mistake_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    run = tune("--epochs", "0", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == "error: --epochs must be at least 1, got 0\n"
    assert list(tmp_path.iterdir()) == []


def test_retrain_does_not_take_a_name_that_exists(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine-best").mkdir(parents=True)
    run = tune("--name", "mine", "--retrain", cwd=tmp_path)
    assert run.returncode == 2
    assert "mine-best exists and is never overwritten" in run.stderr
    assert not (tmp_path / "runs" / "tuner").exists()


def test_half_set_environment_is_named(tmp_path: Path) -> None:
    run = tune("--name", "mine", cwd=tmp_path, KERASTUNER_ORACLE_IP="127.0.0.1")
    assert run.returncode == 2
    assert "KERASTUNER_TUNER_ID and KERASTUNER_ORACLE_PORT" in run.stderr


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Role("alone")),
        ({"KERASTUNER_TUNER_ID": "worker1"}, Role("alone")),
        (
            dict(zip(VARIABLES, ("chief", "10.0.0.1", "8000"), strict=True)),
            Role("chief", "chief", "10.0.0.1:8000"),
        ),
        (
            dict(zip(VARIABLES, ("worker1", "10.0.0.1", "8000"), strict=True)),
            Role("worker", "worker1", "10.0.0.1:8000"),
        ),
    ],
)
def test_roles(values: dict[str, str], expected: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert role() == expected


def test_worker_without_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "10.0.0.1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker1")
    monkeypatch.delenv("KERASTUNER_ORACLE_PORT", raising=False)
    with pytest.raises(UserError, match="KERASTUNER_ORACLE_PORT"):
        role()
