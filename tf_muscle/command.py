"""What every command does alike: options from a preset, errors in one sentence, exit codes."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args, get_origin

import jsonargparse

from tf_muscle.config import REMOVED, Config, preset_path, refuse_removed
from tf_muscle.errors import UserError, one_line, system_errors
from tf_muscle.tensorflow_log import VERBOSE, VERBOSE_HELP, set_up

DEFAULT_PRESET = "sample.yaml"

# The options' help texts are the docstrings below the fields in options.py.
jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


def run_command(command: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Runs a command and turns what its user can mend into one line and exit code 2.

    --verbose is taken here, since it has to be known before TensorFlow is imported.

    Returns:
        The exit code: the command's own, 2 for a mistake of the user, 130 for ctrl-C.
    """
    words = sys.argv[1:] if argv is None else argv
    verbose = VERBOSE in words
    set_up(verbose=verbose)
    try:
        with system_errors("the output of this command", "give the same command again"):
            return command([word for word in words if word != VERBOSE])
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


def config_parser(prog: str, description: str) -> jsonargparse.ArgumentParser:
    """A parser with --config and every option of `Config`."""
    parser = command_parser(prog, description)
    parser.add_argument(
        "--config",
        action="config",
        help=f"YAML file of options, or the name of one in configs/. Options on the command line "
        f"override it. Without --config the options come from configs/{DEFAULT_PRESET}, not from "
        f"the defaults that are listed here.",
    )
    for concern in dataclasses.fields(Config):
        add_options(parser, concern.type)  # type: ignore[arg-type]
    for name in REMOVED:  # only so that a config.yaml with them is read
        parser.add_argument(
            f"--{name}", type=Any, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
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


def add_no_calibration(parser: jsonargparse.ArgumentParser) -> None:
    """Adds --no_calibration, of the commands that use a run's calibration."""
    parser.add_argument(
        "--no_calibration",
        action="store_true",
        help="Do without the calibration that python -m tf_muscle.evaluate RUN --calibrate chose.",
    )


def add_cluster(parser: jsonargparse.ArgumentParser) -> None:
    """Adds --cluster and --worker_gpus; `asked_cluster` takes what is given."""
    parser.add_argument(
        "--cluster",
        type=str,
        help="Ray cluster that does the work: local for all cores of this machine, auto for the "
        "cluster that this machine belongs to, or the address HOST:PORT of its head. Without it, "
        "this process does the work.",
    )
    parser.add_argument(
        "--worker_gpus",
        type=float,
        help="GPUs of each worker of a cluster that has some: 1 without it, 0.5 for two workers on "
        "each GPU.",
    )


def add_options(
    parser: jsonargparse.ArgumentParser, concern: type, skip: Collection[str] = ()
) -> None:
    """Adds an option for each field of a dataclass.

    `--preview` alone means `--preview true`, and `--log mlflow wandb` gives a list.
    """
    fields = dataclasses.fields(concern)
    parser.add_class_arguments(concern, skip={field.name for field in fields} & set(skip))
    switches = {field.name for field in fields if field.type is bool}
    lists = {field.name: field.type for field in fields if get_origin(field.type) is list}
    for action in parser._actions:
        if action.dest in switches:
            action.nargs, action.const = "?", True
        elif action.dest in lists:  # the parser takes each word for an item's value then
            (of_item,) = get_args(lists[action.dest])
            action.nargs, action._typehint = "+", of_item  # type: ignore[attr-defined]


@contextmanager
def _parsing(prog: str) -> Iterator[None]:
    """Turns what a parser refuses into one sentence."""
    try:
        yield
    except (argparse.ArgumentError, UnicodeDecodeError) as error:
        reason = one_line(error).replace("Parser key", "option")
        reason = reason.replace("Expected a typing.Literal[", "Expected one of [")
        raise UserError(f"{reason}; {prog} --help lists the options") from error


def parse(
    parser: jsonargparse.ArgumentParser, argv: Sequence[str], *, defaults: bool = True
) -> dict[str, Any]:
    """Parses options into a flat dictionary; without defaults, only those that are given.

    Raises:
        UserError: an option is unknown or its value is not of its kind.
    """
    with _parsing(parser.prog):
        return vars(parser.parse_args(list(argv), defaults=defaults))


def parse_over_preset(
    parser: jsonargparse.ArgumentParser,
    argv: Sequence[str],
    default_preset: str,
    not_in_presets: Collection[str] = (),
) -> dict[str, Any]:
    """Parses options over the presets that they name, or over a bundled one.

    An option wins over a preset wherever it stands, and a later preset over an earlier one.

    Args:
        parser: with the options.
        argv: words of the command line.
        default_preset: name of the bundled one.
        not_in_presets: options without a default that are taken from the command line only.

    Returns:
        Flat options; "config" holds the paths of the presets that were named.

    Raises:
        UserError: an option is unknown or no longer exists, or a preset cannot be read.
    """
    apart = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    apart.add_argument("--config", action="append", type=preset_path, default=[])
    with _parsing(parser.prog):
        named, others = apart.parse_known_args(list(argv))
    for word in others:
        if word.startswith("--") and word[2:].split("=")[0] in REMOVED:
            raise UserError(
                f"{word} is no option any more, since learning from photos without masks did not "
                "pay (docs/recipe.md): leave it out"
            )
    presets: list[str] = named.config or [preset_path(default_preset)]
    for preset in presets:
        try:
            options = parse(parser, ["--config", preset])
        except UserError as error:
            raise UserError(f"--config {preset}: {error}") from error
        refuse_removed(options, f"--config {preset}")
        for name in not_in_presets:
            if options[name] is not None:
                raise UserError(
                    f"--config {preset} holds {name}: {options[name]}, which is for the command "
                    f"line: give --{name} there, and leave it out of the preset"
                )
    words = [word for preset in presets for word in ("--config", preset)]
    return parse(parser, [*words, *others]) | vars(named)
