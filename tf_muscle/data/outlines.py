"""From COCO's outlines to a mask of class ids, by pycocotools."""

import math
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from tf_muscle.data.records import Outlines


def rasterise(outlines: Outlines) -> np.ndarray:
    """Draws the outlines of one image.

    A pixel in several regions belongs to the one with the fewest pixels, so that a small muscle
    stays visible on a large one; of equally large regions the later one wins.

    Returns:
        uint8 [H, W] class ids, 0 where no region is.
    """
    size = outlines.height, outlines.width
    # pycocotools decodes to Fortran order, and mixed orders cost three times as much to assign.
    mask = np.zeros(size, np.uint8, order="F")
    regions = [
        (segment.class_id, _encode(segment.segmentation, size)) for segment in outlines.segments
    ]
    for class_id, region in sorted(regions, key=lambda r: coco_mask.area(r[1]), reverse=True):
        x, y, width, height = coco_mask.toBbox(region).astype(int)
        box = np.s_[y : y + height, x : x + width]
        mask[box][coco_mask.decode(region)[box] == 1] = class_id
    return np.ascontiguousarray(mask)


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
        return None
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        return "neither polygons nor a run-length encoding"
    if segmentation["size"] != [height, width]:
        return f"a run-length encoding of size {segmentation['size']}, image {[height, width]}"
    counts = segmentation["counts"]
    try:
        runs = _run_lengths(counts) if isinstance(counts, str) else counts
        whole = min(runs) >= 0 and sum(runs) == height * width
    except (TypeError, ValueError, StopIteration):
        whole = False
    return None if whole else "a damaged run-length encoding"


def _encode(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    if isinstance(segmentation["counts"], str):
        return segmentation
    return coco_mask.frPyObjects(segmentation, *size)


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
    return isinstance(value, int | float) and math.isfinite(value)
