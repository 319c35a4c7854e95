import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.roboflow.archive import split_names
from tf_muscle.roboflow.reader import (
    check_pixels,
    fingerprint,
    open_export,
    read_export,
    read_mask,
)
from tf_muscle.roboflow.records import SPLITS, Note
from tf_muscle.roboflow.splitting import shared_videos

Refusal = Callable[..., str]


@pytest.mark.parametrize("kind", ["masks", "coco"])
def test_reads_both_formats(kind: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue("mask_export" if kind == "masks" else "coco_export")
    export = read_export(root)
    assert export.format == kind
    assert export.class_names == ("background", "biceps", "calf")
    assert list(export.splits) == ["train", "valid", "test"]
    assert [(e.file_name, e.source_name) for e in export.splits["train"]] == [
        ("arm_jpg.rf.01.jpg", "arm_jpg"),
        ("arm_jpg.rf.02.jpg", "arm_jpg"),
        ("calf (1)_jpg.rf.03.jpg", "calf (1)_jpg"),
        ("über.PNG", "über"),
    ]
    assert export.splits["test"][0].image_path == root / "test" / "chest_jpg.rf.05.jpg"
    assert export.baked_augmentation == ()
    assert export.notes == ()
    assert export.root == root
    mask = read_mask(export.splits["train"][0])
    assert mask.dtype == np.uint8
    assert mask.shape == (8, 12)
    biceps = {"masks": 2, "coco": 4}[kind]  # pixels in every image
    counts = check_pixels(export)
    assert counts["train"].tolist() == [4 * (96 - biceps), 4 * biceps, 0]
    assert counts["valid"].tolist() == [96 - biceps, biceps, 0]
    assert counts["test"].dtype == np.int64


def test_imports_no_tensorflow() -> None:
    code = "import sys, tf_muscle.roboflow.reader; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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


def test_class_names_of_composed_and_decomposed_letters(mask_export: Path) -> None:
    for split, name in zip(
        ("train", "valid", "test"), ("\u00fc", "u\u0308", "\u00fc"), strict=True
    ):
        (mask_export / split / "_classes.csv").write_text(
            f"Pixel Value, Class\n0, background\n1, R{name}cken\n", encoding="utf-8"
        )
    assert read_export(mask_export).class_names == ("background", "R\u00fccken")


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


def test_no_class_but_background(mask_export: Path, refusal: Refusal) -> None:
    for path in mask_export.rglob("_classes.csv"):
        path.write_text("Pixel Value, Class\n0, background")
    message = refusal(mask_export)
    assert "no class but background" in message
    assert "add classes in Roboflow" in message


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


def test_train_without_class_list_or_annotations(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    (mask_export / "train" / "_classes.csv").unlink()
    assert "train of muscles hold neither _classes.csv nor" in refusal(mask_export)


def test_mask_of_the_upload_size_without_annotation_is_background(mask_export: Path) -> None:
    Image.new("L", (24, 16)).save(mask_export / "train" / "über_mask.png")
    export = read_export(mask_export)
    (note,) = export.notes
    assert note == Note(
        "blank_masks",
        "Masks without annotation and of another size than their image (1), as Roboflow writes "
        "them for photos that nobody annotated: train/über_mask.png; they are read as background.",
    )
    mask = read_mask(export.splits["train"][-1])
    assert mask.shape == (8, 12)
    assert not mask.any()


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


def test_too_few_photos_to_hold_out(mask_export: Path, refusal: Refusal) -> None:
    shutil.rmtree(mask_export / "valid")
    shutil.rmtree(mask_export / "test")
    for path in (mask_export / "train").glob("über*"):
        path.unlink()
    message = refusal(mask_export)
    assert "train holds 2 source photos" in message
    assert "add photos" in message


@pytest.mark.parametrize("size", ["640x640", "640x480"])
def test_stretched_photos(size: str, mask_export: Path) -> None:
    assert not read_export(mask_export).stretched
    (mask_export / "README.roboflow.txt").write_text(
        f"The following pre-processing was applied to each image:\n* Resize to {size} (Stretch)\n"
    )
    assert read_export(mask_export).stretched == (size == "640x640")


def test_baked_augmentation_is_read_and_told(mask_export: Path) -> None:
    (mask_export / "README.roboflow.txt").write_text(
        "The following augmentation was applied to create 3 versions of each source image:\n"
        "* 50% probability of horizontal flip\n"
    )
    export = read_export(mask_export)
    assert export.baked_augmentation == ("horizontal_flip",)
    assert "50% probability of horizontal flip" in export.notes[0].text


def test_real_mask_export(real_export: Callable[[str], Path]) -> None:
    export = read_export(real_export("indoor_png_mask"))
    assert {split: len(examples) for split, examples in export.splits.items()} == {
        "train": 480,
        "valid": 25,
        "test": 25,
    }
    assert len({example.source_name for example in export.splits["train"]}) == 160
    assert len(export.class_names) == 12
    assert export.class_names[:2] == ("background", "Road")
    assert export.baked_augmentation == ("noise", "crop")
    assert export.stretched
    assert "neighbouring frame of the same video in another split (46): " in export.notes[-1].text
    assert "Randomly crop between 0 and 54 percent of the image" in export.notes[1].text
    # 13 photos without annotation have a 1920x1080 mask beside their 640x640 image.
    assert "(13)" in export.notes[0].text
    by_name = {e.file_name: e for e in export.splits["valid"]}
    blank = by_name["frame_0113_jpg.rf.75675d7fb11dc1d746a9f89e9738282c.jpg"]
    assert read_mask(blank).shape == (640, 640)
    assert not read_mask(blank).any()
    counts = check_pixels(export)
    first = export.splits["test"][0]
    stored = np.asarray(Image.open(first.image_path.with_name(first.image_path.stem + "_mask.png")))
    np.testing.assert_array_equal(read_mask(first), stored)
    assert {split: count.sum() for split, count in counts.items()} == {
        split: len(examples) * 640 * 640 for split, examples in export.splits.items()
    }


def test_real_coco_export(real_export: Callable[[str], Path]) -> None:
    root = real_export("facade_coco")
    export = read_export(root)
    assert [len(examples) for examples in export.splits.values()] == [40, 8, 8]
    assert len(export.class_names) == 11
    # Category 0 is a placeholder with the name of category 3, which is a real class.
    assert export.class_names[0] == "background"
    assert export.class_names[3] == "facade"
    document = json.loads((root / "test" / "_annotations.coco.json").read_text())
    example = export.splits["test"][0]
    (image,) = (i for i in document["images"] if i["file_name"] == example.file_name)
    drawn = {a["category_id"] for a in document["annotations"] if a["image_id"] == image["id"]}
    assert set(np.unique(read_mask(example))) <= drawn | {0}
    assert len(set(np.unique(read_mask(example)))) > 1


@pytest.mark.parametrize(
    ("name", "told", "fix"),
    [
        ("multilabel_classes_csv", "train/_classes.csv is a multi-label class list", "export it"),
        (
            "coco_boxes_only",
            "Boxes only and no outline in train/_annotations.coco.json",
            "polygons",
        ),
        (
            "corrupted_masks",
            "train/color_180_png.rf.26131f0a08a0593833937342c6e34f4a_mask.png",
            "git",
        ),
    ],
)
def test_real_exports_that_are_not_segmentation(
    name: str, told: str, fix: str, real_export: Callable[[str], Path], refusal: Refusal
) -> None:
    message = refusal(real_export(f"not_segmentation/{name}"))
    assert told in message
    assert fix in message
