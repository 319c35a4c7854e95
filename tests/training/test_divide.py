"""Folds and splits by groups; the photos are rows, since no pixel matters here."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.inspection.leakage import Links, neighbouring_frames
from tf_muscle.inspection.measure import ImageInfo
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.records import SPLITS, Example
from tf_muscle.roboflow.split_folder import source_name
from tf_muscle.runs.folds import Folds
from tf_muscle.training.divide import (
    Photos,
    describe,
    divide_into_folds,
    divide_once,
    rarest_class,
    survey_photos,
)


def photos_of(
    files: list[str],
    named: list[str] | None = None,
    pixels: list[list[int]] | None = None,
    alike: list[tuple[int, int]] | None = None,
) -> Photos:
    images = [
        ImageInfo(
            SPLITS[i % 3],
            Example(file, source_name(file), Path(file), Path("mask.png")),
            (8, 8),
            np.array(pixels[i] if pixels else [60, 4]),
            0,
            0,
            None,
        )
        for i, file in enumerate(files)
    ]
    pairs = np.array(alike or [], np.int64).reshape(-1, 2)
    zeros = np.zeros(len(pairs), np.int64)
    links = Links(pairs, zeros, zeros.astype(bool), neighbouring_frames(images))
    names = ("background", "biceps", "calf")[: len(images[0].class_pixels)]
    return Photos(images, links, named, names, "0" * 16, Geometry("pad", 48))


def check(folds: Folds, photos: Photos) -> None:
    """Every photo is tested once, and no group is in two roles of a fold."""
    assert len({photo.name for photo in folds.photos}) == len(photos.images) == len(folds.photos)
    tested: list[str] = []
    group_of = {photo.name: photo.group for photo in folds.photos}
    for number in range(1, folds.count + 1):
        parts = folds.assignment(number)
        assert sorted(name for names in parts.photos.values() for name in names) == sorted(group_of)
        assert all(parts.photos.values())
        roles = defaultdict(set)
        for split, names in parts.photos.items():
            for name in names:
                roles[group_of[name]].add(split)
        assert all(len(found) == 1 for found in roles.values())
        tested += parts.photos["test"]
        counts = np.array([parts.pixel_counts[split] for split in SPLITS])
        total = np.sum([image.class_pixels for image in photos.images], axis=0)
        assert counts.sum(axis=0).tolist() == total.tolist()
    assert sorted(tested) == sorted(group_of)


@pytest.mark.parametrize("count", [2, 5, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_photos_alone(count: int, seed: int) -> None:
    photos = photos_of([f"p{i}.jpg" for i in range(100)])
    config = DataConfig(folds=count, split_seed=seed)
    folds = divide_into_folds(photos, config)
    check(folds, photos)
    assert folds == divide_into_folds(photos, config)
    for number in range(1, count + 1):
        sizes = {split: len(names) for split, names in folds.assignment(number).photos.items()}
        assert sizes["test"] == 100 / count
        assert sizes["valid"] == pytest.approx((100 - sizes["test"]) / 8, abs=1.5)


def test_copies_frames_and_likenesses_are_groups() -> None:
    files = [f"a{i}_jpg.rf.{copy}.jpg" for i in range(30) for copy in range(3)]
    files += [f"squat_mp4-{i:04}.jpg" for i in range(9)]  # a chain of neighbours
    photos = photos_of(files, alike=[(0, 30), (31, 62)])  # the photos 0, 10 and 20
    folds = divide_into_folds(photos, DataConfig(folds=5))
    check(folds, photos)
    groups = [photo.group for photo in folds.photos]
    assert len(set(groups)) == 30 - 2 + 1
    assert len({groups[i] for i in range(0, 90, 30)}) == 1
    assert len(set(groups[90:])) == 1


def test_people() -> None:
    rng = np.random.default_rng(0)
    people = [f"person {n}" for n in rng.integers(0, 12, 200)]
    photos = photos_of([f"p{i}.jpg" for i in range(200)], people)
    folds = divide_into_folds(photos, DataConfig(folds=5, groups="x"))
    check(folds, photos)
    assert [photo.group for photo in folds.photos] == people


def test_folds_have_their_share_of_a_rare_class() -> None:
    """10 of 100 photos show the calf: each of five folds gets two of them."""
    pixels = [[50, 9, 5 if i % 10 == 0 else 0] for i in range(100)]
    photos = photos_of([f"p{i}.jpg" for i in range(100)], pixels=pixels)
    folds = divide_into_folds(photos, DataConfig(folds=5))
    shown = [photo.fold for photo in folds.photos if photo.class_pixels[2]]
    assert np.bincount(shown)[1:].tolist() == [2] * 5


def test_rarest_class() -> None:
    pixels = np.array([[9, 1, 1, 0], [9, 1, 0, 0], [9, 0, 0, 0], [0, 1, 0, 1], [9, 0, 1, 1]])
    # Of the last two classes, in two photos each, the first is taken.
    assert rarest_class(pixels).tolist() == [2, 1, 0, 3, 2]
    assert rarest_class(np.array([[5, 0], [0, 0]])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("groups", "folds", "told"),
    [
        (["a", "b", "c", "d"] * 5, 5, "needs at least 5 groups of photos, and --groups x make 4: "
         "give --folds 4 at most, or smaller"),
        (["a", "b"] * 10, 2, "needs at least 3 groups of photos, and --groups x make 2: give "
         "photos of more groups"),
        (["a"] * 8 + list("bcdefghijklm"), 5, "the group a (--groups x) has 8 of 20 photos, more "
         "than one of 5 folds: give --folds 2 at most, or smaller groups by --groups"),
        (["a"] * 12 + list("bcdefghi"), 2, "more than one of 2 folds: give smaller groups"),
    ],
)  # fmt: skip
def test_groups_that_do_not_fit(groups: list[str], folds: int, told: str) -> None:
    photos = photos_of([f"p{i}.jpg" for i in range(20)], groups)
    with pytest.raises(UserError) as caught:
        divide_into_folds(photos, DataConfig(folds=folds, groups="x"))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (list("abc") * 4, "give --folds 3, or smaller groups by --groups"),
        (["a"] * 5 + ["b", "c", "d", "d"], "at once (--groups x), and "
         "two have to be left, one to train on and one to choose the epoch by: give smaller"),
    ],
)  # fmt: skip
def test_a_fold_that_leaves_a_single_group(groups: list[str], told: str) -> None:
    photos = photos_of([f"p{i}.jpg" for i in range(len(groups))], groups)
    with pytest.raises(UserError) as caught:
        divide_into_folds(photos, DataConfig(folds=2, groups="x"))
    assert told in str(caught.value)


def test_a_single_video_is_refused() -> None:
    photos = photos_of([f"squat_mp4-{i:04}.jpg" for i in range(40)])
    with pytest.raises(UserError, match="photos that look alike make 1: give photos of more"):
        divide_into_folds(photos, DataConfig(folds=5))


def test_what_the_user_is_told() -> None:
    pixels = [[60, 4, 3 if i < 2 else 0] for i in range(12)]
    groups = ["ab"[i] if i < 2 else f"g{i // 2}" for i in range(12)]
    groups[1] = "a"  # all that show the calf are in one group
    photos = photos_of([f"p{i}.jpg" for i in range(12)], groups, pixels, alike=[(0, 11), (0, 1)])
    folds = divide_into_folds(photos, DataConfig(folds=3, groups="x"))
    first, lacking, alike = describe(photos, folds)
    assert first.startswith("All 12 photos take part, whatever split they are in (4 train, 4 valid")
    assert first.endswith("6 groups in 3 folds")
    assert f"no training photo of fold {folds.photos[0].fold} shows calf" in lacking
    assert "(1 pairs), which makes scores too good: train/p0.jpg (a) and test/p11.jpg (g5)" in alike


def test_split_groups_needs_an_export_of_train_alone(small_export: Path) -> None:
    photos = photos_of([f"p{i}.jpg" for i in range(20)])
    with pytest.raises(UserError, match=r"and .* has train, valid, test: leave it out"):
        divide_once(photos, DataConfig(data=str(small_export), split_groups=True))


def test_all_folders_of_an_export(small_export: Path) -> None:
    config = DataConfig(data=str(small_export), folds=4, groups=r"(\d{4})_jpg")
    photos = survey_photos(config)
    assert [image.split for image in photos.images] == ["train"] * 12 + ["valid"] * 4 + ["test"] * 4
    check(divide_into_folds(photos, config), photos)
