"""Which photos are in which split, read alone, and held out where a split is missing."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import (
    check_pixels,
    read_export,
)
from tf_muscle.roboflow.records import SPLITS, Note
from tf_muscle.roboflow.splitting import shared_videos

Refusal = Callable[..., str]


def test_a_split_that_is_read_alone(mask_export: Path) -> None:
    whole = read_export(mask_export)
    (mask_export / "valid" / "_classes.csv").write_text("of no use")
    shutil.rmtree(mask_export / "train")
    (mask_export / "test").rename(mask_export / "Testing")
    export = read_export(mask_export, split="test")
    assert list(export.splits) == ["test"]
    assert export.class_names == whole.class_names
    assert check_pixels(export)["test"].tolist() == [94, 2, 0]
    with pytest.raises(UserError, match="has no train folder, only valid, Testing; ask"):
        read_export(mask_export, split="train")


def test_all_folders_are_read_as_they_are(mask_export: Path) -> None:
    """To be divided anew: a photo in two folders is no leak, and nothing is held out."""
    whole = read_export(mask_export)
    assert read_export(mask_export, split="all").splits == whole.splits
    shutil.copy(mask_export / "train" / "arm_jpg.rf.01.jpg", mask_export / "test")
    shutil.copy(mask_export / "train" / "arm_jpg.rf.01_mask.png", mask_export / "test")
    with pytest.raises(UserError, match="more than one split"):
        read_export(mask_export)
    export = read_export(mask_export, split="all")
    assert {split: len(examples) for split, examples in export.splits.items()} == {
        "train": 4, "valid": 1, "test": 2
    }  # fmt: skip
    assert not [note for note in export.notes if note.kind == "leakage"]
    shutil.rmtree(mask_export / "valid")
    assert list(read_export(mask_export, split="all").splits) == ["train", "test"]
    shutil.rmtree(mask_export / "train")
    with pytest.raises(UserError, match="folder train is missing"):
        read_export(mask_export, split="all")


def test_train_that_is_read_alone_is_whole(mask_export: Path) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    export = read_export(mask_export, split="train")
    assert {split: len(examples) for split, examples in export.splits.items()} == {"train": 4}
    assert export.notes == ()


def as_frames(root: Path, names: list[str]) -> None:
    """Replaces all photos by frames in train."""
    shutil.rmtree(root / "valid")
    shutil.rmtree(root / "test")
    photo, mask = root / "train/arm_jpg.rf.01.jpg", root / "train/arm_jpg.rf.01_mask.png"
    for name in names:
        shutil.copy(photo, root / "train" / f"{name}.jpg")
        shutil.copy(mask, root / "train" / f"{name}_mask.png")
    for path in [p for p in (root / "train").iterdir() if ".rf." in p.name or "über" in p.name]:
        path.unlink()


def test_frames_of_one_video_are_held_out_by_time(mask_export: Path) -> None:
    as_frames(mask_export, [f"curl_{number:06}" for number in range(48)])
    export = read_export(mask_export)
    places = {
        split: [int(example.source_name[-6:]) for example in examples]
        for split, examples in export.splits.items()
    }
    for held_out in (places["valid"], places["test"]):
        assert held_out == list(range(held_out[0], held_out[-1] + 1))
        assert 4 <= len(held_out) <= 5
    far = [abs(a - b) for one in SPLITS for other in SPLITS if one != other
           for a in places[one] for b in places[other]]  # fmt: skip
    assert min(far) > 2
    left_out = 48 - sum(map(len, places.values()))
    (note,) = export.notes
    assert 4 <= left_out <= 8
    assert f"curl_ were cut by time, {left_out} images beside the cuts left" in note.text
    assert "scores tell of other moments of these videos" in note.text


def test_whole_videos_are_held_out(mask_export: Path) -> None:
    names = [f"gym{video}_mp4-{number}_jpg" for video in range(10) for number in range(7)]
    as_frames(mask_export, names)
    export = read_export(mask_export)
    assert shared_videos(export.splits) == {}
    assert {split: len(examples) for split, examples in export.splits.items()} == {
        "train": 56,
        "valid": 7,
        "test": 7,
    }
    assert "whole photos with all their copies and whole videos" in export.notes[0].text


def test_frames_in_two_splits_are_told(mask_export: Path) -> None:
    for split, number in (("train", 1), ("test", 2)):
        (photo, mask) = sorted((mask_export / split).glob("*.rf.0[15]*"))
        photo.rename(photo.with_name(f"frame_{number:04}_jpg.rf.1.jpg"))
        mask.rename(mask.with_name(f"frame_{number:04}_jpg.rf.1_mask.png"))
    (note,) = read_export(mask_export).notes
    assert note.kind == "frames"
    assert "frame of the same video in another split (1): frame_0002_jpg; s" in note.text


def test_photo_in_two_splits(mask_export: Path, refusal: Refusal) -> None:
    for suffix in (".jpg", "_mask.png"):
        original = mask_export / "train" / f"arm_jpg.rf.01{suffix}"
        shutil.copy(original, mask_export / "test" / f"arm_jpg.rf.99{suffix}")
    message = refusal(mask_export)
    assert message == (
        "Source photos in more than one split (1): arm_jpg (train, test); scores on photos that "
        "were trained on are too high, so split the data set in Roboflow before augmenting it, or "
        "go on with --allow_leakage if these are different photos of one name."
    )
    export = read_export(mask_export, allow_leakage=True)
    assert len(export.splits["test"]) == 2
    assert "(1): arm_jpg (train, test); allowed by --allow_leakage" in export.notes[0].text


def test_missing_splits_are_held_out(mask_export: Path) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    export = read_export(mask_export, split_seed=7)
    sources = ["arm_jpg", "calf (1)_jpg", "über"]
    ranked = sorted(sources, key=lambda name: hashlib.sha256(f"7/{name}".encode()).hexdigest())
    assert {e.source_name for e in export.splits["valid"]} == {ranked[0]}
    assert {e.source_name for e in export.splits["test"]} == {ranked[1]}
    assert {e.source_name for e in export.splits["train"]} == {ranked[2]}
    assert sum(map(len, export.splits.values())) == 4
    sizes = ", ".join(f"{len(examples)} {split}" for split, examples in export.splits.items())
    (note,) = export.notes
    assert note == Note(
        "held_out",
        "The export has no valid and no test folder: whole photos with all their copies were held "
        f"out from train by a hash with seed 7 ({sizes} images).",
    )


def test_one_missing_split_is_held_out(mask_export: Path) -> None:
    shutil.rmtree(mask_export / "test")
    valid = read_export(mask_export).splits["valid"]
    assert [example.file_name for example in valid] == ["back_jpg.rf.04.jpg"]
    sources = ["arm_jpg", "calf (1)_jpg", "über"]
    ranked = min(sources, key=lambda name: hashlib.sha256(f"0/{name}".encode()).hexdigest())
    assert {e.source_name for e in read_export(mask_export).splits["test"]} == {ranked}


def test_too_few_photos_to_hold_out(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    for path in (mask_export / "train").glob("über*"):
        path.unlink()
    message = refusal(mask_export)
    assert "train holds 2 source photos" in message
    assert "add photos" in message
