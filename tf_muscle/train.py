"""From an export to a trained and evaluated model: `python -m tf_muscle.train [options]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.cluster.pieces import asked_cluster
from tf_muscle.command import (
    DEFAULT_PRESET,
    add_cluster,
    config_parser,
    parse,
    parse_over_preset,
    run_command,
)
from tf_muscle.config import from_options
from tf_muscle.errors import UserError, listed
from tf_muscle.options import SAMPLE
from tf_muscle.runs.folder import default_name, find_run

WITH_RESUME = ("resume", "data", "cluster", "worker_gpus")  # options that are not the run's own


def main(argv: Sequence[str]) -> int:
    """The command.

    Raises:
        UserError: something that the user can mend; see `training.start.train`.
    """
    parser = config_parser(
        "train",
        "Train, evaluate and export a muscle segmentation model. The report that the options name "
        "is that of the original work, by Somanna and Keladi Ganapathi.",
    )
    parser.add_argument(
        "--resume",
        type=str,
        help="Go on with this interrupted run, runs/NAME, and with its own options. Only --data "
        "may be given with it, if the run's export was moved, and --cluster for a run with folds.",
    )
    add_cluster(parser)
    options = parse_over_preset(parser, argv, DEFAULT_PRESET)
    cluster = asked_cluster(options)
    if options["resume"]:
        presets = options["config"]
        given = {"config": presets} if presets else parse(parser, argv, defaults=False)
        if others := [f"--{name}" for name in given if name not in WITH_RESUME]:
            raise UserError(
                "--resume RUN goes on with the run's own options: give no other one with it than "
                f"--data, where the run's export lies now, and --cluster, got {listed(others)}"
            )
        from tf_muscle.training.start import resume

        resume(find_run(options["resume"]), given.get("data"), cluster)
        return 0
    config = from_options(options)
    preset = options["config"][0] if options["config"] else DEFAULT_PRESET
    if not options["config"] and config.data.data != SAMPLE:
        print(
            f"note: without --config the options are those of configs/{DEFAULT_PRESET}, which suit "
            "the bundled sample; --config muscles is the recipe for photos of your own"
        )
    run_name = config.run.run_name or default_name(Path(preset).stem)
    if cluster and (config.run.preview or config.run.fold is not None):
        other = "preview" if config.run.preview else "fold"
        raise UserError(f"--{other} is done by this process: leave out --cluster, or --{other}")
    from tf_muscle.training.start import train

    train(config, run_name, cluster)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
