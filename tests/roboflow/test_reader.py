import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.roboflow.reader import (
    check_pixels,
    read_export,
    read_mask,
)
from tf_muscle.roboflow.records import Note

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


def test_class_names_of_composed_and_decomposed_letters(mask_export: Path) -> None:
    for split, name in zip(
        ("train", "valid", "test"), ("\u00fc", "u\u0308", "\u00fc"), strict=True
    ):
        (mask_export / split / "_classes.csv").write_text(
            f"Pixel Value, Class\n0, background\n1, R{name}cken\n", encoding="utf-8"
        )
    assert read_export(mask_export).class_names == ("background", "R\u00fccken")


def test_no_class_but_background(mask_export: Path, refusal: Refusal) -> None:
    for path in mask_export.rglob("_classes.csv"):
        path.write_text("Pixel Value, Class\n0, background")
    message = refusal(mask_export)
    assert "no class but background" in message
    assert "add classes in Roboflow" in message


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
