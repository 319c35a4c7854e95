"""Regions of a muscle followed from frame to frame, and the people that they belong to.

The model knows muscles, not people: who is who is told by where the regions lie. Lengths are in
square roots of the frame's area, so that neither resolution nor shape of the frame matter.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import cv2
import numpy as np
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

SPECK = 0.0001  # of the frame; a smaller region is no muscle
GAP = 0.015  # length; pieces of a muscle that lie nearer are one region
REACH = 2.0  # by the size of a region, which is the root of its area: how far it may have gone
REMNANT = 0.25  # of a track's largest area; a smaller region does not move it
ARM_SPAN = 5.0  # by the size of a region: how far apart two of one person are
LESSER_SIDE = 0.2  # of the larger side's area, summed over time; less is no side but an error
LEAST_SHARE = 0.03  # of the muscle's largest track, likewise; less is an error of the model
MOST = 16  # regions of a muscle in a frame that are followed, the largest ones
FORGOTTEN = 1.0  # seconds without being seen, after which a region that was a flicker is forgotten
FLICKER = 3  # frames


@dataclass(frozen=True)
class Region:
    """A connected region of one muscle in a frame.

    Attributes:
        class_id: of the muscle, from 1.
        area: share of the frame's pixels, 0 to 1.
        mean_probability: over its pixels.
        center: (x, y) from the top left, as lengths.
        corner: row and column of the first pixel of `mask`.
        mask: its pixels, bool [h, w].
    """

    class_id: int
    area: float
    mean_probability: float
    center: tuple[float, float]
    corner: tuple[int, int]
    mask: np.ndarray


def frame_regions(highest: np.ndarray, class_ids: np.ndarray) -> tuple[Region, ...]:
    """The regions of all muscles in a frame, without specks.

    Args:
        highest: probability of each pixel's own class, float32 [H, W].
        class_ids: uint8 [H, W], of `Predictor.class_ids`.
    """
    length = np.sqrt(class_ids.size)
    reach = 2 * max(1, round(GAP * length / 2)) + 1
    regions = []
    for class_id, box in enumerate(find_objects(class_ids), start=1):
        if box is None:
            continue
        ys, xs = box
        inside = (class_ids[box] == class_id).astype(np.uint8)
        _, labels = cv2.connectedComponents(cv2.dilate(inside, np.ones((reach, reach), np.uint8)))
        labels *= inside
        pixels = np.bincount(labels.ravel())
        pixels[0] = 0  # what is no region
        boxes = find_objects(labels)
        for label in np.argsort(-pixels)[:MOST].tolist():
            area = float(pixels[label] / class_ids.size)
            if area < SPECK:
                break
            part = boxes[label - 1]
            mask = labels[part] == label
            top, left = ys.start + part[0].start, xs.start + part[1].start
            rows, columns = np.nonzero(mask)
            likely = highest[box][part][mask]
            center = (left + columns.mean()) / length, (top + rows.mean()) / length
            mean = float(likely.mean(dtype=float))
            regions.append(Region(class_id, area, mean, center, (top, left), mask))
    return tuple(regions)


@dataclass(frozen=True)
class Track:
    """A region over a video of N frames.

    Attributes:
        class_id: of the muscle, from 1.
        person: 1, 2, ...; 1 is the largest.
        side: "left" or "right" in the picture where a person has two of the muscle, else "".
        area: float [N], share of the frame's pixels, 0 where it is not seen.
        probability: float [N], mean over its pixels; NaN where it is not seen.
    """

    class_id: int
    person: int
    side: str
    area: np.ndarray
    probability: np.ndarray


@dataclass
class _Open:
    """A region that is being followed: where it was last, and the numbers of each frame it is in.

    Attributes:
        number: 0, 1, 2, ... in the order in which they were first seen.
        last: as it was last seen at work.
        seconds: when it was last seen.
        largest: area so far.
        total: sum of the areas.
        frames: numbers of the frames.
        values: area, mean probability, x and y in each, one after the other: 32 bytes a frame.
    """

    number: int
    last: Region
    seconds: float
    largest: float = 0.0
    total: float = 0.0
    frames: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("d"))

    @property
    def table(self) -> np.ndarray:
        """The values, float [N, 4]."""
        return np.array(self.values).reshape(-1, 4)

    @property
    def size(self) -> float:
        return float(np.sqrt(self.largest))

    @property
    def center(self) -> np.ndarray:
        return np.median(self.table[:, 2:], axis=0)


class Tracker:
    """Follows regions through a video; a region that was away is known by its place."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._count = 0
        self._opened = 0

    def add(self, seconds: float, regions: Sequence[Region]) -> None:
        """Takes the regions of the next frame, of `frame_regions`."""
        self._open = [
            track
            for track in self._open
            if len(track.frames) > FLICKER or seconds - track.seconds < FORGOTTEN
        ]
        matched = dict[int, _Open]()
        if self._open and regions:
            scores = _likeness(self._open, regions)
            for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
                if scores[row, column] > 0:
                    matched[int(column)] = self._open[row]
        for number, region in enumerate(regions):
            track = matched.get(number)
            if track is None:
                track = _Open(self._opened, region, seconds)
                self._opened += 1
                self._open.append(track)
            track.seconds = seconds
            track.total += region.area
            track.largest = max(track.largest, region.area)
            # What is left of a muscle at rest may lie beside where it will work again.
            if region.area >= REMNANT * track.largest:
                track.last = region
            track.frames.append(self._count)
            track.values.extend((region.area, region.mean_probability, *region.center))
        self._count += 1

    def newest(self) -> dict[int, float]:
        """Number and area of each region that is followed; 0 if the last frame lacks it."""
        return {
            track.number: track.values[-4] if track.frames[-1] == self._count - 1 else 0.0
            for track in self._open
        }

    def people(self) -> list[list[tuple[int, int]]]:
        """Class id and number of each region that belongs to a person so far; the largest first."""
        return [
            [(track.last.class_id, track.number) for _, track in members]
            for members in _people(self._open)
        ]

    def tracks(self, count: int) -> tuple[Track, ...]:
        """What was followed through the first `count` frames, person by person."""
        found = []
        for person, members in enumerate(_people(self._open), start=1):
            for side, track in members:
                area, probability = np.zeros(count), np.full(count, np.nan)
                frames = np.array(track.frames)
                inside = frames < count
                area[frames[inside]], probability[frames[inside]] = track.table[inside, :2].T
                found.append(Track(track.last.class_id, person, side, area, probability))
        return tuple(found)


