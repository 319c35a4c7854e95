"""How fast is a video or a folder of photos predicted, and which stage takes how long?

Command: python -m benchmarks.video [--image_size 128 256] [--quick]

A 1080p clip (H.264) and JPEG photos of 12 megapixels are made first. Each stage is run by itself,
and all of them together as `python -m tf_muscle.predict` does. Time is counted by the clock and as
processor time of all threads; the latter does not change while others use the machine.
"""

import contextlib
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction import run_predict
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.outputs import draw_overlay
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import ResultsFolder
from tf_muscle.prediction.smoothing import SMOOTH
from tf_muscle.prediction.stream import VideoPredictions, predict_photos
from tf_muscle.prediction.video import predict_video

NAMES = ("background", "biceps", "triceps", "calf")
FRAME_SIZE, PHOTO_SIZE = (1080, 1920), (3000, 4000)  # height, width
RATE = 30  # frames a second
MUSCLES = ((200, 30, 30), (30, 200, 30), (30, 30, 200))  # RGB of the ellipses that stand for them


def scene(size: tuple[int, int], number: int, texture: np.ndarray) -> np.ndarray:
    """A picture with a limb of three coloured ellipses that moves with the number; RGB, uint8."""
    height, width = size
    image = np.roll(texture, 2 * number, axis=1)
    for i, color in enumerate(MUSCLES):
        row = round(height * (0.35 + 0.15 * i + 0.04 * np.sin(number / 8)))
        column = round(width * (0.45 + 0.08 * np.cos(number / 8 + i)))
        across, down = round(0.035 * width), round(0.09 * height)
        rows, columns = np.mgrid[row - down : row + down, column - across : column + across]
        inside = ((rows - row) / down) ** 2 + ((columns - column) / across) ** 2 < 1
        image[rows[inside], columns[inside]] = color
    return image


def background(size: tuple[int, int]) -> np.ndarray:
    """Smooth light and shade with a camera's noise, RGB, uint8 [H, W, 3]."""
    random = np.random.default_rng(0)
    grey = random.integers(60, 200, (12, 20, 1), np.uint8).repeat(3, axis=-1)
    coarse = Image.fromarray(grey)
    smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC)).astype(np.int16)
    return np.clip(smooth + random.integers(-4, 5, smooth.shape), 0, 255).astype(np.uint8)


def make_clip(path: Path, frames: int) -> Path:
    """Writes the clip."""
    texture = background(FRAME_SIZE)
    with closing(VideoWriter(path, Fraction(RATE))) as writer:
        for number in range(frames):
            writer.add(Frame(number / RATE, scene(FRAME_SIZE, number, texture)))
    return path


def make_photos(folder: Path, count: int) -> list[Path]:
    """Writes the photos."""
    texture = background(PHOTO_SIZE)
    paths = [folder / f"{number:02d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(scene(PHOTO_SIZE, number, texture)).save(path, quality=90)
    return paths


def answer(squares: np.ndarray) -> np.ndarray:
    """Probabilities float32 [B, S, S, K] that mark the ellipses, in place of a trained model's."""
    levels = squares.astype(np.float32) / 255
    colors = [6 * (2 * levels[..., i] - levels.sum(-1)) for i in range(3)]
    logits = np.stack([np.ones_like(colors[0]), *colors], axis=-1)
    powers = np.exp(logits)
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)


def network() -> Callable[[np.ndarray], np.ndarray]:
    """The forward pass of a U-Net, as `load_predictor` compiles it.

    Its decoder has random weights, so that it marks nothing like muscles; `answer` does.
    """
    import tensorflow as tf

    from tf_muscle.model.unet import build_unet

    model = build_unet(len(NAMES), encoder="efficientnet_lite0", decoder_filters=128)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def forward(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(images, training=False))

    return lambda squares: forward(tf.constant(squares)).numpy()


def timed(stage: str, work: Callable[[], Any], pictures: int, rounds: int) -> dict[str, Any]:
    """Milliseconds a picture: the median of the rounds."""
    clock, processor = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        work()
        clock.append(1000 * (time.perf_counter() - start) / pictures)
        processor.append(1000 * (time.process_time() - used) / pictures)
    median = statistics.median(clock)
    return {
        "stage": stage,
        "processor_ms": statistics.median(processor),
        "clock_ms": median,
        "pictures_per_second": 1000 / median,
    }


