"""The command: `tf-muscle tune [options]`, also `python -m tf_muscle.tuner`.

In a checkout `python -m tuner` starts it too. The modules here import one another relatively, so
that there is one copy of each, whichever way the command was started.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.runs.folder import RunFolder, refuse_existing

from .folder import SearchFolder, open_folder
from .on_cluster import become_chief, search_with_workers, take_cluster
from .options import Search, parse_search
from .workers import role


def main(argv: Sequence[str]) -> int:
    """The command."""
    search = parse_search(argv)
    cluster, words = take_cluster(argv)
    if search.options.dry_run:
        cluster = None
    process = become_chief(cluster) if cluster else role()
    folder = SearchFolder(Path(search.base.run.runs_dir) / "tuner" / search.name)
    if process.kind == "worker":
        folder = SearchFolder(folder.workers / process.tuner_id)
    best_run = f"{search.name}-best"
    retrains = search.options.retrain and process.kind != "worker"
    if retrains and not folder.path.exists():
        refuse_existing(search.base.run, best_run)

    import tensorflow as tf

    from tf_muscle.data.dataset import load_data, print_notes

    if process.kind == "chief":  # else it would take a GPU's memory away from the workers
        tf.config.set_visible_devices([], "GPU")
    data = load_data(search.base.data)

    from .results import ranked
    from .search import SearchProcess

    print_notes(search.base, data)
    found = open_folder(folder, search, data.info.fingerprint)
    if search.options.dry_run:
        SearchProcess(folder, search, data, process).print_forecast()
        return 0
    with folder.lock():
        if found:
            print(f"{folder.path} holds this search: going on with it")
        run = SearchProcess(folder, search, data, process).run
        if cluster:
            trials = search.max_trials() or len(search.combinations())
            rows = search_with_workers(run, main, words, trials, cluster)
        else:
            rows = run()
    if process.kind == "worker":
        print("No trial is left; the chief writes the results.")
        return 0
    if all(row.objective is None for row in rows):
        raise UserError(f"no trial completed: {folder.results_page} says why")
    if retrains:
        if process.kind == "chief" and tf.config.list_physical_devices("GPU"):
            print(f"Training {best_run} on the CPU: a chief leaves the GPUs to its workers")
        retrain(search, search.config(ranked(rows, search)[0].combination), best_run)
    return 0


def retrain(search: Search, config: Config, run_name: str) -> None:
    """Trains, evaluates and exports the best combination, or resumes its training."""
    import keras

    from tf_muscle.training.start import resume, train

    keras.backend.clear_session()
    run = RunFolder(Path(search.base.run.runs_dir) / run_name)
    if run.manifest.is_file():
        print(f"{run.path} is complete: see {run.report}")
    elif run.config.is_file():
        resume(run)
    else:
        train(config, run_name)


if __name__ == "__main__":
    sys.exit(run_command(main))
