"""Where an export lies and what its folders are called."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.roboflow.archive import split_names
from tf_muscle.roboflow.reader import (
    fingerprint,
    open_export,
    read_export,
    read_mask,
)
from tf_muscle.roboflow.records import Note

Refusal = Callable[..., str]


def test_other_files_are_passed_over(mask_export: Path) -> None:
    before = read_export(mask_export)
    (mask_export / "train" / "._arm_jpg.rf.01.jpg").write_bytes(b"Mac OS X")
    (mask_export / "train" / ".DS_Store").write_bytes(b"Bud1")
    (mask_export / "train" / "README.txt").write_text("of the tool")
    (mask_export / "__MACOSX" / "train").mkdir(parents=True)
    assert read_export(mask_export) == before
    (mask_export / "train" / "notes.txt").write_text("mine")
    (mask_export / "test" / "squat.MP4").write_bytes(b"film")
    (mask_export / "test" / "arm").write_bytes(b"photo?")
    export = read_export(mask_export)
    assert export.splits == before.splits
    (note,) = export.notes
    assert note.text == (
        "Files in the folders train, valid, test that are no photos are passed over: 1 .MP4, "
        "1 .txt, 1 without suffix."
    )


@pytest.mark.parametrize("name", ["arm.heif", "arm.JXL", "arm.dng"])
def test_photos_of_other_formats(name: str, mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "train" / name).write_bytes(b"photo")
    assert f"Images that are neither JPEG nor PNG (1): train/{name};" in refusal(mask_export)


def test_photos_in_folders_of_a_split(mask_export: Path, refusal: Refusal) -> None:
    for path in list((mask_export / "valid").glob("*_jpg*")):
        folder = path.parent / ("masks" if "_mask" in path.name else "images")
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    assert refusal(mask_export) == (
        "A split with no photo directly in it: valid; photos and masks lie in valid/images, "
        "valid/masks, so move them up into the split's folder, beside its _classes.csv."
    )


def test_empty_split_folder(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "valid")
    (mask_export / "valid").mkdir()
    assert refusal(mask_export).startswith("A split with no example: valid; remove the folder to")


def test_no_export_found(tmp_path: Path, mask_export: Path, refusal: Refusal) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    message = refusal(empty)
    assert "empty" in message
    assert 'export it from Roboflow as "Semantic Segmentation Masks"' in message
    assert f"give the folder above it, {mask_export}." in refusal(mask_export / "train")
    (mask_export / "train").rename(tmp_path / "photos")
    assert "move its files into a folder train inside it" in refusal(tmp_path / "photos")
    (empty / "train").mkdir()
    assert "train of empty hold neither _classes.csv nor" in refusal(empty)


def test_export_below_the_folder_that_was_given(mask_export: Path, tmp_path: Path) -> None:
    above = tmp_path / "downloads"
    (above / "Test").mkdir(parents=True)
    inside = mask_export.rename(above / "Test" / "muscles")
    (above / "test").mkdir()  # holds no photos
    (above / "license.txt").write_text("mine")
    with open_export(above) as root:
        assert root == inside
        assert len(read_export(root).splits["train"]) == 4
    assert fingerprint(above) == fingerprint(inside)
    assert split_names(above) == {"train": "train", "valid": "valid", "test": "test"}


def test_an_export_inside_an_export_is_passed_over_by_name(mask_export: Path) -> None:
    before = read_export(mask_export)
    shutil.copytree(mask_export, mask_export.with_name("old"))
    mask_export.with_name("old").rename(mask_export / "old")
    (mask_export / "train" / "nested").mkdir()
    shutil.copy(mask_export / "train/über.PNG", mask_export / "train/nested/other.png")
    shutil.copy(mask_export / "train/über.PNG", mask_export / "cover.png")
    export = read_export(mask_export)
    assert export.splits == before.splits
    (note,) = export.notes
    assert note == Note(
        "passed_over",
        "Photos that do not belong to a split are passed over: beside the split folders (1), "
        "old/test (1), old/train (4), old/valid (1), train/nested (1); move them into one of the "
        "folders train, valid, test, with their annotations, if they belong to the data set.",
    )


def test_two_exports_below_the_folder_that_was_given(
    mask_export: Path, tmp_path: Path, refusal: Refusal
) -> None:
    shutil.copytree(mask_export, tmp_path / "again")
    assert refusal(tmp_path) == (
        f"{tmp_path} holds 2 exports; give one of them, {tmp_path / 'again'} or {mask_export}."
    )


@pytest.mark.parametrize("kind", ["mask_export", "coco_export"])
@pytest.mark.parametrize(
    "names",
    [
        {"valid": "val"},
        {"valid": "validation"},
        {"train": "Train", "valid": "VALID", "test": "Test"},
        {"train": "training", "valid": "Val", "test": "testing"},
    ],
)
def test_other_names_of_the_split_folders(
    kind: str, names: dict[str, str], request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(kind)
    before, mark = read_export(root), fingerprint(root)
    masks = {split: read_mask(examples[0]) for split, examples in before.splits.items()}
    for split, name in names.items():
        (root / split).rename(root / name)
    export = read_export(root)
    assert export.notes == ()
    assert fingerprint(root) == mark
    for split, examples in before.splits.items():
        moved = export.splits[split]
        assert [e.file_name for e in moved] == [e.file_name for e in examples]
        assert moved[0].image_path.parent.name == names.get(split, split)
        np.testing.assert_array_equal(read_mask(moved[0]), masks[split])


def test_two_folders_for_one_split(mask_export: Path, refusal: Refusal) -> None:
    shutil.copytree(mask_export / "valid", mask_export / "Val")
    assert refusal(mask_export) == (
        "The folders Val and valid both stand for the split valid; merge them, or move one of them "
        "out of the export."
    )


def test_split_folders_without_class_list_or_annotations(
    mask_export: Path, refusal: Refusal
) -> None:
    for split in ("train", "valid", "test"):
        (mask_export / split / "_classes.csv").unlink()
    message = refusal(mask_export)
    assert "train, valid, test of muscles hold neither _classes.csv nor" in message
    assert "export it from Roboflow as" in message


def test_two_formats_at_once(mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "valid" / "_annotations.coco.json").write_text("{}")
    message = refusal(mask_export)
    assert "train/_classes.csv and valid/_annotations.coco.json" in message
    assert "keep one of them" in message


@pytest.mark.parametrize("kind", ["mask_export", "coco_export"])
def test_split_with_no_example(kind: str, request: pytest.FixtureRequest, refusal: Refusal) -> None:
    root = request.getfixturevalue(kind)
    for path in (root / "valid").iterdir():
        if path.suffix == ".json":
            path.write_text(
                json.dumps(json.loads(path.read_text()) | {"images": [], "annotations": []})
            )
        elif path.suffix != ".csv":
            path.unlink()
    message = refusal(root)
    assert message == (
        "A split with no example: valid; remove the folder to have photos held out from train, or "
        "export from Roboflow again with photos in it."
    )


def test_missing_train(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "train")
    message = refusal(mask_export)
    assert "train is missing beside valid, test" in message
    assert "photos in the training set" in message


def test_train_without_class_list_or_annotations(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    (mask_export / "train" / "_classes.csv").unlink()
    assert "train of muscles hold neither _classes.csv nor" in refusal(mask_export)


@pytest.mark.parametrize("name", ["train/arm_jpg.rf.01.jpg", "README.roboflow.txt", "valid"])
def test_link_out_of_the_export(
    name: str, mask_export: Path, tmp_path: Path, refusal: Refusal
) -> None:
    private = tmp_path / "private"
    inside = mask_export / name
    if inside.exists():
        inside.rename(private)
    else:
        private.write_text("mine")
    inside.symlink_to(private)
    assert refusal(mask_export) == (
        f"Symbolic links that lead out of the export (1): {name}; put the files in their place if "
        "you trust them."
    )


def test_links_within_the_export_are_followed(mask_export: Path, tmp_path: Path) -> None:
    before = read_export(mask_export).splits
    photo = mask_export / "train" / "arm_jpg.rf.01.jpg"
    photo.rename(mask_export / "photo.jpg")
    photo.symlink_to("../photo.jpg")
    assert read_export(mask_export).splits == before
    (tmp_path / "link").symlink_to(mask_export)
    assert len(read_export(tmp_path / "link").splits["train"]) == 4
