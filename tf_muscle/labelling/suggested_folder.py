"""The folder of suggestions: an export with masks to correct, suggested.csv and index.html."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Literal

import numpy as np

from tf_muscle.errors import UserError
from tf_muscle.labelling.suggestions import Suggestion
from tf_muscle.prediction.addresses import File, fetched
from tf_muscle.prediction.dataset_folders import CocoFolder, MaskFolder, UniqueNames
from tf_muscle.prediction.output_names import frame_name, video_name
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import open_frames
from tf_muscle.report.csv_file import csv_writer
from tf_muscle.report.html_page import photo_thumbnail

Format = Literal["mask", "coco"]


@dataclass(frozen=True)
class Written:
    """A suggestion in the folder.

    Attributes:
        suggestion: which one.
        name: of its photo and mask, without suffix.
        photo: small, for an <img>.
        marked: the same with the mask.
    """

    suggestion: Suggestion
    name: str
    photo: str
    marked: str


def write_photos(
    folder: Path,
    suggestions: Sequence[Suggestion],
    predictor: Predictor,
    output_format: Format,
    skipped: Callable[[str], None],
) -> list[Written]:
    """Writes photos and predicted masks, as `predict --format mask` or `coco` does.

    The frames are decoded a second time, one video after the other.

    Args:
        folder: to write; it becomes an export with one split, train.
        suggestions: what to write.
        predictor: gives the masks.
        output_format: masks, or COCO's outlines.
        skipped: takes a sentence on each that could not be read a second time.

    Returns:
        Those that were written, the first choice first.
    """
    kind = MaskFolder if output_format == "mask" else CocoFolder
    dataset = kind(folder / "train", predictor.class_names)
    names = UniqueNames()
    videos: dict[File, str] = {}  # a name for each, as two may have the same one
    written = []
    read, seen = tee(_read_again(suggestions, skipped))
    predicted = predictor.stream(image for _, image, _ in seen)
    for (suggestion, image, original), probabilities in zip(read, predicted, strict=True):
        place = suggestion.candidate.place
        if place.frame is None:
            name = names.add(place.path.stem)
        else:
            if place.path not in videos:
                videos[place.path] = video_name(place.path, names)
            name = names.add(frame_name(videos[place.path], place.path, place.frame))
        class_ids = predictor.class_ids(probabilities)
        dataset.add(name, image, class_ids, original)
        thumbnails = photo_thumbnail(image), photo_thumbnail(image, class_ids)
        written.append(Written(suggestion, name, *thumbnails))
    dataset.close()
    return sorted(written, key=lambda one: one.suggestion.rank)


def _read_again(
    suggestions: Sequence[Suggestion], skipped: Callable[[str], None]
) -> Iterator[tuple[Suggestion, np.ndarray, bytes | None]]:
    """Each suggestion with its picture and, if the file can be copied as it is, its bytes."""
    frames: dict[File, dict[int, Suggestion]] = {}
    for one in suggestions:
        place = one.candidate.place
        if place.frame is not None:
            frames.setdefault(place.path, {})[place.frame] = one
            continue
        with fetched(place.path) as file:
            try:
                photo = open_photo(file)
            except UserError as error:
                skipped(str(error))
                continue
        yield one, photo.image, photo.original
    for path, wanted in frames.items():
        with fetched(path) as file:
            try:
                with closing(open_frames(file)) as video:
                    for number, frame in enumerate(video):
                        if number in wanted:
                            yield wanted.pop(number), frame.image, None
                        if not wanted:
                            break
            except UserError as error:
                skipped(str(error))
        if wanted:
            skipped(f"{path}: {len(wanted)} chosen frames could not be decoded a second time")


def write_table(path: Path, written: Sequence[Written], class_names: Sequence[str]) -> None:
    """Writes suggested.csv: a row for each frame, the first choice first."""
    columns = [
        *("rank", "output", "file", "frame", "seconds"),
        *("entropy", "disagreement", "flicker", "distance", "nearest"),
        *(f"{name} area_share" for name in class_names[1:]),
        "reason",
    ]
    with csv_writer(path, columns) as write_row:
        for one in written:
            suggestion, candidate = one.suggestion, one.suggestion.candidate
            place, uncertainty = candidate.place, candidate.uncertainty
            write_row(
                [
                    *(suggestion.rank, one.name, place.path),
                    "" if place.frame is None else place.frame,
                    _number(place.seconds, 2),
                    _number(uncertainty.entropy),
                    _number(uncertainty.disagreement),
                    _number(uncertainty.flicker),
                    _number(suggestion.distance),
                    suggestion.nearest or "",
                    *(f"{area:.6f}" for area in candidate.areas),
                    suggestion.reason,
                ]
            )


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"
