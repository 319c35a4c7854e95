"""What every command does alike: options from a preset, errors in one sentence, exit codes."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonargparse

from tf_muscle.config import Config, bundled, from_options
from tf_muscle.errors import UserError, one_line, system_errors
from tf_muscle.tensorflow_log import VERBOSE, VERBOSE_HELP, set_up

DEFAULT_PRESET = "sample.yaml"

# The options' help texts are the docstrings below the fields in config.py.
jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


def run_command(
    command: Callable[[Sequence[str]], int | None], argv: Sequence[str] | None = None
) -> int:
    """Runs a command and turns what its user can mend into one line and exit code 2.

    --verbose is taken here, since it has to be known before TensorFlow is imported.

    Returns:
        The exit code: the command's own, if it gives one, else 0.
    """
    words = sys.argv[1:] if argv is None else argv
    verbose = VERBOSE in words
    set_up(verbose=verbose)
    try:
        with system_errors("the output of this command", "give the same command again"):
            code = command([word for word in words if word != VERBOSE])
    except UserError as error:
        for problem in (error, *getattr(error, "__notes__", ())):
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not verbose and type(error).__module__.startswith("tensorflow."):
            error.add_note(f"The same command with {VERBOSE} shows also what TensorFlow says.")
        raise
    return code or 0


def preset_path(argv: Sequence[str]) -> Path | None:
    """The preset that the options name, to call the run after it."""
    for i, word in enumerate(argv):
        if word == "--config" and i + 1 < len(argv):
            return Path(argv[i + 1])
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def config_parser(prog: str, description: str) -> jsonargparse.ArgumentParser:
    """A parser with --config and every option of `Config`."""
    parser = command_parser(prog, description)
    parser.add_argument(
        "--config",
        action="config",
        help=f"Preset: a YAML file of options, which the command line overrides. Without it, the "
        f"bundled {DEFAULT_PRESET}, whose values then hold in place of the defaults named here.",
    )
    for concern in dataclasses.fields(Config):
        parser.add_class_arguments(concern.type)
    return parser


def command_parser(
    prog: str, description: str, positional: str = ""
) -> jsonargparse.ArgumentParser:
    """A parser that leaves errors to `parse` and takes no abbreviated options."""
    return jsonargparse.ArgumentParser(
        prog=f"python -m tf_muscle.{prog}",
        usage=f"%(prog)s {positional}[options]",
        description=description,
        epilog=f"{VERBOSE}: {VERBOSE_HELP}",
        exit_on_error=False,
        allow_abbrev=False,
    )


def parse(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> dict[str, Any]:
    """Parses options into a flat dictionary.

    Raises:
        UserError: an option is unknown or its value is not of its kind.
    """
    try:
        return vars(parser.parse_args(list(argv)))
    except (argparse.ArgumentError, UnicodeDecodeError) as error:
        raise UserError(f"{one_line(error)}; {parser.prog} --help lists the options") from error


def parse_config(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> Config:
    """Parses options over a preset; without --config, over configs/sample.yaml.

    Raises:
        UserError: an option is unknown or out of range, or the preset cannot be read.
    """
    return from_options(parse_over_preset(parser, with_values(argv), DEFAULT_PRESET))


def parse_over_preset(
    parser: jsonargparse.ArgumentParser, argv: Sequence[str], default_preset: str
) -> dict[str, Any]:
    """Parses options over the presets that they name, or over a bundled one.

    Raises:
        UserError: an option is unknown, or the preset cannot be read.
    """
    presets, others = _presets_apart(argv)
    if not presets:
        presets = ["--config", default_preset]
    presets = [_bundled_preset(word) for word in presets]
    try:
        parse(parser, presets)
    except UserError as error:
        raise UserError(f"{' '.join(presets)}: {error}") from error
    # jsonargparse lets the later word win; an option wins over a preset wherever it stands.
    return parse(parser, [*presets, *others])


def _presets_apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates --config and its values from the other words."""
    presets: list[str] = []
    others: list[str] = []
    for word in argv:
        is_preset = word.split("=")[0] == "--config" or presets[-1:] == ["--config"]
        (presets if is_preset else others).append(word)
    return presets, others


def _bundled_preset(word: str) -> str:
    """The path of a preset that is given by its name alone: unh_gym or unh_gym.yaml."""
    option, _, value = word.rpartition("=")
    path = bundled("configs") / f"{value.removesuffix('.yaml')}.yaml"
    if Path(value).exists() or Path(value).name != value or not path.is_file():
        return word
    return f"{option}={path}" if option else str(path)


def with_values(argv: Sequence[str], *more_concerns: type) -> list[str]:
    """Writes a switch out: `--preview` alone means `--preview true`.

    Args:
        argv: the options.
        more_concerns: dataclasses of options beside those of `Config`.
    """
    switches = {
        f"--{field.name}"
        for concern in (*(field.type for field in dataclasses.fields(Config)), *more_concerns)
        for field in dataclasses.fields(concern)  # type: ignore[arg-type]
        if field.type is bool
    }
    words = []
    for i, word in enumerate(argv):
        words.append(word)
        if word in switches and (i + 1 == len(argv) or argv[i + 1].startswith("-")):
            words.append("true")
    return words
