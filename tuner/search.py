"""A search from its forecast to its results."""

import json
import shutil
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from tensorboard.plugins.hparams import api as hparams

from tf_muscle.atomic import replacing
from tf_muscle.data.dataset import Data
from tf_muscle.errors import UserError
from tf_muscle.model.metrics import floor_mean_iou
from tf_muscle.report.history import read_history
from tf_muscle.report.plots import learning_curves
from tf_muscle.roboflow.archive import is_bundled_sample
from tf_muscle.runs.environment import versions
from tf_muscle.runs.folder import write_json
from tf_muscle.training.device import choose_precision, description, refuse_uneven_batches
from tuner import figures, forecast
from tuner.folder import SearchFolder
from tuner.hypermodel import SegmentationHyperModel
from tuner.options import Search
from tuner.oracle import IDENTITY, make_oracle
from tuner.results import Row, ranked, rows_of, terminal_table, write_results
from tuner.trial_runner import TrialRunner
from tuner.workers import Role, named_errors, watched


def run_search(folder: SearchFolder, search: Search, data: Data, process: Role) -> list[Row]:
    """Runs the trials that are left and writes the results.

    Args:
        folder: of this process.
        search: the options.
        data: of `load_data`.
        process: alone it does everything; a chief hands out trials and writes the results; a worker
            runs trials and writes their records only.

    Returns:
        A row a trial; a worker has none.

    Raises:
        UserError: chief and worker do not find each other or do not agree.
    """
    # TensorFlow warns of the same function in many models, which is what a search is.
    tf.get_logger().setLevel("ERROR")
    hypermodel, machine = prepare(search, data, process)
    oracle = make_oracle(search, hypermodel.hyperparameters())
    runner = TrialRunner(hypermodel, oracle, search, folder, process)
    if process.worker:
        with named_errors(process.address):
            refuse_other_search(runner, hypermodel, process)
            runner.search()
        return []
    if process.alone:
        machine |= print_forecast(folder, search, hypermodel, machine["device"])
    environment = environment_of(folder, search, data, machine)
    write_hparams(folder, search)

    def write() -> list[Row]:
        rows = rows_of(oracle.trials, search)
        write_results(folder, rows, search, environment)
        return rows

    oracle.on_change = write
    try:
        if process.chief:
            print(f"The chief of {search.name} waits for workers at {process.address}", flush=True)
            with named_errors(process.address), watched(oracle):
                runner.search()
        else:
            runner.search()
    except KeyboardInterrupt:
        print("\nThe same command goes on from here.")
        raise
    runner.prune()
    draw_figures(folder, rows_of(oracle.trials, search), search, environment["data"])
    rows = write()
    Console().print(terminal_table(rows, search, environment))
    print(f"Results: {folder.results_page}")
    return rows


def prepare(
    search: Search, data: Data, process: Role
) -> tuple[SegmentationHyperModel, dict[str, str]]:
    """The hypermodel for this machine, and device and precision in words.

    Raises:
        UserError: the machine cannot train with these options.
    """
    if process.chief:
        return SegmentationHyperModel(search, data, "float32"), {}
    precision = choose_precision(search.base.run.precision)
    hypermodel = SegmentationHyperModel(search, data, precision.name)
    for batch_size in search.space()["batch_size"]:
        refuse_uneven_batches(batch_size, hypermodel.devices.num_replicas_in_sync)
    return hypermodel, {"device": description(), "precision": str(precision)}


def print_forecast(
    folder: SearchFolder, search: Search, hypermodel: SegmentationHyperModel, device: str
) -> dict[str, str]:
    """Says what is left to do and what it will cost.

    Returns:
        The encoder weights really used, in words, if a model was built to time it.
    """
    trials = forecast.plan(hypermodel, search)
    ended = folder.ended_trials()
    print(f"Search {search.name}: {search.options.method}, {len(trials)} trials")
    if len(ended) == len(trials):
        return {}
    timing = forecast.measured_once(folder, hypermodel, search, device)
    if folder.options.exists():  # it does not in a dry run
        forecast.save(timing, folder)
    cost = forecast.forecast(timing, trials, ended, search)
    print("\n".join(forecast.sentences(cost, timing, search, len(trials))), flush=True)
    return {"encoder_weights": timing.encoder_weights}


