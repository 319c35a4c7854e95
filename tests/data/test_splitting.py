from pathlib import Path

import pytest

from tf_muscle.data.records import Example
from tf_muscle.data.splitting import set_aside, shared_sources
from tf_muscle.errors import UserError


def examples(sources: int, copies: int = 3) -> list[Example]:
    return [
        Example(f"{source}.rf.{copy}.jpg", f"photo {source}", Path(), Path())
        for source in range(sources)
        for copy in range(copies)
    ]


@pytest.mark.parametrize(("sources", "held_out"), [(3, 1), (4, 1), (10, 1), (100, 10), (160, 16)])
def test_sizes(sources: int, held_out: int) -> None:
    splits = set_aside(examples(sources), ["valid", "test"], seed=0)
    assert list(splits) == ["train", "valid", "test"]
    assert len(splits["valid"]) == len(splits["test"]) == 3 * held_out
    assert len(splits["train"]) == 3 * (sources - 2 * held_out)


def test_copies_never_part() -> None:
    splits = set_aside(examples(50), ["valid", "test"], seed=3)
    assert shared_sources(splits) == {}
    assert sorted(e.file_name for s in splits.values() for e in s) == sorted(
        e.file_name for e in examples(50)
    )


def test_seed_and_order() -> None:
    first = set_aside(examples(50), ["valid", "test"], seed=0)
    assert set_aside(examples(50), ["valid", "test"], seed=0) == first
    backwards = set_aside(examples(50)[::-1], ["valid", "test"], seed=0)
    assert set(backwards["test"]) == set(first["test"])
    assert set(set_aside(examples(50), ["valid", "test"], seed=1)["test"]) != set(first["test"])


def test_one_missing_split() -> None:
    splits = set_aside(examples(20), ["test"], seed=0)
    assert {split: len(found) for split, found in splits.items()} == {"train": 54, "test": 6}


@pytest.mark.parametrize(("sources", "missing"), [(2, ["valid", "test"]), (1, ["test"])])
def test_too_few_sources(sources: int, missing: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        set_aside(examples(sources), missing, seed=0)
    assert str(caught.value) == (
        f"train holds {sources} source photos, too few to set {' and '.join(missing)} aside; add "
        "photos or export with a split made in Roboflow."
    )


def test_shared_sources() -> None:
    photos = examples(4, copies=1)
    assert shared_sources({"train": photos[:3], "valid": photos[2:3], "test": photos[2:]}) == {
        "photo 2": ["train", "valid", "test"]
    }
