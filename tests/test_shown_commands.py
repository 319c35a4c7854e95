"""Every command line in README.md and docs/ is one that its command takes; none is carried out."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from command_lines import CommandLine, argument_lists, shown_command_lines

import tf_muscle.command
from tf_muscle.__main__ import COMMANDS
from tf_muscle.config import from_options
from tf_muscle.errors import UserError

LINES = shown_command_lines()
OURS = {module.removesuffix(".__main__") for module in COMMANDS.values()} | {"tuner"}
# Words that stand for what the reader fills in, where a command wants more than any word.
FILLED_IN = {
    **{"N": "1", "START": "1", "END": "2"},
    **dict.fromkeys(("FILE", "FILE.yaml", "base.yaml"), "configs/muscles.yaml"),
}


class Parsed(Exception):  # noqa: N818 - it is no fault
    """The options were taken, so that the command need not go on."""


def stopping(parser: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A function that parses and then goes no further."""

    def parse_and_stop(*args: Any, **kwargs: Any) -> dict[str, Any]:
        options = parser(*args, **kwargs)
        if parser is tf_muscle.command.parse_over_preset and not options.get("resume"):
            from_options(options)  # options that contradict each other
        raise Parsed

    return parse_and_stop


def take(module: str, argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a command parse its options.

    Raises:
        Parsed: it took them.
        UserError: it refused them.
    """
    if module.endswith("tuner"):  # a package, whose name in a checkout is `tuner`
        importlib.import_module(f"{module}.options").parse_search(argv)
        raise Parsed
    command = importlib.import_module(module)
    for name in ("parse_over_preset", "parse"):
        if hasattr(command, name):
            monkeypatch.setattr(command, name, stopping(getattr(tf_muscle.command, name)))
    command.main(argv)


def command_of(line: CommandLine) -> tuple[str, str]:
    """The module of a line, and its words."""
    if line.module != "tf-muscle":
        return line.module, line.words
    command, _, words = line.words.partition(" ")
    return COMMANDS[command].removesuffix(".__main__"), words


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.page} {line.module} {line.words}")
def test_a_command_takes_what_is_shown_of_it(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tf_muscle.config.bundled("configs").parent)
    module, words = command_of(line)
    if module.startswith("benchmarks"):
        assert importlib.util.find_spec(module)
    if module not in OURS:
        return
    for argv in argument_lists(words):
        if argv:
            with pytest.raises(Parsed):
                take(module, [FILLED_IN.get(word, word) for word in argv], monkeypatch)


def test_every_command_is_shown() -> None:
    shown = {command_of(line)[0] for line in LINES if line.words}
    assert shown >= OURS - {"tuner"}


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("tf_muscle.train", ["--epoch", "3"]),
        ("tf_muscle.train", ["--epochs", "0"]),
        ("tf_muscle.predict", ["MODEL", "photo.jpg", "--format", "png"]),
        ("tf_muscle.compare", ["predictions/A"]),
        ("tuner", ["--retrain", "--optimizer", "lion"]),
    ],
)
def test_what_a_command_refuses_is_noticed(
    module: str, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError):
        take(module, argv, monkeypatch)


def test_words_are_read_as_a_reader_does() -> None:
    assert argument_lists("RUN [--count 40] SOURCE... [--format mask|coco]") == [
        ["RUN", "--count", "40", "SOURCE", "--format", "mask"],
        ["RUN", "--count", "40", "SOURCE", "--format", "coco"],
    ]
    assert argument_lists('x.mp4 --emg_channel "biceps=EMG 1" [options]') == [
        ["x.mp4", "--emg_channel", "biceps=EMG 1"]
    ]
