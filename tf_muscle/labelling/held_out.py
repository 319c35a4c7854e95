"""The photos of a run's export that the run was not fitted to, and which of them can be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from tf_muscle.data.prepare import refuse_other_classes
from tf_muscle.errors import UserError, listed
from tf_muscle.labelling.readable import fault, readable_export
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.archive import fingerprint, open_export, split_names
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.reader import read_export
from tf_muscle.roboflow.records import ALL, VOID, Example, Export
from tf_muscle.roboflow.split_folder import shown
from tf_muscle.runs.assignment import read_assignment
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import read_folds, trained_runs


@contextmanager
def opened_export(
    run: RunFolder, path: Path, reading: DataConfig
) -> Iterator[tuple[Export, dict[str, Example], dict[str, str]]]:
    """Opens the export of a run for the length of the block, and says what has to be known of it.

    Args:
        run: finished.
        path: where its export lies now.
        reading: how the run read it.

    Yields:
        The export; its photos that the run was not fitted to, by name ("train/X.jpg"); and, by the
        names of those that are gone or cannot be decoded, why.

    Raises:
        UserError: the export has other classes, cannot be read, or no longer tells what the run
            held out.
    """
    names = _names(run)
    known = read_environment(trained_runs(run)[0]).info
    changed = fingerprint(path) != known.fingerprint
    lacking = [split for split in ("valid", "test") if split not in split_names(path)]
    if changed and names is None and lacking:
        raise UserError(
            f"{path} has changed since {run.path} was trained, and without a folder "
            f"{listed(lacking)} nothing tells which photos were held out: give the export as it was"
        )
    read = partial(
        read_export,
        split_seed=reading.split_seed,
        allow_leakage=reading.allow_leakage,
        ignore=reading.ignore,
        split=None if names is None else ALL,
    )
    with open_export(path) as root, readable_export(root, read) as (export, left_out):
        refuse_other_classes(export.class_names, str(path), known.class_names)
        if names is None:
            found = {
                shown(example.image_path): example
                for split in ("valid", "test")
                for example in export.splits[split]
            }
            skipped = {n: why for n, why in left_out.items() if not n.startswith("train/")}
        else:
            present = {
                f"{split}/{example.file_name}": example
                for split, examples in export.splits.items()
                for example in examples
            }
            found = {name: present[name] for name in names if name in present}
            gone = dict.fromkeys(names, "it is not in the export any more")
            skipped = {n: why for n, why in (gone | left_out).items() if n not in found}
        if changed:
            print(
                f"{path} has changed since {run.path} was trained: its masks are reviewed as they "
                "are now, photos are found by their names"
            )
        if not run.folds.is_file():
            print(
                f"{run.path} has no folds, so only the {len(found)} photos of valid and test are "
                "reviewed, to which it was not fitted; train with --folds to review every photo"
            )
        faults = {name: _fault(example, len(known.class_names)) for name, example in found.items()}
        skipped |= {name: why for name, why in faults.items() if why}
        yield export, {name: found[name] for name, why in faults.items() if not why}, skipped


def _fault(example: Example, class_count: int) -> str | None:
    """Why a photo or its mask cannot be used, in a few words; None if both can be."""
    if found := fault(example.image_path):
        return found
    try:
        ids = np.unique(read_mask(example))
    except UserError as error:
        return str(error)
    unknown = ids[(ids >= class_count) & (ids != VOID)].tolist()
    return f"its mask contains unknown class ids ({listed(unknown)})" if unknown else None


def _names(run: RunFolder) -> tuple[str, ...] | None:
    """The photos that a run was not fitted to, "train/X.jpg"; None for its export's valid and test.

    Raises:
        UserError: the folds are not put together, or a file of the run is damaged.
    """
    if run.folds.is_file():
        if not run.out_of_fold.is_dir():
            raise UserError(
                f"{run.out_of_fold} is missing: finish the run by python -m tf_muscle.train "
                f"--resume {run.path} first"
            )
        return tuple(photo.name for photo in read_folds(run).photos)
    assignment = read_assignment(run)
    if assignment is None:
        return None
    return tuple(name for split in ("valid", "test") for name in assignment.photos[split])
