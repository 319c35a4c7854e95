from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.inspection.grouping import found_groups, grouped_split
from tf_muscle.inspection.leakage import Links, neighbouring_frames
from tf_muscle.inspection.measure import ImageInfo
from tf_muscle.roboflow.records import Example


def images_of(sources: list[str], copies: int = 1) -> list[ImageInfo]:
    return [
        ImageInfo(
            "train",
            Example(f"{source}.rf.{copy}.jpg", source, Path(f"train/{source}.jpg"), Path("m.png")),
            (1, 1),
            np.array([1]),
            0,
            0,
            None,
        )
        for source in sources
        for copy in range(copies)
    ]


def links_of(images: list[ImageInfo], duplicates: list[tuple[int, int]] | None = None) -> Links:
    pairs = np.array(duplicates or [], np.int64).reshape(-1, 2)
    zeros = np.zeros(len(pairs), np.int64)
    return Links(pairs, zeros, zeros.astype(bool), neighbouring_frames(images))


def check(images: list[ImageInfo], links: Links, splits: Any, left_out: list[int]) -> None:
    """Every image is somewhere, and nothing that belongs together is in two splits."""
    split_of = {index: split for split, indices in splits.items() for index in indices}
    assert sorted([*split_of, *left_out]) == list(range(len(images)))
    assert list(splits) == ["train", "valid", "test"]
    assert all(splits.values())
    for i, j in [*links.duplicates.tolist(), *links.frames.tolist()]:
        assert split_of.get(i, split_of.get(j)) == split_of.get(j, split_of.get(i))
    by_source: dict[str, set[str | None]] = {}
    for index, image in enumerate(images):
        by_source.setdefault(image.example.source_name, set()).add(split_of.get(index))
    assert all(len(found) == 1 for found in by_source.values())


def test_photos_without_links_are_split_80_10_10() -> None:
    images = images_of([f"p{i}" for i in range(100)], copies=3)
    splits, left_out = grouped_split(images, links_of(images))
    check(images, links_of(images), splits, left_out)
    assert [len(indices) for indices in splits.values()] == [240, 30, 30]
    other, _ = grouped_split(images, links_of(images), seed=1)
    assert other != splits
    assert grouped_split(images, links_of(images))[0] == splits


def test_videos_stay_whole() -> None:
    images = images_of([f"v{video}_mp4-{i:03}" for video in range(10) for i in range(20)])
    links = links_of(images, [(0, 25)])  # videos 0 and 1 share a picture
    splits, left_out = grouped_split(images, links)
    check(images, links, splits, left_out)
    assert not left_out
    assert sum(map(len, splits.values())) == 200
    assert len(splits["valid"]) == len(splits["test"]) == 20


def test_one_video_is_cut_between_frames() -> None:
    images = images_of([f"frame_{i:04}" for i in range(200)], copies=2)
    links = links_of(images)
    splits, left_out = grouped_split(images, links)
    check(images, links, splits, left_out)
    # Two held-out pieces have at most four ends, with two frames of two copies each.
    assert 0 < len(left_out) <= 4 * 2 * 2
    assert len(splits["valid"]) >= 30
    assert len(splits["train"]) > 300


@pytest.mark.parametrize("seed", range(5))
def test_three_videos(seed: int) -> None:
    images = images_of([f"v{video}_mp4-{i:03}" for video in range(3) for i in range(30)])
    links = links_of(images)
    splits, left_out = grouped_split(images, links, seed)
    check(images, links, splits, left_out)
    assert len(splits["train"]) >= 45


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_photos(count: int) -> None:
    images = images_of([f"p{i}" for i in range(count)])
    with pytest.raises(UserError, match="too few"):
        grouped_split(images, links_of(images))


def test_photos_that_all_look_the_same() -> None:
    images = images_of([f"p{i}" for i in range(6)])
    pairs = [(i, j) for i in range(6) for j in range(i)]
    with pytest.raises(UserError, match="too closely related"):
        grouped_split(images, links_of(images, pairs))


def test_groups_are_what_links_join() -> None:
    images = images_of(["a", "b", "c", "d", "v_mp4-1", "v_mp4-2", "v_mp4-9"], copies=2)
    links = links_of(images, [(0, 5), (4, 7)])  # a and c, c and d
    assert found_groups(images, links) == [
        *("a", "a", "b", "b", "a", "a", "a", "a"),
        *("v_mp4-1", "v_mp4-1", "v_mp4-1", "v_mp4-1", "v_mp4-9", "v_mp4-9"),
    ]


def test_named_groups_are_kept_whole_and_links_do_not_count() -> None:
    images = images_of([f"v{video}_mp4-{i:03}" for video in range(2) for i in range(50)])
    named = [f"minute {i // 10}" for i in range(100)]
    splits, left_out = grouped_split(images, links_of(images), 0, named)
    assert not left_out
    assert sorted(len(indices) for indices in splits.values()) == [10, 10, 80]
    seen = [{named[index] for index in indices} for indices in splits.values()]
    assert sum(map(len, seen)) == 10


def test_named_groups_that_do_not_divide() -> None:
    images = images_of([f"p{i}" for i in range(20)])
    for named in (["a"] * 20, ["a"] * 10 + ["b"] * 10):
        with pytest.raises(UserError, match="groups of --groups are too few or too large"):
            grouped_split(images, links_of(images), 0, named)
