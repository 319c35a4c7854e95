"""Where a training starts and goes on: one model, or one a fold."""

from pathlib import Path

from tf_muscle.cluster.address import Cluster
from tf_muscle.config import Config, from_options
from tf_muscle.errors import UserError
from tf_muscle.options import DataConfig
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.folder import RunFolder, default_name, read_options, refuse_existing
from tf_muscle.tracking.trackers import refuse_unreachable
from tf_muscle.training.divide import divide_into_folds, divide_once, survey_photos
from tf_muscle.training.folds import cross_validate, resume_folds
from tf_muscle.training.loop import resume_model, train_model
from tf_muscle.training.preview import preview


def train(config: Config, run_name: str | None = None, cluster: Cluster | None = None) -> RunFolder:
    """Trains, evaluates, reports and exports: all of a run. With `preview`, only shows its photos.

    Prints its progress. Ctrl-C ends it after the epoch; whatever else interrupts it,
    `python -m tf_muscle.train --resume runs/NAME` goes on with it.

    Args:
        config: `Config`, every option.
        run_name: string, the folder in runs_dir and in saved_models_dir; by default the config's
            run_name, or "run" and the time.
        cluster: `tf_muscle.cluster.address.Cluster`, whose workers train a fold each; None for
            this process.

    Returns:
        `RunFolder`: the paths of the run's files, such as `model`, `report` and `history`. It is
        itself a path of the folder, which `evaluate`, `load_predictor` and `export` take. With
        `folds`, it has `fold_runs`, a `RunFolder` each, and no model of its own. With `preview`,
        there is no such folder.

    Raises:
        UserError: something that the user can mend; a new run leaves nothing behind then.

    Examples:
        >>> import tf_muscle
        >>> config = tf_muscle.Config.of(
        ...     data="muscles.zip", image_size=32, encoder="resnet18", encoder_weights="none",
        ...     epochs=1, batch_size=4,
        ... )
        >>> run = tf_muscle.train(config, "mine")
        >>> run.model.as_posix()
        'runs/mine/best.keras'
    """
    run_name = run_name or config.run.run_name or default_name("run")
    if config.run.preview:
        preview(config, run_name, _previewed(config.data, config.run.fold))
        return RunFolder(Path(config.run.runs_dir) / run_name)
    refuse_unreachable(config.run.log)
    if config.data.folds:
        return cross_validate(config, run_name, cluster)
    refuse_one_training(cluster)
    if not config.data.split_groups:
        return train_model(config, run_name)
    refuse_existing(config.run, run_name)
    photos = survey_photos(config.data)
    return train_model(config, run_name, assignment=divide_once(photos, config.data))


def _previewed(config: DataConfig, fold: int | None) -> Assignment | None:
    """The division whose training photos are shown: of a fold, of groups, or the export's own."""
    if config.folds:
        return divide_into_folds(survey_photos(config), config).assignment(fold or 1)
    return divide_once(survey_photos(config), config) if config.split_groups else None


def resume(run: RunFolder, data: str | None = None, cluster: Cluster | None = None) -> RunFolder:
    """Goes on with an interrupted run; see `loop.resume_model` and `folds.resume_folds`.

    Raises:
        UserError: a tracker of the run cannot be used, or what these two raise.
    """
    refuse_unreachable(from_options(read_options(run)).run.log, run)
    if run.folds.is_file():
        return resume_folds(run, data, cluster)
    refuse_one_training(cluster)
    return resume_model(run, data)


def refuse_one_training(cluster: Cluster | None) -> None:
    """Refuses to spread one training over machines.

    Raises:
        UserError: there is a cluster.
    """
    if cluster:
        raise UserError(
            f"--cluster {cluster.address} trains no single model, since one training stays on one "
            "machine: give --folds with it, or search with it by tf-muscle tune"
        )
