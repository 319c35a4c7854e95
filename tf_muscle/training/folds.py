"""Cross-validation: a run for each fold, and one report over all photos."""

import dataclasses
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras

from tf_muscle.atomic import locked, make_folder, only_process
from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import results
from tf_muscle.config import Config, from_options
from tf_muscle.errors import UserError, listed, system_errors
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.runs.folder import (
    RunFolder,
    find_data,
    new_run,
    read_options,
    refuse_existing,
    refuse_other_export,
)
from tf_muscle.runs.folds import Folds, read_folds
from tf_muscle.runs.manifest import differences
from tf_muscle.tracking.trackers import tracked
from tf_muscle.training.divide import describe, divide_into_folds, survey_photos
from tf_muscle.training.loop import resume_model, train_model
from tf_muscle.training.out_of_fold import put_together

# Options that machines which share the folds may give differently: where things lie there.
PLACES = ("data", "data_dir", "groups", "runs_dir", "saved_models_dir", "run_name", "fold")


def cross_validate(config: Config, run_name: str, cluster: Cluster | None = None) -> RunFolder:
    """Divides the photos, trains the model of every fold, or of `fold` alone, and reports.

    With `fold`, the folder may be there: another process has begun it by the same command. Whoever
    finds all folds complete writes the report.

    Raises:
        UserError: something that the user can mend; see `training.start.train`.
        KeyboardInterrupt: ctrl-C ended the training of a fold.
    """
    run = RunFolder(Path(config.run.runs_dir) / run_name)
    shared = config.run.fold is not None
    if shared and config.run.run_name is None:
        raise UserError(
            f"--fold {config.run.fold} needs --run_name: give the same one with every fold"
        )
    if not (shared and run.folds.is_file()):
        refuse_existing(config.run, run_name)
    photos = survey_photos(config.data)
    folds = divide_into_folds(photos, config.data)
    for line in describe(photos, folds):
        print(line)
    config = dataclasses.replace(
        config,
        data=photos.geometry.resolved(config.data),
        run=dataclasses.replace(config.run, run_name=run_name),
    )
    make_folder(run.path.parent)
    with locked(run.path.with_name(f".{run_name}.lock")):  # two machines may start at once
        if shared and run.folds.is_file():
            _refuse_others(run, config, folds)
        else:
            new_run(_for_all(config), run_name, folds=folds.to_json())
    return train_folds(run, config, folds, cluster)


def resume_folds(
    run: RunFolder, data: str | None = None, cluster: Cluster | None = None
) -> RunFolder:
    """Goes on with the folds that are not complete, with the run's own options.

    Args:
        run: that holds folds.json.
        data: where its export lies now, if it was moved.
        cluster: see `train_folds`.

    Raises:
        UserError: it is complete, another process is at a fold, or something that the user can
            mend.
        KeyboardInterrupt: ctrl-C ended the training of a fold.
    """
    if run.metrics.is_file():
        raise UserError(f"{run.path} is complete: see {run.report}")
    options = read_options(run)
    data = data or find_data(options["data"], f"--resume {run.path}")
    folds = read_folds(run)
    refuse_other_export(run, data, fingerprint(export_path(data)), folds.fingerprint)
    path = run.path.absolute()
    places = {"data": data, "runs_dir": str(path.parent), "run_name": path.name}
    return train_folds(run, from_options(options | places), folds, cluster)


def train_folds(
    run: RunFolder, config: Config, folds: Folds, cluster: Cluster | None = None
) -> RunFolder:
    """Trains what is not complete of `fold`, or of all folds, and reports if all are complete.

    Args:
        run: that holds folds.json.
        config: its options.
        folds: which photo is tested in which fold.
        cluster: whose workers train a fold each; None for one after the other in this process.
    """
    numbers = range(1, folds.count + 1)
    chosen = numbers if config.run.fold is None else [config.run.fold]
    complete = [number for number in chosen if run.fold_run(number).manifest.is_file()]
    for number in complete:
        _train_alone(run, config, folds, number)
    make = partial(_trainer, run, config, folds)
    rest = [number for number in chosen if number not in complete]
    for _ in results(rest, make, cluster, "fold {}".format):
        pass
    open_folds = [number for number in numbers if not run.fold_run(number).manifest.is_file()]
    if open_folds:
        print(
            f"Folds that are not complete: {listed(open_folds)}. Train them by --fold, or by "
            f"--resume {run.path}"
        )
        return run
    with (
        system_errors(run.path, f"go on by --resume {run.path}"),
        locked(run.path / ".lock"),  # two machines may finish at once
    ):
        if not run.metrics.is_file():
            put_together(run, _for_all(config), folds)
            with tracked(run, _for_all(config), folds.fingerprint) as trackers:
                trackers.log_result()
    print(f"All {folds.count} folds are done: {run.report}")
    return run


def _trainer(run: RunFolder, config: Config, folds: Folds) -> Callable[[int], None]:
    """What trains a fold by its number, in this process or in a worker."""
    return partial(_train_alone, run, config, folds)


def _train_alone(run: RunFolder, config: Config, folds: Folds, number: int) -> None:
    """Trains a fold, and keeps other processes from it."""
    refusal = (
        f"fold {number} of {run.path} is being trained by another process: wait for it, or give "
        "another --fold"
    )
    with (
        system_errors(run.path, f"go on by --resume {run.path}"),
        only_process(run.path, refusal, f".fold_{number}.lock"),
    ):
        _train_fold(run, config, folds, number)


def _train_fold(run: RunFolder, config: Config, folds: Folds, number: int) -> None:
    fold = run.fold_run(number)
    if fold.manifest.is_file():
        shutil.rmtree(fold.checkpoints, ignore_errors=True)  # if it was killed just before that
        print(f"Fold {number} of {folds.count} is complete: {fold.report}")
        return
    print(f"Fold {number} of {folds.count}")
    keras.backend.clear_session()  # of the fold before
    if fold.config.is_file():
        resume_model(fold, config.data.data)
        return
    of_fold = dataclasses.replace(config, run=dataclasses.replace(config.run, fold=number))
    name = f"{run.path.name}/{fold.path.name}"
    train_model(of_fold, name, assignment=folds.assignment(number))


def _for_all(config: Config) -> Config:
    """The options of the whole, of which one fold may be trained here."""
    return dataclasses.replace(config, run=dataclasses.replace(config.run, fold=None))


def _refuse_others(run: RunFolder, config: Config, folds: Folds) -> None:
    """Refuses to train a fold of another run than this command's.

    Raises:
        UserError: options, photos or folds differ.
    """
    begun = read_folds(run)
    refuse_other_export(run, config.data.data, folds.fingerprint, begun.fingerprint)
    then, now = (
        {name: str(value) for name, value in options.items() if name not in PLACES}
        for options in (from_options(read_options(run)).flat(), config.flat())
    )
    if changed := differences(then, now):
        raise UserError(
            f"{run.path} was begun with other options ({listed(changed)}): give the same ones with "
            "every --fold, or another --run_name"
        )
    if begun != folds:
        raise UserError(
            f"{run.folds} divides the photos in another way than this command does: give the same "
            "--groups, and use the same version of scikit-learn"
        )
