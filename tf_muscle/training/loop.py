"""The training loop: from an export to a trained, evaluated and exported model."""

import dataclasses
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

import keras
import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.config import Config, from_options, refuse_removed
from tf_muscle.data.augment import Augmenter, without_baked
from tf_muscle.data.dataset import Data, load_data, print_notes
from tf_muscle.data.pipeline import (
    as_arrays,
    batches_per_epoch,
    evaluation_batches,
    training_batches,
)
from tf_muscle.errors import UserError, system_errors
from tf_muscle.model.compiled import AugmentingModel, compiled_model, encoder_asked_for
from tf_muscle.model.metrics import floor_mean_iou
from tf_muscle.processor import this_processor
from tf_muscle.roboflow.archive import is_bundled_sample
from tf_muscle.runs.assignment import Assignment, read_assignment
from tf_muscle.runs.encoder import HubEncoder, encoder_of
from tf_muscle.runs.environment import (
    EncoderStart,
    Environment,
    Machine,
    record_resume,
    refuse_changed_data,
    versions,
)
from tf_muscle.runs.folder import (
    RunFolder,
    find_data,
    new_run,
    read_options,
    refuse_existing,
    write_json,
)
from tf_muscle.tracking.trackers import tracked
from tf_muscle.training import callbacks as ours
from tf_muscle.training.budget import ExpectedEnd, within_minutes
from tf_muscle.training.checkpoints import Backup
from tf_muscle.training.device import (
    choose_precision,
    description,
    refuse_uneven_batches,
    seed_everything,
    strategy,
)
from tf_muscle.training.finish import finish, predict_untrained
from tf_muscle.training.teacher import load_teacher, teacher_of

WATCHED = 4  # validation photos whose predictions go to TensorBoard


def train_model(
    config: Config,
    run_name: str,
    *,
    resumed: RunFolder | None = None,
    assignment: Assignment | None = None,
) -> RunFolder:
    """Trains, evaluates, reports and exports one model: all of a run.

    Args:
        config: every option.
        run_name: the folder in runs_dir; that of a fold is "NAME/fold_2".
        resumed: an interrupted run to go on with in place of a new one; see `resume_model`.
        assignment: which photos are in which split; by default the export's own division.

    Raises:
        UserError: something that the user can mend; a new run leaves nothing behind then.
        KeyboardInterrupt: ctrl-C ended the training of a fold, whose epochs have to be those of the
            other folds.
    """
    started = time.time()
    if resumed is None:
        refuse_existing(config.run, run_name)
    data = load_data(config.data, assignment)
    config = dataclasses.replace(config, data=data.geometry.resolved(config.data))

    if resumed:
        refuse_changed_data(resumed, config.data.data, data.info.fingerprint)
        if config.data.data != read_options(resumed)["data"]:
            with replacing(resumed.config) as unfinished:
                config.save(unfinished)
    left_out = print_notes(config, data)
    encoder = encoder_of(resumed, config.model.encoder) if resumed else encoder_asked_for(config)
    devices = strategy()
    teacher = record = None
    if config.optimization.distill and not (resumed and resumed.model.is_file()):
        with devices.scope():
            teacher = load_teacher(config, data)
        record = teacher_of(config, assignment, resumed)
    # Behind the teacher, so that a model with one starts from the same weights as one without.
    seed_everything(config.run.seed, config.run.deterministic)
    precision = choose_precision(config.run.precision)
    print(f"Computing in {precision.name} on {description()} ({precision.reason})")
    processor = this_processor()
    print(f"Processor: {processor}; kernels: {processor.kernels}")
    replicas = devices.num_replicas_in_sync
    refuse_uneven_batches(config.optimization.batch_size, replicas)
    steps_per_epoch = batches_per_epoch(
        data.splits["train"], config.optimization.batch_size, drop_remainder=replicas > 1
    )
    goes_on = resumed is not None and (
        Backup(resumed.backup, steps_per_epoch).exists or resumed.model.is_file()
    )

    def build(config: Config) -> tuple[keras.Model, EncoderStart]:
        with devices.scope():
            return compiled_model(config, data, precision.name, steps_per_epoch, teacher, encoder)

    if minutes := config.run.minutes:  # of a new run: a resumed one knows its epochs
        config = within_minutes(config, data, lambda config: build(config)[0], fit, started)
        seed_everything(config.run.seed, config.run.deterministic)  # as if no step had been timed
    start = config.model
    if goes_on:  # the checkpoint holds the encoder too
        start = dataclasses.replace(start, encoder_weights="none")
    model, encoder_weights = build(dataclasses.replace(config, model=start))

    records = {"split": assignment.to_json()} if assignment else {}
    if isinstance(encoder, HubEncoder):
        records["encoder"] = encoder.to_json()
    run = resumed or new_run(config, run_name, **records)
    machine = Machine(versions(), str(processor), processor.kernels, description(), precision)
    lock = nullcontext() if resumed else run.lock()
    with system_errors(run.path, f"go on by --resume {run.path}"), lock:
        if goes_on:
            record_resume(run, config.data.data, machine)
        else:
            environment = Environment(
                machine,
                encoder_weights,
                augmentation_left_out=tuple(left_out),
                loss=model.loss.get_config(),
                data=config.data.data,
                synthetic=is_bundled_sample(data.info.fingerprint),
                info=data.info,
                minutes=minutes,
                teacher=record,
            )
            write_json(run.environment, environment.to_json())
        if not run.untrained_masks.is_file():
            predict_untrained(model, data.splits["test"], run)
        with tracked(run, config, data.info.fingerprint) as trackers:
            if not run.model.is_file():
                told = [ours.LogToTrackers(trackers)]
                interrupted = fit_with_records(model, config, data, run, steps_per_epoch, told)
                if interrupted and config.run.fold:
                    raise KeyboardInterrupt
            finish(run, config, data)
            trackers.log_result()
    print(f"Done in {(time.time() - started) / 60:.1f} minutes: {run.report}")
    return run


