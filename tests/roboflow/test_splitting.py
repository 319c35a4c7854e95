from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.roboflow.records import Example
from tf_muscle.roboflow.splitting import hold_out, shared_sources, shared_videos


def examples(sources: int, copies: int = 3) -> list[Example]:
    return [
        Example(f"{source}.rf.{copy}.jpg", f"photo {source}", Path(), Path())
        for source in range(sources)
        for copy in range(copies)
    ]


@pytest.mark.parametrize(("sources", "held_out"), [(3, 1), (4, 1), (10, 1), (100, 10), (160, 16)])
def test_sizes(sources: int, held_out: int) -> None:
    splits = hold_out(examples(sources), ["valid", "test"], seed=0)
    assert list(splits) == ["train", "valid", "test"]
    assert len(splits["valid"]) == len(splits["test"]) == 3 * held_out
    assert len(splits["train"]) == 3 * (sources - 2 * held_out)


def test_copies_never_part() -> None:
    splits = hold_out(examples(50), ["valid", "test"], seed=3)
    assert shared_sources(splits) == {}
    assert sorted(e.file_name for s in splits.values() for e in s) == sorted(
        e.file_name for e in examples(50)
    )


def test_seed_and_order() -> None:
    first = hold_out(examples(50), ["valid", "test"], seed=0)
    assert hold_out(examples(50), ["valid", "test"], seed=0) == first
    backwards = hold_out(examples(50)[::-1], ["valid", "test"], seed=0)
    assert set(backwards["test"]) == set(first["test"])
    assert set(hold_out(examples(50), ["valid", "test"], seed=1)["test"]) != set(first["test"])


def test_one_missing_split() -> None:
    splits = hold_out(examples(20), ["test"], seed=0)
    assert {split: len(found) for split, found in splits.items()} == {"train": 54, "test": 6}


@pytest.mark.parametrize(("sources", "missing"), [(2, ["valid", "test"]), (1, ["test"])])
def test_too_few_sources(sources: int, missing: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        hold_out(examples(sources), missing, seed=0)
    assert str(caught.value) == (
        f"train holds {sources} source photos, too few to hold out {' and '.join(missing)}; add "
        "photos or export with a split made in Roboflow."
    )


def test_shared_sources() -> None:
    photos = examples(4, copies=1)
    assert shared_sources({"train": photos[:3], "valid": photos[2:3], "test": photos[2:]}) == {
        "photo 2": ["train", "valid", "test"]
    }


def photos(names: list[str]) -> list[Example]:
    return [Example(f"{name}.jpg", name, Path(), Path()) for name in names]


def sources(splits: dict[str, tuple[Example, ...]]) -> dict[str, list[str]]:
    return {split: [e.source_name for e in found] for split, found in splits.items()}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "lengths", [[30, 30, 30], [100, 5, 5], [50, 50, 2], [7] * 20, [1, 4, 9, 9]]
)
def test_videos_move_whole(lengths: list[int], seed: int) -> None:
    names = [f"v{video}_mp4-{i}" for video, length in enumerate(lengths) for i in range(length)]
    splits = hold_out(photos(names), ["valid", "test"], seed)
    assert shared_videos(splits) == {}
    assert all(splits.values())
    assert sum(map(len, splits.values())) == len(names)
    assert len(splits["train"]) >= max(len(splits["valid"]), len(splits["test"]))
    assert hold_out(photos(names[::-1]), ["valid", "test"], seed).keys() == splits.keys()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("videos", "length"), [(1, 48), (2, 30), (1, 200), (1, 12), (1, 5), (1, 3)]
)
@pytest.mark.parametrize("missing", [["valid", "test"], ["test"]])
def test_too_few_videos_are_cut_by_time(
    missing: list[str], videos: int, length: int, seed: int
) -> None:
    if videos > len(missing):
        pytest.skip("enough videos to hold out a whole one")
    names = [f"v{video}_mp4-{i}" for video in range(videos) for i in range(length)]
    splits = hold_out(photos(names), missing, seed)
    assert all(splits.values())
    split_at = {name: split for split, found in sources(splits).items() for name in found}
    assert len(split_at) == sum(map(len, splits.values()))
    for video in range(videos):
        order = [split_at.get(f"v{video}_mp4-{i}") for i in range(length)]
        for split in missing:
            places = [i for i, found in enumerate(order) if found == split]
            assert places == list(range(places[0], places[-1] + 1))
            if length >= 30:
                beside = {*order[max(0, places[0] - 2) : places[0]]}
                beside |= {*order[places[-1] + 1 : places[-1] + 3]}
                assert beside <= {None}
    assert len(splits["train"]) > sum(len(splits[split]) for split in missing) or length <= 5


def test_photos_are_held_out_before_a_long_video() -> None:
    names = [f"v_mp4-{i}" for i in range(50)] + [f"p{i}" for i in range(50)]
    splits = sources(hold_out(photos(names), ["valid", "test"], 0))
    assert len(splits["valid"]) == len(splits["test"]) == 10
    assert not any(name.startswith("v_") for name in splits["valid"] + splits["test"])
