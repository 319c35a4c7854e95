"""How many frames of a camera are predicted, and how late, by Keras and by int8 LiteRT?

Command: python -m benchmarks.live [--image_size 128] [--seconds 20] [--quick]

The camera is a film of 640x480 that is played at 30 frames a second; what is not taken in time is
gone, as with a camera. Each model goes the whole way of `python -m tf_muscle.predict MODEL 0`:
capture, prediction, smoothing, drawing, counting, and the MP4. The network has random weights, so
the masks that go on are those of coloured ellipses that move as in a curl. Models take turns, and
the median of the rounds is shown. Processor time is that of all threads for each predicted frame.
"""

import itertools
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from benchmarks.video import MUSCLES, NAMES, answer, background
from tf_muscle.data.geometry import Geometry
from tf_muscle.exporting import litert
from tf_muscle.exporting.inference import rebuild
from tf_muscle.exporting.packed import pack
from tf_muscle.model.unet import build_unet
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.prediction.video import predict_video
from tf_muscle.runs.calibration import Calibration

SIZE = (480, 640)  # height, width
RATE = 30  # frames a second
CURLS = 0.5  # a second
FILM = 4.0  # seconds, over and over
ENCODER, DECODER, FILTERS = "efficientnet_lite0", "transpose", 128


class FilmCamera:
    """A film in place of `cv2.VideoCapture`, in real time for so many seconds."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._images = itertools.chain.from_iterable(
            (frame.image for frame in VideoFrames(path)) for _ in itertools.repeat(None)
        )
        self._left = round(seconds * RATE)
        self._due: float | None = None

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        """Waits for the next frame, BGR."""
        if self._left == 0:
            return False, None
        self._left -= 1
        image = cv2.cvtColor(next(self._images), cv2.COLOR_RGB2BGR)
        now = time.perf_counter()
        self._due = now if self._due is None else self._due + 1 / RATE
        time.sleep(max(0.0, self._due - now))
        return True, image

    def release(self) -> None:
        """Is nothing to do."""


def make_film(path: Path) -> Path:
    """Writes a film in which three muscles swell and shrink."""
    texture = background(SIZE)
    height, width = SIZE
    with closing(VideoWriter(path, Fraction(RATE))) as writer:
        for number in range(round(FILM * RATE)):
            image = texture.copy()
            swelling = (1 - np.cos(2 * np.pi * CURLS * number / RATE)) / 2
            for i, color in enumerate(MUSCLES):
                at = round(width * (0.3 + 0.2 * i)), round(height * (0.4 + 0.1 * swelling))
                axes = round(0.06 * width * swelling), round(0.12 * height * swelling)
                cv2.ellipse(image, at, axes, 0, 0, 360, color, -1)
            writer.add(Frame(number / RATE, image))
    return path


def models(folder: Path, size: int) -> dict[str, Predictor]:
    """The same network as a .keras file and in int8, loaded as `predict` does for a camera."""
    network = build_unet(
        len(NAMES), encoder=ENCODER, decoder=DECODER, decoder_filters=FILTERS, fused=False
    )
    network.save(folder / "best.keras")
    fixed = rebuild(network, ENCODER, DECODER, FILTERS, image_size=size)
    photos = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    file = folder / "int8.tflite"
    file.write_bytes(litert.convert(fixed, ["int8"], photos)["int8"])
    pack(file, NAMES, Geometry("pad", size), Calibration())
    loaded = {
        "Keras, float32": load_predictor(
            folder / "best.keras", image_size=size, batch_size=1, calibrated=False
        ),
        "LiteRT, int8": load_predictor(file, batch_size=1),
    }
    geometry = Geometry("pad", size)
    return {
        name: replace(one, forward=marking(one.forward), class_names=NAMES, geometry=geometry)
        for name, one in loaded.items()
    }


def marking(forward: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Runs the network, and gives the ellipses in place of what random weights say."""

    def both(squares: np.ndarray) -> np.ndarray:
        forward(squares)
        return answer(squares)

    return both


def measured(name: str, predictor: Predictor, film: Path, seconds: float) -> dict[str, Any]:
    """What one run of the camera gives."""
    used = time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(cv2, "VideoCapture", return_value=FilmCamera(film, seconds)),
    ):
        video = predict_video(predictor, 0, Path(folder, "x.mp4"))
    live = video.live
    assert live is not None
    return {
        "model": name,
        "frames_per_second": live.rate,
        "latency_ms_median": live.latency_median,
        "latency_ms_p95": live.latency_p95,
        "seen": live.seen,
        "dropped": live.dropped,
        "processor_ms_a_frame": 1000 * (time.process_time() - used) / live.predicted,
        "repetitions": len(video.timeline.repetitions[NAMES[1]]),
    }


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "5 seconds, once")
    parser.add_argument("--image_size", nargs="*", type=int, default=[128])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 5, 1
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        film = make_film(Path(name, "film.mp4"))
        for size in options.image_size:
            folder = Path(name, str(size))
            folder.mkdir()
            predictors = models(folder, size)
            for one, predictor in predictors.items():
                measured(one, predictor, film, 1.0)  # compiles
            rounds = [
                [measured(one, predictors[one], film, options.seconds) for one in predictors]
                for _ in range(options.rounds)
            ]
            for turns in zip(*rounds, strict=True):
                middle = {
                    key: statistics.median(turn[key] for turn in turns)
                    for key in turns[0]
                    if key != "model"
                }
                rows.append({"model": turns[0]["model"], "image_size": size, **middle})
            print_table(f"a camera at {size}x{size}", rows[-len(predictors) :])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in KiB
    save(options.out, "live", rows, peak_gigabytes=peak)


if __name__ == "__main__":
    main()
