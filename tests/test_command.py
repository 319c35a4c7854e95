import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from train_options import train_config

from tf_muscle.__main__ import COMMANDS
from tf_muscle.command import config_parser, parse_over_preset, run_command
from tf_muscle.config import Config
from tf_muscle.errors import UserError


@pytest.fixture
def preset(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 9\nlearning_rate: 1e-3\nencoder_weights: none\ndata_dir: null\n")
    return str(path)


def test_preset_fills_the_options(preset: str) -> None:
    config = train_config("--config", preset)
    assert config.optimization.epochs == 9
    assert config.optimization.learning_rate == 0.001
    assert config.model.encoder_weights == "none"
    assert config.data.data_dir is None
    assert config.data.image_size == Config().data.image_size  # unnamed: the default


def test_option_wins_over_the_preset_wherever_it_stands(preset: str) -> None:
    assert train_config("--config", preset, "--epochs", "3").optimization.epochs == 3
    assert train_config("--epochs", "3", "--config", preset).optimization.epochs == 3
    assert train_config("--epochs=3", f"--config={preset}").optimization.epochs == 3
    assert train_config("--preview", "--config", preset).run.preview


def test_later_preset_wins(preset: str, tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("epochs: 4\n")
    config = train_config("--config", preset, "--config", str(second))
    assert config.optimization.epochs == 4
    assert config.optimization.learning_rate == 0.001


def test_without_preset_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Path(__file__).parents[1] / "configs" / "sample.yaml"
    monkeypatch.chdir(tmp_path)  # found from anywhere
    assert train_config() == train_config("--config", str(sample))
    assert train_config("--epochs", "7").optimization.epochs == 7


def test_switch_needs_no_value() -> None:
    assert train_config("--preview", "--epochs", "2").run.preview
    assert train_config("--epochs", "2", "--preview").run.preview
    assert train_config("--preview", "true").run.preview
    assert not train_config("--preview", "false").run.preview
    assert not train_config("--preview=false").run.preview
    assert not train_config().run.preview
    config = train_config("--deterministic", "--epochs", "1")
    assert config.run.deterministic
    assert config.optimization.epochs == 1


def test_list_takes_words() -> None:
    config = train_config("--log", "mlflow", "wandb", "--epochs", "2")
    assert config.run.log == ["mlflow", "wandb"]
    assert config.optimization.epochs == 2
    assert train_config("--log=wandb").run.log == ["wandb"]
    assert train_config().run.log == ["tensorboard"]


def test_texts_stay_texts() -> None:
    config = train_config("--run_name", "1e3", "--data", "2024", "--encoder_weights", "none")
    assert config.run.run_name == "1e3"
    assert config.data.data == "2024"
    assert config.model.encoder_weights == "none"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--bogus", "1"], "--bogus"),
        (["--epo", "1"], "--epo"),  # an abbreviation may mean another option tomorrow
        (["extra"], "extra"),
        (["--epochs", "ten"], "ten"),
        (["--epochs", "2.5"], "2.5"),
        (["--epochs"], "--epochs"),
        (["--loss", "hinge"], "hinge"),
        (["--preview", "maybe"], "maybe"),
        (["--config"], "--config"),
        (["--batch_size", "0"], "--batch_size"),
    ],
)
def test_wrong_option_is_one_sentence(argv: Sequence[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        train_config(*argv)
    message = str(caught.value)
    assert told in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"epoch: 9\n", "epoch"),
        (b"epochs: ten\n", "ten"),
        (b"epochs: [\n", ""),
        (b"- epochs\n", ""),
        (b"", ""),
        (b"\xff\xfe\x00", ""),
        (None, "does not exist"),
    ],
)
def test_wrong_preset_is_named(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        train_config("--epochs", "1", "--config", str(path))
    message = str(caught.value)
    assert message.startswith(f"--config {path}: ")
    assert told in message
    assert "\n" not in message


def test_verbose_is_taken_before_the_options(tmp_path: Path) -> None:
    told: list[str] = []

    def command(words: Sequence[str]) -> int:
        told.extend(words)
        return 0

    run_command(command, ["--epochs", "1", "--verbose"])
    assert told == ["--epochs", "1"]
    preset = tmp_path / "loud.yaml"
    preset.write_text("verbose: true\n")
    with pytest.raises(UserError, match="verbose"):
        train_config("--config", str(preset))


def test_presets_are_told(preset: str) -> None:
    def presets(*argv: str) -> list[str]:
        return parse_over_preset(config_parser("train", ""), argv, "sample.yaml")["config"]

    assert presets("--epochs", "1", "--config", preset) == [preset]
    assert presets(f"--config={preset}", "--config", "unh_gym")[0] == preset
    assert [Path(path).stem for path in presets("--config", "unh_gym")] == ["unh_gym"]
    assert presets("--epochs", "1") == []


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    def user_error(argv: Sequence[str]) -> int:
        raise UserError(f"bad {argv[0]}")

    def interrupted(argv: Sequence[str]) -> int:
        raise KeyboardInterrupt

    def broken(argv: Sequence[str]) -> int:
        raise ZeroDivisionError

    assert run_command(lambda argv: 0, []) == 0
    assert run_command(lambda argv: 1, []) == 1
    assert run_command(user_error, ["x"]) == 2
    assert capsys.readouterr().err == "error: bad x\n"
    assert run_command(interrupted, []) == 130
    with pytest.raises(ZeroDivisionError):  # our mistakes keep their traceback
        run_command(broken, [])


def test_command_line_of_the_shell() -> None:
    """The whole way: one line on stderr, exit code 2, nothing on stdout, and --help."""
    command = [sys.executable, "-m", "tf_muscle.train"]
    wrong = subprocess.run([*command, "--epochs", "0"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr == "error: --epochs must be at least 1, got 0\n"
    assert wrong.stdout == ""
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    for name in Config().flat():
        assert f"--{name}" in helped.stdout
    assert "--verbose" in helped.stdout
    assert "StepLR" in helped.stdout  # the docstrings of config.py are the help texts


@pytest.mark.parametrize("command", COMMANDS)
def test_help_answers_at_once(command: str) -> None:
    """No command imports TensorFlow to say what it can do, and each option is told by itself."""
    script = (
        f"import sys\nfrom {COMMANDS[command]} import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    sys.stderr.write(str('tensorflow' in sys.modules or 'keras' in sys.modules))"
    )
    helped = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert helped.stderr == "False"
    assert "usage: " in helped.stdout
    assert "Likewise" not in helped.stdout
    assert "As in training" not in helped.stdout
