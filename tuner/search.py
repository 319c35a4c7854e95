"""A search from its forecast to its results."""

import shutil
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console

from tf_muscle.atomic import replacing
from tf_muscle.data.dataset import Data, is_synthetic
from tf_muscle.device import choose_precision, description, refuse_uneven_batches
from tf_muscle.errors import UserError
from tf_muscle.model.metrics import floor_mean_iou
from tf_muscle.report.history import read_history
from tf_muscle.report.plots import learning_curves
from tf_muscle.run_folder import versions, write_json
from tuner import figures, forecast
from tuner.folder import SearchFolder, read_record
from tuner.hypermodel import SegmentationHyperModel
from tuner.options import Search
from tuner.oracle import IDENTITY, ResumableOracle, make_oracle
from tuner.results import Row, ranked, rows_of, terminal_table, write_results
from tuner.trial_runner import TrialRunner
from tuner.workers import SILENCE, Role, named_errors, repeating


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
        UserError: chief and worker do not find each other or do not agree, the machine cannot train
            with these options, or the folder's records cannot be read back.
    """
    # TensorFlow warns of the same function in many models, which is what a search is.
    tf.get_logger().setLevel("ERROR")
    hypermodel, machine = prepare(search, data, process)
    oracle = make_oracle(search, hypermodel.hyperparameters(), folder)
    runner = TrialRunner(hypermodel, oracle, search, folder, process)
    if process.kind == "worker":
        with named_errors(process.address):
            refuse_other_search(runner, hypermodel, process)
            runner.search()
        return []
    if process.kind == "alone":
        print_forecast(folder, search, hypermodel, oracle, machine)
    environment = environment_of(folder, search, data, machine)

    def write() -> list[Row]:
        rows = rows_of(oracle.trials, search)
        write_results(folder, rows, search, environment)
        return rows

    oracle.on_change = write
    try:
        if process.kind == "chief":
            print(f"The chief of {search.name} waits for workers at {process.address}", flush=True)
            take_back = repeating(lambda: oracle.take_back_lost(SILENCE))
            with named_errors(process.address), take_back:
                runner.search()
        else:
            runner.search()
    except KeyboardInterrupt:
        print("\nThe same command goes on from here.")
        raise
    runner.prune()
    draw_figures(folder, rows_of(oracle.trials, search), search, environment["data"])
    rows = write()
    Console().print(terminal_table(rows, search))
    print(f"Results: {folder.results_page}")
    return rows


def dry_run(folder: SearchFolder, search: Search, data: Data) -> None:
    """Prints the forecast and leaves nothing behind."""
    hypermodel, machine = prepare(search, data, Role("alone"))
    oracle = make_oracle(search, hypermodel.hyperparameters(), folder)
    print_forecast(folder, search, hypermodel, oracle, machine)


def prepare(
    search: Search, data: Data, process: Role
) -> tuple[SegmentationHyperModel, dict[str, str]]:
    """The hypermodel for this machine, and device and precision in words.

    Raises:
        UserError: the machine cannot train with these options.
    """
    if process.kind == "chief":
        return SegmentationHyperModel(search, data, "float32"), {}
    precision, reason = choose_precision(search.base.run.precision)
    hypermodel = SegmentationHyperModel(search, data, precision)
    for batch_size in search.space()["batch_size"]:
        refuse_uneven_batches(batch_size, hypermodel.devices.num_replicas_in_sync)
    return hypermodel, {"device": description(), "precision": f"{precision} ({reason})"}


def print_forecast(
    folder: SearchFolder,
    search: Search,
    hypermodel: SegmentationHyperModel,
    oracle: ResumableOracle,
    machine: dict[str, str],
) -> None:
    """Says what is left to do and what it will cost.

    Args:
        folder: of the search; need not exist.
        search: the options.
        hypermodel: to time.
        oracle: that has drawn no trial yet, or those in the folder.
        machine: with `device`; gets the encoder weights that a model really started from, in words.
    """
    trials = forecast.plan(oracle, search)
    ended = folder.ended_trials()
    print(f"Search {search.name}: {search.options.method}, {len(trials)} trials")
    if len(ended) == len(trials):
        print("Every trial has ended: the search is complete")
        return
    print("Timing a few steps ...", flush=True)
    timing = forecast.measure(hypermodel, search, machine["device"])
    cost = forecast.forecast(timing, trials, ended, search)
    print("\n".join(forecast.sentences(cost, timing, search, len(trials))), flush=True)
    machine["encoder_weights"] = hypermodel.encoder_weights


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
        return read_record(folder.environment)
    known = {
        "name": search.base.data.data,
        "synthetic": is_synthetic(data.facts),
        "floor_mean_iou": floor_mean_iou(np.array(data.facts["pixel_counts"]["valid"])),
    }
    environment = {**versions(), **machine, "data": known | data.facts}
    write_json(folder.environment, environment)
    return environment


def draw_figures(
    folder: SearchFolder, rows: list[Row], search: Search, data: dict[str, Any]
) -> None:
    """Draws the pictures of results.md."""
    scored = [row for row in ranked(rows, search) if row.objective is not None]
    if not scored:
        return
    objective, synthetic = search.options.objective, data["synthetic"]
    floor = data["floor_mean_iou"]
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
            floor=floor if objective == "val_mean_iou" else None,
            synthetic=synthetic,
        )
        run = folder.best_execution(scored[0].trial, objective)
        if run is None:
            print(f"The curves of trial {scored[0].trial} lie on the machine of its worker.")
            return
        learning_curves(
            read_history(run.history),
            drawn / "best_learning_curves.png",
            floor_mean_iou=floor,
            tie=search.base.optimization.tie,
            synthetic=synthetic,
        )
