"""What averaging along the motion gives a video's masks, and whether repetitions are found.

Command: python -m benchmarks.video_masks MODEL VIDEO MASKS.npz [--smooth 0.1 0.2] [--out FILE]

VIDEO's true masks are class ids, uint8 [N, H, W], called "masks" in the .npz. The same model also
sees clips that are made of the sample's test photos, which move and grow noisy in known ways.
IoU: over all pixels of the active muscles. Flicker: of the pixels that stay where they are (in the
clips: that are followed along the known motion) and whose true class stays, those whose predicted
class changes from a frame to the next, in percent of a muscle's mean true pixels in a frame.
Undone: of VIDEO's flicker, what changes back within 4 frames in which the pixel still stays.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.lab.repetitions import find_repetitions
from tf_muscle.prediction.frames import Frame, VideoFrames
from tf_muscle.prediction.outputs import muscle_rows
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.prediction.smoothing import LOOK_AHEAD, averaged
from tf_muscle.prediction.timeline import Timeline, frame_signals
from tf_muscle.prediction.tracks import Tracker, frame_regions

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_gym" / "test"
RATE = 25.0  # frames a second of the clips
STILL = 3  # grey levels within which a pixel has not changed, nor have those around it


@dataclass(frozen=True)
class Clip:
    """Frames with their true masks.

    Attributes:
        name: of the clip.
        frames: as decoded.
        masks: class ids, uint8 [N, H, W].
        places: for each frame but the first x and y in the one before, float32 [H, W, 2]; NaN for
            pixels that cannot be followed.
        stays: pixels are followed only where they stay.
    """

    name: str
    frames: list[Frame]
    masks: np.ndarray
    places: list[np.ndarray]
    stays: bool = False


def grid(height: int, width: int) -> np.ndarray:
    """x and y of each pixel, float32 [height, width, 2]."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def filmed(video: Path, masks: Path) -> Clip:
    """A video with known masks; only pixels that do not change are followed."""
    frames = list(VideoFrames(video))
    with np.load(masks) as known:
        truth = known["masks"]
    places = []
    for one, other in pairwise(frames):
        change = cv2.absdiff(one.image, other.image).max(axis=-1)
        moves = cv2.dilate(change, np.ones((5, 5), np.uint8)) > STILL
        places.append(np.where(moves[..., None], np.nan, grid(*moves.shape)))
    return Clip(video.name, frames, truth, places, stays=True)


def panned(name: str, photos: Sequence[Path], hertz: float, cut: bool) -> Clip:
    """Sample photos before a camera that sways, with new noise in every frame; perhaps with cuts.

    A muscle is active in every frame, so that its true pixels move with the photo.
    """
    random = np.random.default_rng(0)
    frames, masks, places = [], [], []
    before = None
    for number in range(12 * len(photos)):
        photo = photos[number // 12 if cut else 0]
        image = np.asarray(Image.open(photo).convert("RGB"))
        mask = np.asarray(Image.open(photo.with_name(f"{photo.stem}_mask.png")))
        height, width = mask.shape
        phase = 2 * np.pi * hertz * number / RATE
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4 * np.sin(phase), 1.1)
        turn[0, 2] += 0.08 * width * np.sin(phase)
        seen = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
        noisy = np.clip(seen + random.normal(0, 8, seen.shape), 0, 255).astype(np.uint8)
        true = cv2.warpAffine(mask, turn, (width, height), flags=cv2.INTER_NEAREST)
        inverse = cv2.invertAffineTransform(turn)
        if before is not None:
            origin = grid(height, width) @ inverse[:, :2].T + inverse[:, 2]
            earlier = (origin @ before[:, :2].T + before[:, 2]).astype(np.float32)
            fresh = cut and number % 12 == 0
            places.append(np.full_like(earlier, np.nan) if fresh else earlier)
        before = turn
        frames.append(Frame(number / RATE, noisy))
        masks.append(true)
    return Clip(name, frames, np.stack(masks), places)


def iou(clip: Clip, predicted: np.ndarray) -> float:
    """Over the pixels of all muscles that are ever active in the clip; their mean."""
    scores = []
    for class_id in np.unique(clip.masks[clip.masks > 0]):
        true, found = clip.masks == class_id, predicted == class_id
        scores.append(np.count_nonzero(true & found) / np.count_nonzero(true | found))
    return float(np.mean(scores))