def _likeness(tracks: Sequence[_Open], regions: Sequence[Region]) -> np.ndarray:
    """How well each region goes on each track, float [T, R], from 0; overlap before nearness."""
    last = [track.last for track in tracks]
    areas = np.maximum.outer([one.largest for one in tracks], [one.area for one in regions])
    centers = np.array([one.center for one in last])[:, None] - [one.center for one in regions]
    scores = np.maximum(0, 0.1 * (1 - np.hypot(*centers.T).T / (REACH * np.sqrt(areas))))
    scores *= np.equal.outer([one.class_id for one in last], [one.class_id for one in regions])
    for row, column in np.argwhere(scores > 0).tolist():
        scores[row, column] += _overlap(last[row], regions[column])
    return scores


def _overlap(one: Region, other: Region) -> float:
    """Intersection over union of two regions."""
    corners = np.array([one.corner, other.corner])
    top, left = corners.max(axis=0)
    shapes = np.array([one.mask.shape, other.mask.shape])
    bottom, right = (corners + shapes).min(axis=0)
    if bottom <= top or right <= left:
        return 0.0
    parts = [
        region.mask[top - y : bottom - y, left - x : right - x]
        for region, (y, x) in zip((one, other), corners.tolist(), strict=True)
    ]
    common = np.count_nonzero(parts[0] & parts[1])
    return common / (np.count_nonzero(one.mask) + np.count_nonzero(other.mask) - common)


Side = tuple[str, _Open]


def _people(tracks: Sequence[_Open]) -> list[list[Side]]:
    """Divides tracks among people, the largest first; leaves out errors of the model.

    Two regions of a muscle are one person's if they are as near as two arms are. The muscle with
    the most regions tells how many people there are; the others go to whom they are nearest.
    """
    pairs: list[list[list[_Open]]] = []
    ordered = sorted(tracks, key=lambda track: (track.last.class_id, -track.total))
    for _, group in groupby(ordered, key=lambda track: track.last.class_id):
        several = list(group)
        pairs.append(_pairs([one for one in several if one.total > LEAST_SHARE * several[0].total]))
    if not pairs:
        return []
    pairs.sort(key=lambda those: (len(those), sum(map(_total, those))), reverse=True)
    people = [[pair] for pair in pairs[0]]
    for others in pairs[1:]:
        apart = [[_apart(person[0], pair) for pair in others] for person in people]
        for person, pair in zip(*linear_sum_assignment(np.array(apart)), strict=True):
            people[person].append(others[pair])
    people.sort(key=lambda person: sum(map(_total, person)), reverse=True)
    return [[side for pair in person for side in _sides(pair)] for person in people]


def _pairs(tracks: Sequence[_Open]) -> list[list[_Open]]:
    """One or two tracks of a muscle for each person, from tracks in order of size."""
    pairs: list[list[_Open]] = []
    for track in tracks:
        near = [pair for pair in pairs if _apart(pair, [track]) < ARM_SPAN * pair[0].size]
        free = [pair for pair in near if len(pair) == 1]
        if not near:
            pairs.append([track])
        elif free and track.total > LESSER_SIDE * free[0][0].total:
            min(free, key=lambda pair: _apart(pair, [track])).append(track)
    return pairs


def _apart(one: Sequence[_Open], other: Sequence[_Open]) -> float:
    """Length between the first tracks of two."""
    return float(np.hypot(*(one[0].center - other[0].center)))


def _total(pair: Sequence[_Open]) -> float:
    return sum(track.total for track in pair)


def _sides(pair: Sequence[_Open]) -> list[Side]:
    if len(pair) == 1:
        return [("", pair[0])]
    left, right = sorted(pair, key=lambda track: track.center[0])
    return [("left", left), ("right", right)]