def rest(stage: str, whole: dict[str, Any], parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a stage takes beyond others that it holds."""
    left = {
        name: whole[name] - sum(part[name] for part in parts)
        for name in ("processor_ms", "clock_ms")
    }
    return {"stage": stage, **left, "pictures_per_second": 1000 / left["clock_ms"]}


def model_rows(
    predictor: Predictor, images: Sequence[np.ndarray], rounds: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The stages around the network, and what `answer` takes in its place."""
    fitted = timed(
        "to the model's size",
        lambda: [predictor.geometry.squares(image) for image in images],
        len(images),
        rounds,
    )
    squares = np.concatenate([predictor.geometry.squares(image) for image in images])
    predictor.forward(squares)  # traces
    model = timed("model", lambda: predictor.forward(squares), len(images), rounds)
    return [fitted, model], timed("", lambda: answer(squares), len(images), rounds)


def video_rows(predictor: Predictor, clip: Path, frames: int, rounds: int) -> list[dict[str, Any]]:
    """Each stage of a video, then all together."""
    quick = replace(predictor, forward=answer)
    with closing(VideoPredictions(quick, clip)) as predictions:
        some = list(islice(predictions, predictor.batch_size))
    drawn = [draw_overlay(one.image, one.class_ids, NAMES) for one in some]

    def decode() -> None:
        with closing(VideoFrames(clip)) as video:
            assert sum(1 for _ in video) == frames

    def mark() -> None:
        with closing(VideoPredictions(quick, clip)) as predictions:
            assert sum(1 for _ in predictions) == frames

    def encode() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(VideoWriter(Path(folder, "x.mp4"), Fraction(RATE))) as writer,
        ):
            for number in range(frames):
                writer.add(Frame(number / RATE, drawn[number % len(drawn)]))

    def everything() -> None:
        with tempfile.TemporaryDirectory() as folder:
            predict_video(predictor, clip, Path(folder, "x.mp4"))

    decoded = timed("decode", decode, frames, rounds)
    (fitted, model), stub = model_rows(predictor, [one.image for one in some], rounds)
    marked = timed("", mark, frames, rounds)
    return [
        decoded,
        fitted,
        model,
        rest("smooth, enlarge, mask, rows", marked, [decoded, fitted, stub]),
        timed(
            "draw",
            lambda: [draw_overlay(one.image, one.class_ids, NAMES) for one in some],
            len(some),
            rounds,
        ),
        timed("encode", encode, frames, rounds),
        timed("all together", everything, frames, rounds),
    ]


def photo_rows(predictor: Predictor, paths: list[Path], rounds: int) -> list[dict[str, Any]]:
    """Each stage of a folder of photos, then all together."""
    photos = [open_photo(path) for path in paths[: predictor.batch_size]]
    quick = replace(predictor, forward=answer)

    def mark() -> None:
        for _ in predict_photos(quick, photos):
            pass

    def write() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            ResultsFolder(Path(folder), NAMES, "both") as results,
        ):
            for prediction in predictions:
                results.add_photo(prediction)

    def everything() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(run_predict, "load_predictor", return_value=predictor),
            contextlib.redirect_stdout(None),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            words = [str(path) for path in paths]
            run_predict.predict_sources("", words, Path(folder), "both", smooth=SMOOTH)

    predictions = list(predict_photos(quick, photos))
    (fitted, model), stub = model_rows(predictor, [photo.image for photo in photos], rounds)
    marked = timed("", mark, len(photos), rounds)
    return [
        timed("open", lambda: [open_photo(path) for path in paths], len(paths), rounds),
        fitted,
        model,
        rest("enlarge, mask, rows", marked, [fitted, stub]),
        timed("draw and write", write, len(photos), rounds),
        timed("all together", everything, len(paths), rounds),
    ]


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "60 frames, 8 photos, once")
    parser.add_argument("--image_size", nargs="*", type=int, default=[128, 256])
    parser.add_argument("--no_model", action="store_true", help="all but the network")
    parser.add_argument("--what", nargs="*", default=["video", "photos"])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.frames, options.photos, options.rounds = 60, 8, 1
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", options.frames)
        photos = make_photos(folder, options.photos)
        for size in options.image_size:
            forward = answer if options.no_model else network()
            predictor = Predictor(forward, NAMES, Geometry("pad", size))
            for what in options.what:
                if what == "video":
                    measured = video_rows(predictor, clip, options.frames, options.rounds)
                else:
                    measured = photo_rows(predictor, photos, options.rounds)
                about = {"what": what, "image_size": size}
                rows += [about | row for row in measured]
                print_table(f"{what} at {size}x{size}", rows[-len(measured) :])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in KiB
    save(options.out, "video", rows, peak_gigabytes=peak)


if __name__ == "__main__":
    main()
