import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tf_muscle.roboflow import outlines
from tf_muscle.roboflow.outlines import fault, rasterise
from tf_muscle.roboflow.records import Outlines, Segment

HEIGHT, WIDTH = 4, 6


def draw(*segments: tuple[int, object]) -> list[str]:
    mask = rasterise(Outlines(HEIGHT, WIDTH, tuple(Segment(*segment) for segment in segments)))
    assert mask.dtype == np.uint8
    assert mask.flags.c_contiguous
    return ["".join(map(str, row)) for row in mask]


def box(left: int, top: int, right: int, bottom: int) -> list[int]:
    return [left, top, right, top, right, bottom, left, bottom]


def test_no_region_is_background() -> None:
    assert draw() == ["000000"] * 4


def test_polygon() -> None:
    assert draw((3, [box(1, 0, 4, 2)])) == ["033300", "033300", "000000", "000000"]


def test_polygons_of_one_region() -> None:
    assert draw((1, [box(0, 0, 2, 1), box(3, 2, 6, 4)])) == ["110000", "000000", "000111", "000111"]


def test_every_polygon_of_a_region_is_drawn() -> None:
    """More than are merged at a time."""
    pixels = [box(x, y, x + 1, y + 1) for x in range(WIDTH) for y in range(HEIGHT)]
    assert draw((1, pixels)) == ["111111"] * 4
    assert draw((1, pixels[:17])) == ["111110", "111100", "111100", "111100"]


def test_polygon_is_cut_at_the_border() -> None:
    assert draw((1, [box(4, -2, 9, 2)])) == ["000011", "000011", "000000", "000000"]


def test_uncompressed_run_lengths_go_down_the_columns() -> None:
    # 5 off, 3 on (column 1, rows 1 to 3), 16 off
    rle = {"size": [HEIGHT, WIDTH], "counts": [5, 3, 16]}
    assert draw((2, rle)) == ["000000", "020000", "020000", "020000"]


def test_compressed_run_lengths() -> None:
    expected = np.array([[0, 0, 1, 1, 0, 0], [0] * 6, [1, 0, 0, 0, 0, 1], [0] * 6], np.uint8)
    rle = coco_mask.encode(np.asfortranarray(expected))
    rle["counts"] = rle["counts"].decode()
    assert fault(rle, HEIGHT, WIDTH) is None
    assert draw((1, rle)) == ["".join(map(str, row)) for row in expected]


def test_smaller_region_wins_in_any_order() -> None:
    large, small = (1, [box(0, 0, 6, 3)]), (2, [box(1, 1, 3, 4)])
    expected = ["111111", "122111", "122111", "022000"]
    assert draw(large, small) == expected
    assert draw(small, large) == expected


def test_size_is_counted_in_pixels_not_taken_from_the_box() -> None:
    corner = (1, [box(0, 0, 1, 4), box(1, 3, 6, 4)])  # 9 pixels in a box of 24
    square = (2, [box(0, 0, 5, 2)])  # 10 pixels
    assert draw(corner, square) == ["122220", "122220", "100000", "111111"]


def test_later_of_equal_regions_wins() -> None:
    assert draw((1, [box(0, 0, 2, 1)]), (2, [box(1, 0, 3, 1)]))[0] == "122000"
    assert draw((2, [box(1, 0, 3, 1)]), (1, [box(0, 0, 2, 1)]))[0] == "112000"


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 1, 5, 5]], "a polygon of 2 points"),
        ([box(0, 0, 2, 2), []], "a polygon of 0 points"),
        ([[0, 0, 2, 0, 2, 2, 0]], "a polygon with an odd number of coordinates"),
        ([[0, 0, 2, 0, 2, float("nan")]], "a polygon that is no list of numbers"),
        ([[0, 0, 2, 0, 2, float("inf")]], "a polygon that is no list of numbers"),
        ([[0, 0, 2, 0, 2, "2"]], "a polygon that is no list of numbers"),
        ([0, 0, 2, 0, 2, 2], "a polygon that is no list of numbers"),
        ([box(0, 0, 2_000_000_000, 2)], "a polygon far outside the image"),
        ([box(0, 0, 2 * WIDTH + 1, 2)], "a polygon far outside the image"),
        ("polygon", "neither polygons nor a run-length encoding"),
        ({"counts": [24]}, "neither polygons nor a run-length encoding"),
        (
            {"size": [6, 4], "counts": [24]},
            "a run-length encoding of size [6, 4], image [4, 6]",
        ),
        ({"size": [4, 6], "counts": [5, 3]}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": [25, -1]}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": []}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": ["24"]}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": ""}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": "é"}, "a damaged run-length encoding"),
        ({"size": [4, 6], "counts": "oooooooo0"}, "a damaged run-length encoding"),
    ],
)
def test_faults(segmentation: object, reason: str) -> None:
    assert fault(segmentation, HEIGHT, WIDTH) == reason


@pytest.mark.parametrize(
    "polygon",
    [
        [0, 0, 2, 0, 2, 2],
        box(0, 0, 2 * WIDTH, 2),
        box(-2 * WIDTH, 0, 2, 2),
        [True, False, True, True, False, False],  # JSON's; Python counts them as 1 and 0
    ],
)
def test_polygons_that_are_just_in_order(polygon: list[float]) -> None:
    assert fault([polygon], HEIGHT, WIDTH) is None


def test_outline_is_measured_from_corner_to_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    """pycocotools steps along the longer of the two directions of an edge: 6 + 5 + 5 + 4."""
    polygon = [0, 0, 6, 1, 5, 6, 4, 1]
    monkeypatch.setattr(outlines, "MAX_OUTLINE", 20)
    assert fault([polygon], HEIGHT, WIDTH) is None
    monkeypatch.setattr(outlines, "MAX_OUTLINE", 19)
    assert fault([polygon], HEIGHT, WIDTH) == "a polygon more than 19 pixels round"


def test_longest_run_that_is_read() -> None:
    height, width = 1, 2**30  # takes seven groups of five bits
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": [2**30]}, height, width)
    counts = rle["counts"].decode()
    assert len(counts) == 7
    assert fault({"size": [height, width], "counts": counts}, height, width) is None


def test_compressed_run_lengths_are_complete_or_at_fault() -> None:
    """Any mask passes as pycocotools encodes it, and at every cut it is refused."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = (rng.random((13, 40)) < rng.random()).astype(np.uint8)
        rle = coco_mask.encode(np.asfortranarray(mask))
        counts = rle["counts"].decode()
        assert fault({"size": [13, 40], "counts": counts}, 13, 40) is None
        for end in range(len(counts)):
            cut = {"size": [13, 40], "counts": counts[:end]}
            assert fault(cut, 13, 40) == "a damaged run-length encoding"