def flicker(clip: Clip, predicted: np.ndarray) -> float:
    """See the top of this file."""
    changed = 0
    for number, places in enumerate(clip.places, start=1):
        followed = np.isfinite(places).all(axis=-1)
        xs, ys = np.rint(np.nan_to_num(places, nan=-1)).astype(int).transpose(2, 0, 1)
        height, width = followed.shape
        followed &= (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
        here, there = np.nonzero(followed), (ys[followed], xs[followed])
        same = clip.masks[number][here] == clip.masks[number - 1][there]
        differs = predicted[number][here] != predicted[number - 1][there]
        changed += np.count_nonzero(same & differs)
    active = clip.masks[(clip.masks > 0).any(axis=(1, 2))]
    return 100 * changed / len(clip.places) / (np.count_nonzero(active) / len(active))


def undone(clip: Clip, predicted: np.ndarray) -> float:
    """See the top of this file; only for a clip whose pixels are followed where they stay."""
    stays = np.stack([np.isfinite(places).all(axis=-1) for places in clip.places])
    count = 0
    for number in range(1, len(predicted) - 4):
        same = clip.masks[number] == clip.masks[number - 1]
        left = stays[number - 1] & same & (predicted[number] != predicted[number - 1])
        for later in range(number + 1, number + 5):
            left &= stays[later - 1]
            back = left & (predicted[later] == predicted[number - 1])
            count += np.count_nonzero(back)
            left &= ~back
    active = clip.masks[(clip.masks > 0).any(axis=(1, 2))]
    return 100 * count / len(clip.places) / (np.count_nonzero(active) / len(active))


def plainly_averaged(
    given: Sequence[tuple[Frame, np.ndarray]], smooth: float
) -> Iterator[tuple[Frame, np.ndarray]]:
    """The exponential moving average of each pixel, wherever the picture moves."""
    average, before = given[0][1], 0.0
    for frame, probabilities in given:
        weight = np.float32(-np.expm1((before - frame.seconds) / smooth)) if before else 1
        average = average + weight * (probabilities - average)
        before = frame.seconds
        yield frame, average


def ways(
    given: Sequence[tuple[Frame, np.ndarray]], smooths: Sequence[float]
) -> Iterator[tuple[str, float, Iterator[tuple[Frame, np.ndarray]]]]:
    """Name, time constant and result of each way to average."""
    yield "none", 0.0, iter(given)
    for smooth in smooths:
        yield "average", smooth, plainly_averaged(given, smooth)
        yield "flow, forward", smooth, averaged(given, smooth)
        yield "flow, both ways", smooth, averaged(given, smooth, look_ahead=LOOK_AHEAD)


def measured(
    clip: Clip, predictor: Predictor, smooths: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """A row for each way: scores of the masks, and the repetitions that they tell."""
    images = (frame.image for frame in clip.frames)
    given = list(zip(clip.frames, predictor.stream_as_seen(images), strict=True))
    for way, smooth, result in ways(given, smooths):
        tracker, signals, predicted = Tracker(), [], []
        for frame, probabilities in result:
            class_ids, own = predictor.marked(probabilities, *frame.image.shape[:2])
            tracker.add(frame.seconds, frame_regions(own, class_ids))
            signals.append(frame_signals(muscle_rows(own, class_ids, predictor.class_names)))
            predicted.append(class_ids)
        area, probability = np.stack(signals, axis=1)
        seconds = np.array([frame.seconds for frame in clip.frames])
        tracks = tracker.tracks(len(seconds))
        timeline = Timeline(predictor.class_names[1:], seconds, area, probability, tracks)
        yield {
            "clip": clip.name,
            "way": way,
            "seconds": smooth,
            "IoU": iou(clip, np.stack(predicted)),
            "flicker_percent": flicker(clip, np.stack(predicted)),
            "undone_percent": undone(clip, np.stack(predicted)) if clip.stays else "",
            "told": timeline.told.removeprefix("repetitions: "),
            "confidence": "; ".join(
                f"{series.muscle} {one.confidence:.2f}"
                for series in timeline.series
                for one in series.repetitions
            ),
        }


def contractions() -> Iterator[dict[str, Any]]:
    """Known contractions: how many are found, and how far their times are off, in frames."""
    for rate in (10, 25, 60):
        for hertz in (0.3, 1.0, 2.0):
            for share in (0.02, 0.002):
                count = round(12 * hertz)
                seconds = np.arange(0, count / hertz + 0.5, 1 / rate)
                phase = (seconds - 0.25) * hertz % 1
                inside = (seconds >= 0.25) & (seconds < 0.25 + count / hertz)
                ramp = np.clip(np.minimum(phase, 0.6 - phase) / 0.15, 0, 1)
                area = share * np.where(inside & (phase < 0.6), ramp, 0)
                found = find_repetitions(seconds, area, np.where(area > 0, 0.8, np.nan))
                times = np.array([(one.start, one.peak, one.end) for one in found])
                starts = 0.25 + np.arange(count)[:, None] / hertz
                errors = rate * np.abs(times - starts - np.array([0.03, 0.3, 0.57]) / hertz)
                yield {
                    "frames_a_second": rate,
                    "hertz": hertz,
                    "largest_area": share,
                    "true": count,
                    "found": len(found),
                    **dict(zip(("start", "peak", "end"), errors.max(axis=0).tolist(), strict=True)),
                }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="run, .keras file or SavedModel folder")
    parser.add_argument("video", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--smooth", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--out", help="JSON file; by default in runs/benchmarks")
    options = parser.parse_args()
    counted = list(contractions())
    print_table("Repetitions of known contractions, times off by at most so many frames", counted)
    predictor = load_predictor(options.model)
    active = [
        path for path in sorted(SAMPLE.glob("*_mask.png")) if np.asarray(Image.open(path)).any()
    ]
    photos = [path.with_name(path.name.replace("_mask.png", ".jpg")) for path in active[:4]]
    clips = [
        filmed(options.video, options.masks),
        panned("swaying at 0.5 Hz", photos, 0.5, cut=False),
        panned("swaying at 1.5 Hz", photos, 1.5, cut=False),
        panned("swaying, four scenes", photos, 0.5, cut=True),
    ]
    rows = [row for clip in clips for row in measured(clip, predictor, options.smooth)]
    print_table("Masks of videos", rows)
    save(options.out, "video_masks", [*rows, *counted])


if __name__ == "__main__":
    main()
