import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image

from tf_muscle.inspection.leakage import (
    NEAR,
    find_links,
    near_duplicates,
    neighbouring_frames,
)
from tf_muscle.inspection.measure import ImageInfo, perceptual_hashes
from tf_muscle.roboflow.records import Example

Surveyed = Callable[[Path], Any]


def info(source: str, hashes: np.ndarray | None = None) -> ImageInfo:
    example = Example(f"{source}.jpg", source, Path(f"train/{source}.jpg"), Path("mask.png"))
    return ImageInfo("train", example, (1, 1), np.array([1]), 0, 0, hashes)


def hashed(path: Path) -> np.ndarray | None:
    return perceptual_hashes(Example(path.name, path.stem, path, path))


@pytest.mark.parametrize(
    ("numbers", "pairs"),
    [
        ([1, 2, 3, 4], [(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]),
        ([1, 4, 5, 9], [(4, 5)]),
        ([10, 20, 30, 50, 80], [(10, 20), (10, 30), (20, 30), (30, 50)]),  # every tenth frame
        ([0, 500], []),
        ([7], []),
        ([], []),
    ],
)
def test_neighbours(numbers: Sequence[int], pairs: list[tuple[int, int]]) -> None:
    images = [info(f"frame_{number:04}_jpg") for number in numbers]
    images.append(info("other_video_frame_0002_jpg"))
    found = [(numbers[i], numbers[j]) for i, j in neighbouring_frames(images).tolist()]
    assert sorted(found) == pairs


def test_distances_are_those_of_imagehash(drawn: Any, surveyed: Surveyed) -> None:
    drawn.add("train/copy_jpg.rf.99.jpg", drawn.photo(1) // 2 + 60, drawn.mask())
    images = surveyed(drawn.root).images
    hashes = [imagehash.phash(Image.open(one.example.image_path), hash_size=16) for one in images]
    expected = [
        [i, j, hashes[i] - hashes[j]]
        for i, j in itertools.combinations(range(len(images)), 2)
        if hashes[i] - hashes[j] <= NEAR
    ]
    links = find_links(images)
    assert np.column_stack([links.duplicates, links.distances]).tolist() == expected
    assert len(expected) == 1
    assert not links.mirrored.any()


def test_flat_photos_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), (90, 90, 90)).save(path)
    assert hashed(path) is None
    pairs, distances, mirrored = near_duplicates([info("a"), info("b")])
    assert pairs.shape == (0, 2)
    assert distances.shape == mirrored.shape == (0,)


def test_poses_of_one_scene_are_different_photos(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """A rendered curl, one person in one room: called copies only where the arm has not moved."""
    import cv2

    video = cv2.VideoCapture(str(shared("curl.mp4")))
    images = []
    while (read := video.read())[0]:
        path = tmp_path / f"{len(images)}.png"
        Image.fromarray(read[1][..., ::-1]).save(path)
        images.append(info(path.stem, hashed(path)))
    assert len(images) == 48
    pairs, _, _ = near_duplicates(images)
    elbow = np.load(shared("curl_masks.npz"))["elbow_deg"]
    angles = np.abs(elbow[pairs[:, 0]] - elbow[pairs[:, 1]])
    assert len(pairs)  # the arm rests at both ends of the movement
    assert angles.max() < 15  # of a movement of 100 degrees and more
    assert np.ptp(elbow) > 100
