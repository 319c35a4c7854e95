"""Photos without masks are found, sifted and decoded once: what `--unlabeled` names.

Each is compared with the labelled photos and with those before it, by the hashes that `inspect`
compares. One that looks like a photo of valid or test would make the scores better than the model
is, and ends the command; copies of others are left out.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.atomic import replacing
from tf_muscle.config import Config
from tf_muscle.data.dataset import Data
from tf_muscle.data.pipeline import load_names, load_photos
from tf_muscle.data.prepare import load_divided
from tf_muscle.data.unlabeled import UnlabeledPhotos
from tf_muscle.errors import UserError, listed, printable
from tf_muscle.inspection.leakage import NEAR, hash_distance
from tf_muscle.inspection.measure import photo_hashes
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.sources import Sources, find_sources
from tf_muscle.prediction.stream import open_frames
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.manifest import digests
from tf_muscle.runs.unlabeled import LeftOut, UnlabeledPhoto, UnlabeledRecord, read_unlabeled


@dataclass(frozen=True)
class Pool:
    """Photos to learn from, and what is known of them.

    Attributes:
        photos: their pixels.
        record: for the run.
        folder: a temporary one that holds the pixels, gone with this object; None where the run
            has them.
    """

    photos: UnlabeledPhotos
    record: UnlabeledRecord
    folder: tempfile.TemporaryDirectory[str] | None

    def keep(self, run: RunFolder) -> None:
        """Copies the pixels into the run, so that it can go on without the sources."""
        if self.folder:
            with replacing(run.unlabeled_photos) as unfinished:
                shutil.copyfile(self.photos.path, unfinished)


def load_pool(
    config: Config, data: Data, assignment: Assignment | None, resumed: RunFolder | None
) -> Pool:
    """The unlabelled photos of a run: read anew, or those that an interrupted run has kept.

    Args:
        config: with `unlabeled`.
        data: the loaded export.
        assignment: which photos are in which split; by default the export's own division.
        resumed: an interrupted run.

    Raises:
        UserError: photos are those of valid or test, none are left, or they are others than those
            that the run was started with.
    """
    if resumed is None:
        return _gathered(config, data, assignment)
    record = read_unlabeled(resumed)
    kept = resumed.unlabeled_photos
    if kept.is_file() and _digest(kept) == record.fingerprint:
        return Pool(_photos(kept, record, config, data), record, None)
    pool = _gathered(config, data, assignment)
    if pool.record.fingerprint != record.fingerprint:
        raise UserError(
            f"--unlabeled {listed(config.unlabeled.unlabeled)} gives other photos than "
            f"{resumed.path} was started with ({len(pool.record.photos)}, not "
            f"{len(record.photos)}, or changed ones): put them back as they were, or start a new "
            "run"
        )
    return pool


@dataclass
class Hashed:
    """Photos by their perceptual hashes, uint64 [4] each."""

    names: list[str] = field(default_factory=list)
    _hashes: np.ndarray = field(default_factory=lambda: np.empty((64, 4), np.uint64))

    def add(self, name: str, hashes: np.ndarray) -> None:
        """Adds a photo, with those of `photo_hashes`."""
        if len(self.names) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
        self._hashes[len(self.names)] = hashes[0]
        self.names.append(name)

    def like(self, hashes: np.ndarray) -> str | None:
        """The name of the photo that another one, or its mirror image, is a near-copy of."""
        if not self.names:
            return None
        known = self._hashes[: len(self.names)]
        distances = np.minimum(*(hash_distance(known, one) for one in hashes))
        nearest = int(np.argmin(distances))
        return self.names[nearest] if distances[nearest] <= NEAR else None


def _gathered(config: Config, data: Data, assignment: Assignment | None) -> Pool:
    choice = config.unlabeled
    sources = find_sources(choice.unlabeled)
    if cameras := [one for one in sources.videos if isinstance(one, int)]:
        raise UserError(
            f"--unlabeled {cameras[0]} is a camera, which gives other photos each time: record a "
            "video first and give its file"
        )
    if sources.passed_over:
        print(sources.passed_over)
    print("Reading the photos without masks")
    known = _labelled(config, assignment)
    folder = tempfile.TemporaryDirectory(prefix="tf_muscle_unlabeled_")
    path = Path(folder.name, "photos")
    kept, photos, left_out = Hashed(), [], []
    leaking: list[tuple[str, str]] = []
    with path.open("wb") as file:
        for one in _pictures(sources, choice.frame_step):
            if isinstance(one, LeftOut):
                print(f"skipped: {one.detail}", file=sys.stderr)
                left_out.append(one)
                continue
            name, image = one
            hashes = photo_hashes(Image.fromarray(image))
            if hashes is None:
                left_out.append(LeftOut(name, "one colour", "looks like every other such photo"))
            elif held_out := known["valid"].like(hashes) or known["test"].like(hashes):
                leaking.append((name, held_out))
            elif trained := known["train"].like(hashes):
                left_out.append(LeftOut(name, "like a training photo", trained))
            elif before := kept.like(hashes):
                left_out.append(LeftOut(name, "like another one", before))
            else:
                kept.add(name, hashes)
                photos.append(UnlabeledPhoto(name, *image.shape[:2]))
                file.write(data.geometry.fit(image).tobytes())
    if leaking:
        name, held_out = leaking[0]
        raise UserError(
            f"--unlabeled gives {len(leaking)} of the photos that this run is scored on or chosen "
            f"by, or near-copies of them, such as {name}, which looks like {held_out}: take these "
            "out, and the whole video that they are from"
        )
    record = UnlabeledRecord(tuple(choice.unlabeled), _digest(path), tuple(photos), tuple(left_out))
    if not photos:
        reasons = [f"{count} {reason}" for reason, count in record.summary.left_out.items()]
        raise UserError(
            f"--unlabeled {listed(choice.unlabeled)} leaves no photo to learn from "
            f"({listed(reasons)}): give others"
        )
    print(record.summary)
    return Pool(_photos(path, record, config, data), record, folder)


def _photos(path: Path, record: UnlabeledRecord, config: Config, data: Data) -> UnlabeledPhotos:
    sizes = tuple((photo.height, photo.width) for photo in record.photos)
    return UnlabeledPhotos(path, sizes, data.geometry, config.unlabeled.unlabeled_batch)


def _digest(path: Path) -> str:
    return digests(path.parent, [path])[path.name]


def _labelled(config: Config, assignment: Assignment | None) -> dict[str, Hashed]:
    """The photos of each split of the export, as they are called in it."""
    builder = load_divided(config.data, assignment)
    known = {split: Hashed() for split in SPLITS}
    for split, hashed in known.items():
        names = load_names(builder, split, assignment)
        photos = load_photos(builder, split, assignment=assignment)
        for (name, _), (photo, _) in zip(names, photos, strict=True):
            hashes = photo_hashes(Image.fromarray(photo))
            if hashes is not None:
                hashed.add(name if assignment else f"{split}/{name}", hashes)
    return known


def _pictures(sources: Sources, step: float) -> Iterator[tuple[str, np.ndarray] | LeftOut]:
    """Every photo, and the frames of the videos, with their names; what cannot be read."""
    for path in sources.photos:
        try:
            photo = open_photo(path)
        except UserError as error:
            yield LeftOut(str(path), "cannot be read", str(error))
            continue
        if photo.has_more:
            print(f"note: {printable(str(path))} holds several pictures, the first is taken")
        yield str(path), photo.image
    for video in (one for one in sources.videos if isinstance(one, Path)):  # no camera is left
        try:
            with closing(open_frames(video)) as frames:
                due, seen = 0.0, False
                for frame in frames:
                    seen = True
                    if frame.seconds >= due:
                        due = frame.seconds + step
                        yield f"{video} at {frame.seconds:.2f} s", frame.image
                if frames.note:
                    print(f"note: {frames.note}")
        except UserError as error:
            yield LeftOut(str(video), "cannot be read", str(error))
            continue
        if not seen:
            told = f"{video} has no frame that can be decoded: convert it to MP4 (H.264)"
            yield LeftOut(str(video), "cannot be read", told)
