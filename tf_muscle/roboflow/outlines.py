"""From COCO's outlines to a mask of class ids, by pycocotools."""

import math
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from tf_muscle.errors import shortened
from tf_muscle.roboflow.records import Outlines

MAX_OUTLINE = 1_000_000  # pixels; pycocotools takes some 80 bytes for each


def rasterise(outlines: Outlines) -> np.ndarray:
    """Draws the outlines of one image.

    A pixel in several regions belongs to the one with the fewest pixels, so that a small muscle
    stays visible on a large one; of equally large regions the later one wins.

    Returns:
        uint8 [H, W] class ids, 0 where no region is.
    """
    height, width = outlines.height, outlines.width
    mask = np.zeros(height * width, np.uint8)  # column by column, as COCO counts its runs
    regions = [
        (segment.class_id, np.array(_runs(segment.segmentation, height, width)))
        for segment in outlines.segments
    ]
    for class_id, runs in sorted(regions, key=lambda region: region[1][1::2].sum(), reverse=True):
        ends = runs.cumsum()
        for start, stop in zip(ends[:-1:2], ends[1::2], strict=True):
            mask[start:stop] = class_id
    return np.ascontiguousarray(mask.reshape(width, height).T)


def fault(segmentation: Any, height: int, width: int) -> str | None:
    """Says why a segmentation cannot be drawn, or None if it can.

    pycocotools does not: it takes a polygon of two points for a box, fills the memory with the
    edges of a polygon far outside the image, and leaves random values in a mask whose run-length
    encoding ends early.
    """
    if isinstance(segmentation, list):
        for polygon in segmentation:
            if not isinstance(polygon, list) or not all(map(_is_number, polygon)):
                return "a polygon that is no list of numbers"
            if len(polygon) % 2:
                return "a polygon with an odd number of coordinates"
            if len(polygon) < 6:
                return f"a polygon of {len(polygon) // 2} points"
            if max(map(abs, polygon)) > 2 * max(height, width):
                return "a polygon far outside the image"
            points = np.array(polygon, float).reshape(-1, 2)
            if np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() > MAX_OUTLINE:
                return f"a polygon more than {MAX_OUTLINE:,} pixels round"
        return None
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        return "neither polygons nor a run-length encoding"
    if segmentation["size"] != [height, width]:
        return (
            f"a run-length encoding of size {shortened(segmentation['size'])}, "
            f"image {[height, width]}"
        )
    counts = segmentation["counts"]
    try:
        runs = _run_lengths(counts) if isinstance(counts, str) else counts
        whole = (
            isinstance(runs, list)
            and all(type(run) is int and run >= 0 for run in runs)
            and sum(runs) == height * width
        )
    except (ValueError, StopIteration):
        whole = False
    return None if whole else "a damaged run-length encoding"


def _runs(segmentation: Any, height: int, width: int) -> list[int]:
    """How many pixels are outside, inside, outside, ... column by column; `fault` found none."""
    if isinstance(segmentation, list):
        polygons = coco_mask.frPyObjects(segmentation, height, width)
        while len(polygons) > 1:  # by groups, for the time of one merge is the number's square
            polygons = [coco_mask.merge(polygons[i : i + 16]) for i in range(0, len(polygons), 16)]
        return _run_lengths(polygons[0]["counts"].decode("ascii"))
    counts = segmentation["counts"]
    return _run_lengths(counts) if isinstance(counts, str) else counts


def _run_lengths(counts: str) -> list[int]:
    """Decodes COCO's compressed run lengths, after rleFrString in cocoapi's common/maskApi.c.

    A number is written in groups of five bits, lowest first, one character each (48 added); 32
    marks that more follow, 16 in the last group a negative number. From the fourth number on it is
    the difference to the number two before.
    """
    runs: list[int] = []
    codes = iter(counts.encode("ascii"))
    for code in codes:
        value = shift = 0
        group = code - 48
        while True:
            if shift > 30:
                raise ValueError("a run of more than 32 bits")
            value |= (group & 31) << shift
            shift += 5
            if not group & 32:
                break
            group = next(codes) - 48
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < math.inf
