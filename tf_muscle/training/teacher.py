"""The model that teaches another one: loaded, recorded, and what it has seen of the photos."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from tf_muscle.config import Config
from tf_muscle.data.dataset import Data
from tf_muscle.data.pipeline import load_names
from tf_muscle.data.prepare import load_divided
from tf_muscle.errors import UserError, listed, one_line, shortened
from tf_muscle.model.distilling import Teach
from tf_muscle.prediction.model_files import load_model
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_run, read_options
from tf_muscle.runs.folds import trained_runs
from tf_muscle.runs.manifest import digests
from tf_muscle.runs.teacher import Teacher
from tf_muscle.training.photo_choice import own_names


def load_teacher(config: Config, data: Data) -> Teach:
    """Loads the model that `distill` names.

    Raises:
        UserError: there is no such model, or it cannot teach this run.
    """
    name = str(config.optimization.distill)
    loaded = load_model(name, None, other_sizes=False, calibrated=False)
    if list(loaded.class_names) != data.class_names:
        raise UserError(
            f"--distill {name} has the classes {listed(loaded.class_names)}, the export has "
            f"{listed(data.class_names)}: give a teacher with these, in this order"
        )
    size = config.augment.crop or config.data.image_size
    try:
        loaded.forward(tf.zeros((1, size, size, 3), tf.uint8))
    except Exception as error:  # TensorFlow's, of a model for one size
        raise UserError(
            f"--distill {name} cannot take photos of {size}x{size} pixels "
            f"({shortened(one_line(error))}): give a model for photos of any size"
        ) from error
    if loaded.geometry != data.geometry:
        print(
            f"WARNING: --distill {name} was trained on photos of {loaded.geometry.size} pixels "
            f"({loaded.geometry.described}) and sees those of this run, {data.geometry.size} "
            f"({data.geometry.described}), at which it is not at its best: --image_size, --resize "
            "and --aspect of its config.yaml would suit it",
            file=sys.stderr,
        )
    return loaded.forward


def teacher_of(config: Config, assignment: Assignment | None, resumed: RunFolder | None) -> Teacher:
    """What the run keeps of its teacher, and prints what that means for its scores.

    Photos are compared by the names of their sources. The run's test photos count as seen, too,
    where they chose the teacher's epoch.

    Args:
        config: with `distill`.
        assignment: the run's own division of the photos.
        resumed: an interrupted run, whose teacher it has to be.

    Raises:
        UserError: the teacher is no finished model, or another than before.
    """
    name = str(config.optimization.distill)
    runs = _runs_of(name)
    builder = load_divided(config.data, assignment)
    held_out = {
        split: {source for _, source in load_names(builder, split, assignment)}
        for split in ("valid", "test")
    }
    seen: dict[str, int] | None = None
    places = [_export_of(run, config.data.data) for run in runs]
    if runs and None not in places:
        known = {
            split: {
                source
                for run, place in zip(runs, places, strict=True)
                for _, source in own_names(run, str(place), split)
            }
            for split in ("train", "valid")
        }
        seen = {
            "valid": len(held_out["valid"] & known["train"]),
            "test": len(held_out["test"] & (known["train"] | known["valid"])),
        }
    teacher = Teacher(name, digests_of_teacher(name), seen)
    if resumed and resumed.environment.is_file():
        before = read_environment(resumed).teacher
        refuse_changed_teacher(name, teacher.digests, before.digests if before else {}, resumed)
    if teacher.warning:
        print(f"WARNING: {teacher.warning}", file=sys.stderr)
    return teacher


def digests_of_teacher(name: str) -> dict[str, str]:
    """SHA-256 of the files of a run's, .keras file's or SavedModel's weights, by their names."""
    path = Path(name)
    if (path / "saved_model.pb").is_file():
        return digests(path, [path / "saved_model.pb", *(path / "variables").iterdir()])
    if path.suffix == ".keras":
        return digests(path.parent, [path])
    run = find_run(name)
    return digests(run.path, [one.model for one in trained_runs(run)])


def refuse_changed_teacher(
    name: str, now: Mapping[str, str], then: Mapping[str, str], run: RunFolder
) -> None:
    """Refuses to go on with another teacher than before.

    Args:
        name: what the user calls the teacher.
        now: of `digests_of_teacher`.
        then: what the run has recorded.
        run: it.

    Raises:
        UserError: its files are others.
    """
    if dict(now) != dict(then):
        raise UserError(
            f"--distill {name} is not the model that {run.path} was started with, or has changed "
            "since then: put it back as it was, or start a new run"
        )


def _runs_of(name: str) -> Sequence[RunFolder]:
    """The runs that made a teacher; none of what is no run."""
    path = Path(name)
    if path.suffix == ".keras" or (path / "saved_model.pb").is_file():
        return ()
    return trained_runs(find_run(name))


def _export_of(run: RunFolder, data: str) -> str | None:
    """Where the export of a run lies: it may be the one at hand; None if it is gone."""
    if fingerprint(export_path(data)) == read_environment(run).info.fingerprint:
        return data
    own = read_options(run)["data"]
    found = own == "sample" or Path(own).expanduser().exists()
    return own if found else None
