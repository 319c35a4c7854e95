"""The command: `python -m tuner [options]`, the same as `tf-muscle tune`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder, refuse_existing
from tuner.folder import SearchFolder, open_folder
from tuner.options import Search, parse_search
from tuner.workers import role

if TYPE_CHECKING:
    from tuner.results import Row


def main(argv: Sequence[str]) -> None:
    """The command."""
    process = role()
    search = parse_search(argv)
    path = Path(search.base.run.runs_dir) / "tuner" / search.name
    if process.worker:
        path = SearchFolder(path).workers / process.tuner_id
    retrains = search.options.retrain and not process.worker
    if retrains and not path.exists():
        refuse_existing(search.base.run, best_run_name(search))

    import tensorflow as tf

    from tf_muscle.data.dataset import load_data, say_notes

    if process.chief:  # it trains nothing, and would take a GPU's memory away from the workers
        tf.config.set_visible_devices([], "GPU")
    data = load_data(search.base.data)

    from tuner.search import dry_run, run_search

    say_notes(search.base, data)
    if search.options.dry_run:
        if SearchFolder(path).options.is_file():
            open_folder(path, search, data.info.fingerprint)  # refuses another search
        dry_run(SearchFolder(path), search, data)
        return
    folder, found = open_folder(path, search, data.info.fingerprint)
    with folder.lock():
        if found:
            print(f"{path} holds this search: going on with it")
        rows = run_search(folder, search, data, process)
    if process.worker:
        print("No trial is left; the chief writes the results.")
        return
    if all(row.objective is None for row in rows):
        raise UserError(f"no trial completed: {folder.results_page} says why")
    if retrains:
        retrain(search, rows)


def best_run_name(search: Search) -> str:
    """The run of --retrain."""
    return f"{search.name}-best"


def retrain(search: Search, rows: "Sequence[Row]") -> None:
    """Trains, judges and exports the best combination, or goes on with that."""
    import keras

    from tf_muscle.training.loop import resume, train
    from tuner.results import ranked

    keras.backend.clear_session()
    name = best_run_name(search)
    run = RunFolder(Path(search.base.run.runs_dir) / name)
    if run.certificate.is_file():
        print(f"{run.path} is complete: see {run.report}")
    elif run.config.is_file():
        resume(run)
    else:
        train(search.config(ranked(rows, search)[0].combination), name)


if __name__ == "__main__":
    sys.exit(run_command(main))
