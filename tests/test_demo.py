import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tf_muscle import demo
from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.options import SAMPLE
from tf_muscle.page import opening

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command, which must not come as far as loading a model; exit code and output."""

    def load(model: str, *, calibrated: bool) -> None:
        raise UserError("the model was loaded")

    monkeypatch.setattr(opening, "load_predictor", load)

    def run(*words: object) -> tuple[int, str]:
        try:
            code = run_command(demo.main, [str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_told_before_the_model_is_loaded(command: Command, taken_port: int) -> None:
    pytest.importorskip("gradio")
    code, output = command("model", "--port", taken_port)
    assert code == 2
    assert output.startswith(f"error: --port {taken_port} cannot be had (")
    assert output.count("\n") == 1


def test_without_gradio_the_line_that_installs_it_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, output = command("model")
    assert code == 2
    assert output == (
        'error: the page needs gradio: python -m pip install -c constraints.txt -e ".[demo]"\n'
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model", "--port", "0"], "--port must lie between 1 and 65535, got 0"),
        (["model", "--port", "web"], "Got value: web"),
        (["model", "--host", "0.0.0.0"], "--host"),
    ],
)
def test_options_are_checked(command: Command, words: list[str], told: str) -> None:
    code, output = command(*words)
    assert code == 2
    assert told in output
    assert "the model was loaded" not in output


def test_help_needs_no_model(command: Command) -> None:
    code, output = command("--help")
    assert code == 0
    assert "--share" in output


def test_settings_of_other_pages_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"GRADIO_SHARE": "True", "NO_PROXY": "intranet", "A": "b"})
    monkeypatch.setattr(tempfile, "tempdir", None)
    opening.set_environment(str(tmp_path))
    assert os.environ == {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(tmp_path),
        "no_proxy": "intranet,127.0.0.1",
        "NO_PROXY": "intranet,127.0.0.1",
        "A": "b",
    }
    assert tempfile.gettempdir() == str(tmp_path)


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_run_says_whether_its_photos_were_rendered(tmp_path: Path, synthetic: bool) -> None:
    record = f'{{"data": {{"name": "{SAMPLE}", "synthetic": {str(synthetic).lower()}}}}}'
    (tmp_path / "config.yaml").touch()
    (tmp_path / "environment.json").write_text(record)
    assert opening.trained_on_synthetic(str(tmp_path)) is synthetic
    assert opening.trained_on_synthetic(str(tmp_path / "best.keras")) is synthetic


def test_a_model_without_its_run_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert opening.trained_on_synthetic(str(tmp_path)) is False
    assert opening.trained_on_synthetic(str(tmp_path / "model.keras")) is False
