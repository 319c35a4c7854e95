"""The photos that have a label already: those of the export that a run was trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tf_muscle.config import from_options
from tf_muscle.errors import UserError
from tf_muscle.inspection.measure import perceptual_hashes
from tf_muscle.labelling.candidates import Looks, Place, Sample, examined, sampled
from tf_muscle.labelling.choosing import Labelled
from tf_muscle.options import DataConfig
from tf_muscle.prediction.photos import read_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.roboflow.archive import export_path, open_export
from tf_muscle.roboflow.reader import read_export
from tf_muscle.roboflow.records import ALL, Example
from tf_muscle.roboflow.split_folder import shown
from tf_muscle.runs.assignment import read_assignment
from tf_muscle.runs.folder import RunFolder, find_data, find_run, read_options
from tf_muscle.runs.folds import trained_runs
from tf_muscle.training.photo_choice import PhotoChoice


@dataclass(frozen=True)
class LabelledPhotos:
    """What is labelled.

    Attributes:
        known: for the choice.
        names: of the photos that the model was trained on, in the order of their features.
        sentence: for the user, on where they are from, or why there are none.
    """

    known: Labelled
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class _Source:
    """An export, and how the run has divided it; without a run every training photo counts."""

    data: DataConfig
    run: RunFolder | None


def look_at_labelled(
    networks: Looks, predictor: Predictor, model: str, data: str | None
) -> LabelledPhotos:
    """Looks at the labelled photos, so that others are chosen.

    Args:
        networks: of the model.
        predictor: of the same model.
        model: its path or name.
        data: the export with the labelled photos; by default the one that the run was trained on.

    Raises:
        UserError: `data` is no export, or the run's photos cannot be read.
    """
    source = _source(model, data)
    if isinstance(source, str):
        nothing = Labelled(np.empty((0, 1)), np.empty((0, 2, 4), np.uint64))
        return LabelledPhotos(nothing, (), source)
    with open_export(export_path(source.data.data)) as root:
        trained, others = _examples(root, source)
        looked = examined(
            networks, _samples(trained, predictor), predictor.class_ids, predictor.batch_size
        )
        candidates = list(looked)
        hashes = [one.hashes for one in candidates]
        hashes += [found for one in others if (found := perceptual_hashes(one)) is not None]
        names = tuple(shown(one.image_path) for one in trained)
    features = [one.features.astype(np.float32) for one in candidates]
    known = Labelled(
        np.array(features).reshape(len(features), -1) if features else np.empty((0, 1)),
        np.array(hashes, np.uint64).reshape(-1, 2, 4),
    )
    sentence = (
        f"{len(hashes)} photos of {source.data.data} are labelled, and the model learned from "
        f"{len(features)} of them: what is chosen is unlike these."
    )
    return LabelledPhotos(known, names, sentence)


def _source(model: str, data: str | None) -> _Source | str:
    """Where the labelled photos are, or a sentence on why nobody knows."""
    another = "what is labelled may be suggested again. Give the labelled photos by --data EXPORT"
    run = None if Path(model).suffix == ".keras" else find_run(model)
    if run is None:
        if data is None:
            return f"{model} does not tell which photos are labelled, so {another}."
        return _Source(DataConfig(data=data), None)
    reading = from_options(read_options(run)).data
    if data is None:
        try:
            find_data(reading.data, "")
        except UserError:
            return f"{reading.data}, the run's export, is gone, so {another}."
        return _Source(reading, run)
    if PhotoChoice(data).are_own(trained_runs(run)[0]):  # it was moved
        return _Source(replace(reading, data=data), run)
    return _Source(DataConfig(data=data), None)


def _examples(root: Path, source: _Source) -> tuple[list[Example], list[Example]]:
    """The photos that the model learned from, and the other labelled ones."""
    run, data = source.run, source.data
    assignment = None if run is None or run.folds.is_file() else read_assignment(run)
    if run is None or run.folds.is_file() or assignment:
        splits = read_export(root, ignore=data.ignore, split=ALL).splits
    else:
        splits = read_export(
            root, split_seed=data.split_seed, allow_leakage=True, ignore=data.ignore
        ).splits
    trained: list[Example] = []
    others: list[Example] = []
    for split, examples in splits.items():
        for example in examples:
            learned = split == "train"
            if run and run.folds.is_file():  # all photos, by one fold or another
                learned = True
            elif assignment:
                learned = f"{split}/{example.file_name}" in assignment.photos["train"]
            (trained if learned else others).append(example)
    return trained, others


def _samples(examples: list[Example], predictor: Predictor) -> Iterator[Sample]:
    for example in examples:
        image = read_photo(example.image_path)
        yield sampled(Place(example.image_path), image, predictor.geometry)
