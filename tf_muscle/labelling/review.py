"""Which masks of a run's export are doubtful: a page, a table, and the photos to correct.

index.html      the most doubtful photos, with their masks and what the model says
doubtful.csv    every doubtful region of every photo
to_correct/     the most doubtful photos with their annotation, an export like the one they are from
predicted/      the same photos with the predicted masks in place of the annotation
"""

import os
from collections import defaultdict
from pathlib import Path

from tf_muscle.atomic import refuse_folder, replacing
from tf_muscle.config import from_options
from tf_muscle.data.geometry import Geometry
from tf_muscle.data.marking import likeliest
from tf_muscle.errors import UserError, at_least, listed
from tf_muscle.inspection.resplit import write_resplit
from tf_muscle.labelling.held_out import opened_export
from tf_muscle.labelling.predictions import Predictions, predictions, with_predictions
from tf_muscle.labelling.ranking import DoubtfulPhoto, Review, rank
from tf_muscle.labelling.review_page import Pictured, picture, write_page
from tf_muscle.prediction.dataset_folders import CocoFolder, MaskFolder, UniqueNames
from tf_muscle.prediction.photos import open_photo
from tf_muscle.report.csv_file import csv_writer
from tf_muscle.roboflow.archive import export_path
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.records import Export
from tf_muscle.roboflow.split_folder import shown
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import find_data, find_run, read_options
from tf_muscle.runs.folds import trained_runs


def review(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    count: int = 40,
) -> Review:
    """Ranks the photos of a run's export by how doubtful their masks are.

    Args:
        run: a finished run, best one with folds: its `RunFolder`, its path, or its name in runs/.
        out: path of a new folder for the results.
        data: where the run's export lies now, if it was moved.
        count: int from 1, photos on the page and in the export to correct.

    Raises:
        UserError: there is no such run, it is not finished, its export is gone or has other
            classes, or the folder exists.
    """
    at_least("count", count, 1)
    run, out = find_run(run), Path(out)
    first = trained_runs(run)[0]
    trained = read_options(first)
    reading = from_options(trained).data
    place = os.fspath(data or find_data(reading.data, f"python -m tf_muscle.review {run.path}"))
    path = export_path(place)
    refuse_folder("out", out, path)
    environment = read_environment(first)
    class_names = environment.info.class_names
    geometry = Geometry.from_record(trained)
    with (
        opened_export(run, path, reading) as (export, examples, skipped),
        predictions(run, examples, geometry, len(class_names)) as predicted,
    ):
        readable, unread = with_predictions(examples, predicted)
        skipped |= unread
        if not readable:
            raise UserError(
                f"none of the photos that {run.path} was not fitted to can be reviewed in {place}"
                f" ({listed([f'{name}: {why}' for name, why in skipped.items()])}): give the "
                "run's own export by --data"
            )
        ranked = rank(readable, predicted)
        found = Review(tuple(ranked), len(readable), skipped, tuple(class_names))
        with replacing(out) as unfinished:
            unfinished.mkdir()
            write_page(
                unfinished / "index.html",
                _write(unfinished, found, export, predicted, count),
                found,
                title=place,
                synthetic=environment.synthetic,
            )
    return found


def _write(
    folder: Path, found: Review, export: Export, predicted: Predictions, count: int
) -> list[Pictured]:
    """Writes table and exports into a folder; what the page shows of the first photos."""
    _write_table(folder / "doubtful.csv", found)
    chosen = found.photos[:count]
    by_split: dict[str, list[Path]] = defaultdict(list)
    for photo in chosen:
        by_split[_folder(photo)].append(photo.example.image_path)
    if chosen:
        write_resplit(folder / "to_correct", export, by_split)
    kind = MaskFolder if export.format == "masks" else CocoFolder
    datasets = {split: kind(folder / "predicted" / split, found.class_names) for split in by_split}
    names = UniqueNames()
    pictured = []
    for photo in chosen:
        decoded = open_photo(photo.example.image_path)
        height, width = decoded.image.shape[:2]
        square = predicted.read(photo.name)
        class_ids = likeliest(predicted.geometry.restore(square, height, width))
        name = names.add(photo.example.image_path.stem)
        datasets[_folder(photo)].add(name, decoded.image, class_ids, decoded.original)
        mask = read_mask(photo.example)
        pictured.append(picture(photo, decoded.image, mask, class_ids, found.class_names))
    for dataset in datasets.values():
        dataset.close()
    return pictured


def _folder(photo: DoubtfulPhoto) -> str:
    """The folder of the export that a photo is in."""
    return shown(photo.example.image_path).partition("/")[0]


def _write_table(path: Path, found: Review) -> None:
    """Writes one row per region."""
    box = ("left", "top", "width", "height", "pixels")
    columns = ("rank", "photo", "score", "kind", "class", "annotated", "predicted", *box)
    with csv_writer(path, columns) as write_row:
        for number, photo in enumerate(found.photos, 1):
            for region in photo.regions:
                about = (region.class_id, region.annotated, region.predicted)
                names = [found.class_names[class_id] for class_id in about]
                place = [getattr(region, name) for name in box]
                write_row([number, photo.name, f"{region.score:.4f}", region.kind, *names, *place])