def dry_run(folder: SearchFolder, search: Search, data: Data) -> None:
    """Prints the forecast and leaves nothing behind."""
    hypermodel, machine = prepare(search, data, Role("alone"))
    print_forecast(folder, search, hypermodel, machine["device"])


def refuse_other_search(
    runner: TrialRunner, hypermodel: SegmentationHyperModel, process: Role
) -> None:
    """Compares the worker's options and data with the chief's.

    Raises:
        UserError: they differ.
    """
    theirs, ours = runner.oracle.get_space(), hypermodel.hyperparameters()
    if theirs.get(IDENTITY) != ours.get(IDENTITY):
        raise UserError(
            f"the chief at {process.address} has another search or other data: give chief and "
            "workers the same options and the same export"
        )


def environment_of(
    folder: SearchFolder, search: Search, data: Data, machine: dict[str, str]
) -> dict[str, Any]:
    """Versions, device and what is known of the data, as they were when the search began."""
    if folder.environment.is_file():
        return dict(json.loads(folder.environment.read_text(encoding="utf-8")))
    counts = np.array(data.info.pixel_counts["valid"])
    known = {
        "name": search.base.data.data,
        "synthetic": is_bundled_sample(data.info.fingerprint),
        "floor_mean_iou": floor_mean_iou(counts),
    }
    environment = {**versions(), **machine, "data": known | asdict(data.info)}
    write_json(folder.environment, environment)
    return environment


def write_hparams(folder: SearchFolder, search: Search) -> None:
    """Names the columns of TensorBoard's HParams tab; each trial adds its line."""
    path = folder.path / "tensorboard"
    if path.exists():
        return
    domains = {name: hparams.Discrete(values) for name, values in search.space().items()}
    if search.options.method == "hyperband":  # gives each trial fewer
        domains["epochs"] = hparams.IntInterval(1, max(search.space()["epochs"]))
    scores = {"mean_iou": "mIoU", "foreground_mean_iou": "foreground mIoU", "loss": "loss"}
    with tf.summary.create_file_writer(str(path)).as_default():
        hparams.hparams_config(
            hparams=[hparams.HParam(name, domain) for name, domain in domains.items()],
            metrics=[
                hparams.Metric(f"epoch_{name}", group="validation", display_name=f"val {label}")
                for name, label in scores.items()
            ],
        )


def draw_figures(
    folder: SearchFolder, rows: list[Row], search: Search, data: dict[str, Any]
) -> None:
    """Draws the pictures of results.md."""
    scored = [row for row in ranked(rows, search) if row.objective is not None]
    if not scored:
        return
    objective = search.options.objective
    synthetic = data["synthetic"]
    shutil.rmtree(folder.figures, ignore_errors=True)  # of fewer trials
    with replacing(folder.figures) as drawn:
        drawn.mkdir()
        figures.parallel_coordinates(
            scored, objective, drawn / "parallel_coordinates.png", synthetic=synthetic
        )
        figures.hyperparameter_effects(
            scored,
            objective,
            drawn / "hyperparameter_effects.png",
            floor=data["floor_mean_iou"] if objective == "val_mean_iou" else None,
            synthetic=synthetic,
        )
        run = folder.best_execution(scored[0].trial, objective)
        if run is None:
            print(f"The curves of trial {scored[0].trial} lie on the machine of its worker.")
            return
        learning_curves(
            read_history(run.history),
            drawn / "best_learning_curves.png",
            floor_mean_iou=data["floor_mean_iou"],
            tie=search.base.optimization.tie,
            synthetic=synthetic,
        )