def resume_model(run: RunFolder, data: str | None = None) -> RunFolder:
    """Goes on with an interrupted run of one model, with its own options.

    Args:
        run: the run.
        data: where its export lies now, if it was moved.

    Raises:
        UserError: it is complete, another process is at it, it has options that no longer exist,
            or something that the user can mend.
    """
    with system_errors(run.path, f"go on by --resume {run.path}"), run.lock():
        if run.manifest.is_file():
            shutil.rmtree(run.checkpoints, ignore_errors=True)  # if it was killed just before that
            raise UserError(f"{run.path} is complete: see {run.report}")
        options = read_options(run)
        refuse_removed(options, run.path)
        moved = {"data": data or find_data(options["data"], f"--resume {run.path}")}
        config = from_options(options | moved)
        return train_model(config, run.path.name, resumed=run, assignment=read_assignment(run))


def fit_with_records(
    model: keras.Model,
    config: Config,
    data: Data,
    run: RunFolder,
    steps_per_epoch: int,
    more_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> bool:
    """Trains with all records and checkpoints, from where the run's last checkpoint stands.

    What `more_callbacks` add to the logs is recorded. Returns whether ctrl-C ended the training.
    """
    backup = Backup(run.backup, steps_per_epoch)
    epochs_done = backup.restore(model)
    rows = ours.trim_history(run.history, epochs_done)
    best_before = max((float(row[ours.MONITOR]) for row in rows), default=-1.0)
    pictured = "tensorboard" in config.run.log
    watched = as_arrays(data.splits["valid"], WATCHED)[:2]
    interrupt = ours.FinishEpochOnInterrupt(print)
    stop_on_nan = ours.StopOnNaN()
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        stop_on_nan,
        ours.LearningRate(),
        ExpectedEnd(batches_per_epoch(data.splits["valid"], config.optimization.batch_size), print),
        *more_callbacks,
        ours.WarnOnCollapse(floor_mean_iou(np.array(data.info.pixel_counts["valid"])), print),
        interrupt,
        ours.BestWeights(run.best_weights, best_before, config.optimization.tie),
        *(ours.tensorboard(run.tensorboard, *watched, data.class_names) if pictured else ()),
        ours.HistoryFile(run.history),
        backup,
    ]
    if config.optimization.early_stopping:
        patience = config.optimization.early_stopping
        stopping = ours.EarlyStopping(patience, [float(row[ours.MONITOR]) for row in rows])
        callbacks.append(stopping)
        if stopping.is_over:  # killed after the last epoch, before its model was evaluated
            return False
    with interrupt.listening():
        fit(model, config, data, callbacks, epochs_done=epochs_done)
    lower = f"lower --learning_rate (it was {config.optimization.learning_rate})"
    if not run.best_weights.exists():
        raise UserError(
            f"{run.path}: the loss or the weights became NaN or infinite in the first epoch, so "
            f"there is no model; {lower}"
        )
    if stop_on_nan.epoch is not None:
        print(
            f"WARNING: the loss or the weights became NaN or infinite in epoch "
            f"{stop_on_nan.epoch + 1}, so the training ended there and the best epoch before it is "
            f"kept; {lower} to train on",
            file=sys.stderr,
        )
    return interrupt.interrupted


def fit(
    model: keras.Model,
    config: Config,
    data: Data,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    epochs_done: int = 0,
) -> None:
    """Trains the model, with validation after every epoch.

    Args:
        model: compiled; from uint8 images [B, S, S, 3] to logits [B, S, S, K].
        config: augmentation, seed, epochs and batch size.
        data: the loaded export; its train and valid splits are used.
        callbacks: Keras callbacks, run in this order.
        epochs_done: epochs that an interrupted run has behind it; 0 for a new one.
    """
    batch_size = config.optimization.batch_size
    # A smaller last batch would leave some of several devices with nothing to normalise.
    even = model.distribute_strategy.num_replicas_in_sync > 1
    steps = batches_per_epoch(data.splits["train"], batch_size, drop_remainder=even)
    recipe, _ = without_baked(config.augment, data.info.baked_augmentation)
    seed = config.run.seed
    batches = training_batches(
        data.splits["train"],
        batch_size,
        seed,
        None if isinstance(model, AugmentingModel) else Augmenter(recipe, seed),
        skipped_batches=epochs_done * steps,
        drop_remainder=even,
    )
    model.fit(
        batches,
        epochs=config.optimization.epochs,
        initial_epoch=epochs_done,
        steps_per_epoch=steps,
        validation_data=evaluation_batches(data.splits["valid"], batch_size),
        callbacks=list(callbacks),
        shuffle=False,  # the batches are; Keras warns otherwise
        verbose="auto" if sys.stdout.isatty() else 2,
    )
