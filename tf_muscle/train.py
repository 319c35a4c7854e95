"""From an export to a trained and evaluated model: `python -m tf_muscle.train [options]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.command import (
    DEFAULT_PRESET,
    command_parser,
    config_parser,
    parse,
    parse_config,
    preset_path,
    run_command,
)
from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder, default_name, find_run


def parse_resume(argv: Sequence[str]) -> tuple[RunFolder, str | None]:
    """The run of --resume, and where its export lies now, if that is given.

    Raises:
        UserError: there is no such run, or other options are given.
    """
    parser = command_parser("train", "Go on with a run.")
    parser.add_argument("--resume", type=str)
    parser.add_argument("--data", type=str | None)
    try:
        options = parse(parser, argv)
    except UserError as error:
        raise UserError(
            "--resume RUN goes on with the run's own options: give no other one with it than "
            f"--data, where the run's export lies now ({error})"
        ) from error
    return find_run(options["resume"]), options["data"]


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = config_parser("train", "Train, evaluate and export a muscle segmentation model.")
    parser.add_argument(
        "--resume",
        type=str | None,
        help="Go on with this interrupted run, with its own options; only --data may be given too, "
        "if the run's export was moved.",
    )
    words = list(argv)
    if any(word.split("=")[0] == "--resume" for word in words):
        run, data = parse_resume(words)
        from tf_muscle.training.loop import resume

        resume(run, data)
        return
    config = parse_config(parser, words)
    preset = preset_path(words) or Path(DEFAULT_PRESET)
    run_name = config.run.run_name or default_name(preset.stem)
    if config.run.preview:
        from tf_muscle.training.preview import preview

        preview(config, run_name)
    else:
        from tf_muscle.training.loop import train

        train(config, run_name)


if __name__ == "__main__":
    sys.exit(run_command(main))
