"""The photos and videos of a piece looked at, in this process or in a worker of a cluster."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from rich.markup import escape
from rich.progress import Progress

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError, printable
from tf_muscle.labelling.candidates import (
    Candidate,
    Looks,
    Place,
    Pool,
    Sample,
    examined,
    sampled,
    sampled_frames,
)
from tf_muscle.prediction.addresses import File, fetched
from tf_muscle.prediction.into_folder import opened_photos
from tf_muscle.prediction.pieces import Piece
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.prediction.sentences import KeptSentences
from tf_muscle.prediction.stream import open_frames


@dataclass(frozen=True)
class Looked:
    """What is kept of a piece.

    Attributes:
        candidates: the most uncertain ones.
        seen: how many there were.
        failures: sources that could not be read.
        sentences: for the user, of a worker; in this process they are told at once.
    """

    candidates: tuple[Candidate, ...]
    seen: int
    failures: int
    sentences: tuple[str, ...] = ()


def load_networks(model: str, batch_size: int) -> tuple[Looks, Predictor]:
    """Loads a model for its features and for its masks."""
    from tf_muscle.labelling.features import Networks  # TensorFlow, which tests do without

    networks = Networks(model)
    return networks, load_predictor(model, batch_size=batch_size)


def in_worker(model: str, batch_size: int, every: float) -> Callable[[Piece], Looked]:
    """Loads a model, and gives what looks at pieces with it."""
    return partial(_look_and_tell, *load_networks(model, batch_size), every)


def _look_and_tell(networks: Looks, predictor: Predictor, every: float, piece: Piece) -> Looked:
    sentences = KeptSentences()
    looked = look_at(networks, predictor, every, sentences.progress, piece)
    return replace(looked, sentences=sentences.kept)


def look_at(
    networks: Looks, predictor: Predictor, every: float, progress: Progress, piece: Piece
) -> Looked:
    """Looks at the photos and videos of a piece, and says which could not be read.

    Args:
        networks: of the model.
        predictor: of the same.
        every: seconds from one looked-at frame of a video to the next; 0 for each frame.
        progress: for a bar for each video, and sentences.
        piece: what to look at.
    """
    pool = Pool()
    reading = _Reading(piece, predictor.geometry, every, progress)
    samples = reading.samples()
    for candidate in examined(networks, samples, predictor.class_ids, predictor.batch_size):
        pool.add(candidate)
    return Looked(tuple(pool.kept()), pool.seen, reading.failures)


class _Reading:
    """Reads photos and videos.

    Attributes:
        failures: sources that could not be read.
    """

    def __init__(self, piece: Piece, geometry: Geometry, every: float, progress: Progress) -> None:
        self.failures = 0
        self._piece = piece
        self._geometry = geometry
        self._every = every
        self._progress = progress

    def samples(self) -> Iterator[Sample]:
        """All photos, then the frames of all videos."""
        for photo in opened_photos(self._piece.photos, self._progress):
            if photo is None:
                self.failures += 1
            else:
                yield sampled(Place(photo.path), photo.image, self._geometry)
        for path in self._piece.videos:
            with fetched(path) as file:
                yield from self._frames(file)

    def _frames(self, path: File) -> Iterator[Sample]:
        name = printable(path.name)
        task = self._progress.add_task(escape(name), total=None)
        found = 0
        try:
            with closing(open_frames(path)) as frames:
                for sample in sampled_frames(path, frames, self._every, self._geometry):
                    found += 1
                    yield sample
                    done = (sample.place.frame or 0) + 1
                    self._progress.update(task, completed=done, total=frames.count or None)
                if frames.note:
                    self._progress.console.print(f"note: {frames.note}")
            if not found:
                raise UserError(f"{path} has no frame that can be decoded: convert it to MP4")
        except UserError as error:
            self.failures += 1
            self._progress.console.print(f"skipped: {error}")
            self._progress.remove_task(task)
            return
        self._progress.update(task, completed=1, total=1)
