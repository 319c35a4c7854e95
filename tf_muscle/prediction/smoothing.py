"""A video's probabilities averaged along its motion, at the network's size.

The last average is moved to where the optical flow says that its pixels are now, so that a mask
does not lag behind an arm that moves. Nothing is averaged over a scene cut, nor where a pixel looks
other than where it came from. docs/predict.md has the formulas and what they give.
"""

import functools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, tee

import cv2
import numpy as np

from tf_muscle.prediction.frames import Frame
from tf_muscle.prediction.predictor import Predictor

SMOOTH = 0.1  # seconds
LOOK_AHEAD = 8  # frames; of a film of 30 frames a second, 0.27 seconds
FLOW_SIDE = 256  # pixels, the longer side of the pictures that the flow is found between
TRUSTED = 16.0  # grey levels by which a pixel may differ from where it came from
# A picture and the one before it, moved along the flow, differ by this share of their contrast at a
# cut. On gym photos that were shifted, turned, enlarged and made noisy it was 0.33 at most, between
# different photos 0.57 at least.
CUT = 0.45
SMALLEST_FLOW = 16  # pixels; the flow is found between patches of 8


def smoothed(
    predictor: Predictor, frames: Iterable[Frame], smooth: float, *, look_ahead: int = 0
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Predicts frames and averages their probabilities along the motion, see `averaged`.

    Args:
        predictor: gives the probabilities.
        frames: with increasing seconds, all of one size.
        smooth: time constant in seconds, 0 for none.
        look_ahead: frames that are read ahead, 0 for a camera.

    Yields:
        Each frame with its probabilities, float32 [h, w, K], of `Predictor.stream_as_seen`.
    """
    frames, seen = tee(frames)
    images = (frame.image for frame in seen)
    predicted = zip(frames, predictor.stream_as_seen(images), strict=True)
    yield from averaged(predicted, smooth, look_ahead=look_ahead) if smooth else predicted


def averaged(
    predicted: Iterable[tuple[Frame, np.ndarray]], smooth: float, *, look_ahead: int = 0
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Averages probabilities over time, where the optical flow leads.

    Each pixel's average is the mean over the same point of the scene in all frames before and in
    `look_ahead` frames after. A frame dt seconds away weighs exp(-dt / smooth), or, as there are
    twice as many with those after it, exp(-dt / (smooth / 2)). So the
    average has gone 1 - 1/e = 63 percent of the way in `smooth` seconds after a change if nothing
    is read ahead, whatever the frame rate. Each step also weighs by how well the flow explains the
    pixel, and none goes over a scene cut.

    Args:
        predicted: frames with increasing seconds, and the probabilities of each, float32 [h, w, K],
            at any size.
        smooth: time constant in seconds, above 0.
        look_ahead: frames after each that are averaged, too; so many are in memory.

    Yields:
        Each frame with its average, float32 [h, w, K].
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    constant = smooth / 2 if look_ahead else smooth
    waiting = deque[_Step]()
    interrupted: KeyboardInterrupt | None = None
    try:
        for frame, probabilities in predicted:
            height, width = probabilities.shape[:2]
            grey = _grey(frame.image, max(height, width, FLOW_SIDE))
            own = np.dstack([probabilities, np.ones((height, width), np.float32)])
            total = own
            if waiting:
                last = waiting[-1]
                decay = math.exp((last.frame.seconds - frame.seconds) / constant)
                back = _between(flow, last.grey, grey, (height, width))
                if back is not None:
                    total = own + decay * back.pull(last.total)
                    if look_ahead:
                        forth = _between(flow, grey, last.grey, (height, width))
                        waiting[-1] = replace(last, forth=forth, decay=decay)
            waiting.append(_Step(frame, grey, own, total))
            if len(waiting) > look_ahead + 1:
                waiting.popleft()
            if len(waiting) > look_ahead:
                yield waiting[0].frame, _mean(waiting)
    except KeyboardInterrupt as error:  # what was predicted before it is not lost
        interrupted = error
    if len(waiting) > look_ahead:
        waiting.popleft()
    while waiting:
        yield waiting[0].frame, _mean(waiting)
        waiting.popleft()
    if interrupted:
        raise interrupted


@dataclass(frozen=True)
class _Warp:
    """How values of a neighbouring picture come to a picture.

    Attributes:
        places: x and y in the neighbour of each pixel, float32 [h, w, 2].
        trust: how well they explain the pixel, float32 [h, w, 1], 0 to 1.
    """

    places: np.ndarray
    trust: np.ndarray

    def pull(self, values: np.ndarray) -> np.ndarray:
        """The neighbour's values, float32 [h, w, N], moved and weighted."""
        return self.trust * _moved(values, self.places)


@dataclass(frozen=True)
class _Step:
    """A frame that is waiting for those after it.

    Attributes:
        frame: as decoded.
        grey: small, uint8 [fh, fw], see `_grey`.
        own: its probabilities and a weight of 1, float32 [h, w, K + 1].
        total: these and all before, moved to it, as weighted sums.
        forth: how the next frame's values come to it; None before a cut and in the last one.
        decay: weight of the next frame, 0 to 1.
    """

    frame: Frame
    grey: np.ndarray
    own: np.ndarray
    total: np.ndarray
    forth: _Warp | None = None
    decay: float = 0.0


def _mean(steps: Sequence[_Step]) -> np.ndarray:
    """The average in the first step, over all before it and those that follow."""
    later: np.ndarray | float = 0.0
    for step, following in reversed(list(pairwise(steps))):
        later = 0.0 if step.forth is None else step.decay * step.forth.pull(following.own + later)
    total = steps[0].total + later
    return total[..., :-1] / total[..., -1:]


def _grey(image: np.ndarray, side: int) -> np.ndarray:
    """A picture without colours, uint8, with a longer side of `side` pixels at most."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


def _between(
    flow: cv2.DISOpticalFlow, neighbour: np.ndarray, grey: np.ndarray, size: tuple[int, int]
) -> _Warp | None:
    """How the values of a neighbouring picture come to a picture; None at a scene cut.

    Args:
        flow: the method.
        neighbour: uint8 [fh, fw].
        grey: the picture, uint8 [fh, fw].
        size: height and width of the values.
    """
    if min(grey.shape) < SMALLEST_FLOW:
        return None
    motion = flow.calc(grey, neighbour, None)  # type: ignore[call-overload]  # the stubs lack None
    pulled = _moved(neighbour, _grid(*grey.shape) + motion)
    error = pulled.astype(np.float32) - grey
    error = np.abs(error - np.median(error))  # a lamp that flickers moves nothing
    contrast = np.mean([np.abs(one - np.median(one)).mean() for one in (grey, neighbour)])
    if error.mean() > CUT * (contrast + 1.0):
        return None
    height, width = size
    scale = np.array([width, height]) / grey.shape[::-1]
    places = _grid(height, width) + (cv2.resize(motion, size[::-1]) * scale).astype(np.float32)
    error = cv2.resize(error, size[::-1], interpolation=cv2.INTER_AREA)
    return _Warp(places, np.exp(-((error / TRUSTED) ** 2))[..., None])


def _moved(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values at other places, float32 [h, w, 2], bilinear."""
    xs, ys = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return cv2.remap(values, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """x and y of each pixel, float32 [height, width, 2]."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
