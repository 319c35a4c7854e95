"""What is promised for every input: a right result or one sentence, in 10 seconds and 1 GB.

The seconds are the processor's, so that a busy machine breaks no promise; a minute on the clock is
the end in any case, for whatever waits.
"""

import os
import shutil
import signal
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import ResultsFolder
from tf_muscle.prediction.sources import find_sources
from tf_muscle.prediction.stream import VideoPredictions, predict_photos
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.reader import (
    SPLITS,
    check_pixels,
    fingerprint,
    open_export,
    read_export,
    read_mask,
)

resource = pytest.importorskip("resource", reason="needs Linux or macOS")

SECONDS = 10
WAITING = 60
BYTES = 1_000_000_000  # over what the imports take
NAMES = ("background", "bright", "dark")


class TooSlowError(BaseException):
    """The time is over; no handler of `Exception` catches it."""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError("more than ten seconds of work" if number == signal.SIGPROF else "it waits")


def peak_memory(*, again: bool = False) -> int:
    """The most bytes that this process has held so far; on Linux, since it was asked `again`."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts in bytes
    if again:
        Path("/proc/self/clear_refs").write_text("5")
    (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


def ends_well(read: Callable[[], None]) -> tuple[str, int]:
    """Reads an input; raises where a promise is broken.

    Returns:
        "read" or "refused", and the bytes that it took.
    """
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _too_slow)
    memory = peak_memory(again=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAITING)
    try:
        read()
        outcome = "read"
    except UserError as error:
        for message in (error, *getattr(error, "__notes__", ())):
            assert_one_sentence(str(message))
        outcome = "refused"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    taken = peak_memory() - memory
    assert taken < BYTES, "more than 1 GB"
    return outcome, taken


def assert_one_sentence(message: str) -> None:
    """One line that a terminal shows as it is, and that somebody may read to its end."""
    assert message
    assert message.isprintable(), message
    assert len(message) < 6_000, f"{len(message)} characters"


def check_export(path: Path) -> None:
    """Reads an export as training does, and checks what it is read into."""
    with open_export(path) as root:
        export = read_export(root)
        counts = check_pixels(export)
        assert list(export.splits) == list(SPLITS)
        assert export.class_names[0] == "background"
        assert len(set(export.class_names)) == len(export.class_names) <= 255
        for name in export.class_names:
            assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name), name
            assert name.strip()
        for note in export.notes:
            assert_one_sentence(note.text)
        for split, examples in export.splits.items():
            assert examples
            total = np.zeros(len(export.class_names), np.int64)
            for example in examples:
                example.file_name.encode()
                assert example.image_path.resolve().is_relative_to(root.resolve())
                mask = read_mask(example)
                assert mask.shape == decode_photo(example.image_path).shape[:2]
                assert mask.dtype == np.uint8
                assert mask.max() < len(export.class_names)
                total += np.bincount(mask.ravel(), minlength=len(total))
            np.testing.assert_array_equal(total, counts[split])
    assert len(fingerprint(path)) == 16


def _forward(images: np.ndarray) -> np.ndarray:
    """In place of a model: light and dark pixels are two muscles."""
    grey = images.mean(axis=-1, dtype=np.float32) / 255
    return np.stack([np.full_like(grey, 0.4), grey, 1 - grey], axis=-1) / np.float32(1.4)


def predictor() -> Predictor:
    """A predictor without TensorFlow."""
    return Predictor(
        forward=_forward, class_names=NAMES, geometry=Geometry("pad", 32), batch_size=2
    )


def check_photo(path: Path, out: Path) -> None:
    """Predicts a photo as the command does, with all outputs."""
    found = find_sources([str(path)])
    (source,) = found.photos + found.videos  # what is called a photo may move
    assert isinstance(source, Path)
    photo = open_photo(source)
    image = photo.image
    with Image.open(path) as stored:
        assert image.shape[:2] in (stored.size, stored.size[::-1])
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    with ResultsFolder(out, NAMES, "both") as results:
        (prediction,) = predict_photos(predictor(), [photo])
        assert prediction.class_ids.shape == image.shape[:2]
        results.add_photo(prediction)
    assert len(list((out / "train").iterdir())) == 3
    assert (out / "predictions.csv").read_bytes().count(b"\n") >= 3


def check_film(path: Path, out: Path) -> None:
    """Predicts a video as the command does, with all outputs."""
    found = find_sources([str(path)])
    (source,) = found.photos + found.videos
    assert isinstance(source, Path)
    with (
        closing(VideoPredictions(predictor(), source)) as predictions,
        ResultsFolder(out, NAMES, "coco") as results,
    ):
        video = results.add_video(predictions, lambda frame: None)
    seconds = video.timeline.seconds
    assert len(seconds)
    assert (np.diff(seconds) > 0).all()
    if video.note:
        assert_one_sentence(video.note)
    assert len(list(out.rglob("overlay.mp4"))) == 1


def fresh_folder(work: Path) -> Path:
    """An empty folder for one input, beside things that it must leave alone."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "outside").mkdir(parents=True)
    Image.new("RGB", (12, 8)).save(work / "outside" / "secret.jpg")
    (work / "inside").mkdir()
    (work / "temporary").mkdir()
    os.environ["TMPDIR"] = str(work / "temporary")
    return work / "inside"


def assert_nothing_outside(work: Path) -> None:
    """No input wrote beside its own folder, and nothing temporary is left."""
    assert {path.name for path in work.iterdir()} == {"inside", "outside", "temporary"}
    assert [path.name for path in (work / "outside").iterdir()] == ["secret.jpg"]
    assert not list((work / "temporary").iterdir())
