"""A search from its forecast to its results."""

import shutil
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console

from tf_muscle.atomic import replacing
from tf_muscle.data.dataset import Data
from tf_muscle.errors import UserError
from tf_muscle.model.metrics import floor_mean_iou
from tf_muscle.processor import Choice, this_processor
from tf_muscle.report.history import read_history
from tf_muscle.report.plots import learning_curves
from tf_muscle.roboflow.archive import is_bundled_sample
from tf_muscle.runs.environment import versions
from tf_muscle.runs.folder import write_json
from tf_muscle.training.device import choose_precision, description, refuse_uneven_batches

from . import figures, forecast
from .folder import SearchFolder, read_record
from .hypermodel import SegmentationHyperModel
from .options import Search
from .oracle import IDENTITY, make_oracle
from .results import Row, ranked, rows_of, short_table, write_results
from .trial_runner import TrialRunner
from .workers import SILENCE, Role, named_errors, repeating


class SearchProcess:
    """A process' part in a search.

    Args:
        folder: of this process; nothing is written to it before `run`.
        search: the options.
        data: the loaded export.
        role: alone, chief or worker.

    Raises:
        UserError: the machine cannot train with these options.
    """

    def __init__(self, folder: SearchFolder, search: Search, data: Data, role: Role):
        # TensorFlow warns of the same function in many models, which is what a search is.
        tf.get_logger().setLevel("ERROR")
        self.folder = folder
        self.search = search
        self.role = role
        precision = Choice("float32", "a chief trains nothing")
        self.machine: dict[str, str] = {}
        if role.kind != "chief":
            precision = choose_precision(search.base.run.precision)
            self.machine = {
                "processor": str(this_processor()),
                "kernels": str(this_processor().kernels),
                "device": description(),
                "precision": str(precision),
            }
        self.hypermodel = SegmentationHyperModel(search, data, precision.name)
        for batch_size in search.space()["batch_size"]:
            refuse_uneven_batches(batch_size, self.hypermodel.devices.num_replicas_in_sync)
        self.oracle = make_oracle(search, self.hypermodel.hyperparameters(), folder)

    def run(self) -> list[Row]:
        """Runs the trials that are left and writes the results.

        Returns:
            A row a trial; a worker has none.

        Raises:
            UserError: chief and worker do not find each other or do not agree, or the folder's
                records cannot be read back.
        """
        runner = TrialRunner(self.hypermodel, self.oracle, self.search, self.folder, self.role)
        if self.role.kind == "worker":
            with named_errors(self.role.address):
                self.refuse_other_search(runner)
                runner.search()
            return []
        if self.role.kind == "alone":
            self.print_forecast()
        self.oracle.on_change = self.write
        try:
            if self.role.kind == "chief":
                print(f"The chief of {self.search.name} waits for workers at {self.role.address}")
                take_back = repeating(lambda: self.oracle.take_back_lost(SILENCE))
                with named_errors(self.role.address), take_back:
                    runner.search()
            else:
                runner.search()
        except KeyboardInterrupt:
            print("\nThe same command goes on from here.")
            raise
        runner.prune()
        self.draw()
        rows = self.write()
        Console().print(short_table(rows, self.search))
        print(f"Results: {self.folder.results_page}")
        return rows

    def print_forecast(self) -> None:
        """Says what is left to do and what it will cost."""
        trials = forecast.plan(self.oracle, self.search)
        ended = self.folder.ended_trials()
        print(f"Search {self.search.name}: {self.search.options.method}, {len(trials)} trials")
        if len(ended) == len(trials):
            print("Every trial has ended: the search is complete")
            return
        print("Timing a few steps ...", flush=True)
        timing = forecast.measure(self.hypermodel, self.search, self.machine["device"])
        self.machine["encoder_weights"] = str(self.hypermodel.encoder_weights)
        cost = forecast.forecast(timing, trials, ended, self.search)
        lines = forecast.sentences(cost, timing, self.search, len(trials))
        print("\n".join(lines), flush=True)

    def refuse_other_search(self, worker: TrialRunner) -> None:
        """Compares a worker's options and data with the chief's.

        Raises:
            UserError: they differ.
        """
        theirs, ours = worker.oracle.get_space(), self.hypermodel.hyperparameters()
        if theirs.get(IDENTITY) != ours.get(IDENTITY):
            raise UserError(
                f"the chief at {self.role.address} has another search or other data: give chief "
                "and workers the same options and the same export"
            )

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, device and what is known of the data, as they were when the search began."""
        if self.folder.environment.is_file():
            return read_record(self.folder.environment)
        info = self.hypermodel.data.info
        known = {
            "name": self.search.base.data.data,
            "synthetic": is_bundled_sample(info.fingerprint),
            "floor_mean_iou": floor_mean_iou(np.array(info.pixel_counts["valid"])),
        }
        environment = {**versions(), **self.machine, "data": known | asdict(info)}
        write_json(self.folder.environment, environment)
        return environment

    def write(self) -> list[Row]:
        """Writes the tables."""
        rows = rows_of(self.oracle.trials, self.search)
        write_results(self.folder, rows, self.search, self.environment)
        return rows

    def draw(self) -> None:
        """Draws the pictures of results.md."""
        rows = ranked(rows_of(self.oracle.trials, self.search), self.search)
        scored = [row for row in rows if row.objective is not None]
        if not scored:
            return
        objective = self.search.options.objective
        synthetic, floor = (self.environment["data"][k] for k in ("synthetic", "floor_mean_iou"))
        shutil.rmtree(self.folder.figures, ignore_errors=True)  # of fewer trials
        with replacing(self.folder.figures) as drawn:
            drawn.mkdir()
            figures.hyperparameter_effects(
                scored,
                objective,
                drawn / "hyperparameter_effects.png",
                floor=floor if objective == "val_mean_iou" else None,
                synthetic=synthetic,
            )
            run = self.folder.best_execution(scored[0].trial, objective)
            if run is None:
                print(f"The curves of trial {scored[0].trial} lie on the machine of its worker.")
                return
            learning_curves(
                read_history(run.history),
                drawn / "best_learning_curves.png",
                floor_mean_iou=floor,
                tie=self.search.base.optimization.tie,
                synthetic=synthetic,
            )
