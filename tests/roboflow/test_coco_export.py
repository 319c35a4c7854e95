import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from coco_edits import Document, edit

from tf_muscle.roboflow import coco_export as reader
from tf_muscle.roboflow.reader import read_export, read_mask

Refusal = Callable[..., str]


def test_masks_are_drawn(coco_export: Path) -> None:
    expected = np.zeros((8, 12), np.uint8)
    expected[1:3, 2:4] = 1
    for examples in read_export(coco_export).splits.values():
        for example in examples:
            np.testing.assert_array_equal(read_mask(example), expected)


def test_image_without_annotation_is_background(coco_export: Path) -> None:
    edit(coco_export, lambda d: d["annotations"].pop(), "train")
    assert not read_mask(read_export(coco_export).splits["train"][-1]).any()


def test_placeholder_is_kept_where_it_is_annotated(coco_export: Path) -> None:
    edit(coco_export, lambda d: d["annotations"][0].update(category_id=0), "valid")
    export = read_export(coco_export)
    assert export.class_names == ("background", "muscles", "biceps", "calf")
    assert set(np.unique(read_mask(export.splits["valid"][0]))) == {0, 1}
    assert set(np.unique(read_mask(export.splits["train"][0]))) == {0, 2}


def test_background_category_is_class_0(coco_export: Path) -> None:
    def swap(document: Document) -> None:
        document["categories"][1]["name"] = "Background"
        document["annotations"][0]["category_id"] = 2

    edit(coco_export, swap, "train", "valid", "test")
    export = read_export(coco_export)
    assert export.class_names == ("background", "calf")
    masks = [read_mask(example) for example in export.splits["train"]]
    assert [mask.max() for mask in masks] == [1, 0, 0, 0]


def test_class_ids_follow_category_ids(coco_export: Path) -> None:
    def renumber(document: Document) -> None:
        document["categories"] = [{"id": 9, "name": "calf"}, {"id": 4, "name": "biceps"}]
        for annotation in document["annotations"]:
            annotation["category_id"] = 9

    edit(coco_export, renumber, "train", "valid", "test")
    export = read_export(coco_export)
    assert export.class_names == ("background", "biceps", "calf")
    assert read_mask(export.splits["test"][0]).max() == 2


def test_only_background_annotated(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["annotations"].clear(), "train", "valid", "test")
    message = refusal(coco_export)
    assert "4 training masks hold no class but background" in message
    assert "annotate the photos" in message


def test_missing_annotations(coco_export: Path, refusal: Refusal) -> None:
    (coco_export / "valid" / "_annotations.coco.json").unlink()
    message = refusal(coco_export)
    assert "missing while other splits have them: valid/_annotations.coco.json" in message
    assert "again" in message


def test_invalid_json(coco_export: Path, refusal: Refusal) -> None:
    (coco_export / "test" / "_annotations.coco.json").write_text('{"images": [')
    message = refusal(coco_export)
    assert "test/_annotations.coco.json is not valid JSON" in message
    assert "again" in message


def test_json_that_is_no_object(coco_export: Path, refusal: Refusal) -> None:
    (coco_export / "test" / "_annotations.coco.json").write_text("[]")
    assert 'test/_annotations.coco.json has no list "categories"' in refusal(coco_export)


def test_file_that_is_too_large(
    coco_export: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = (coco_export / "train" / "_annotations.coco.json").stat().st_size
    monkeypatch.setattr(reader, "MAX_BYTES", largest)
    assert len(read_export(coco_export).splits["train"]) == 4
    monkeypatch.setattr(reader, "MAX_BYTES", largest - 1)
    assert refusal(coco_export) == (
        f"train/_annotations.coco.json has more than {largest - 1:,} bytes; export it from "
        'Roboflow as "COCO Segmentation" again in several versions.'
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.pop("categories"), 'no list "categories"'),
        (lambda d: d["images"][1].pop("width"), '"width": null in entry 1 of "images"'),
        (lambda d: d["categories"][0].update(id="a"), '"id": "a" in entry 0 of "categories"'),
        (lambda d: d["categories"][0].update(id="01"), '"id": "01" in entry 0 of "categories"'),
        (lambda d: d["categories"][0].update(id=0.5), '"id": 0.5 in entry 0 of "categories"'),
        (lambda d: d["categories"][0].update(id=True), '"id": true in entry 0 of "categories"'),
        (lambda d: d["categories"][0].update(id="1"), "same id to more than one category (1)"),
        (lambda d: d["annotations"].append(7), '"image_id": null in entry 4 of "annotations"'),
        (
            lambda d: d["images"][0].update(width=[12]),
            '"width": a list in entry 0 of "images" in place of int;',
        ),
        (
            lambda d: d["annotations"][2].update(image_id={}),
            '"image_id": a list in entry 2 of "annotations" in place of int or str;',
        ),
        (lambda d: d["images"][1].update(id="0.0"), "the same id to more than one image (0)"),
        (lambda d: d["images"][1].update(id=0), "the same id to more than one image (0)"),
        (
            lambda d: d["images"][1].update(file_name="arm_jpg.rf.01.jpg"),
            "the same file_name to more than one image (arm_jpg.rf.01.jpg)",
        ),
        (lambda d: d["categories"][1].update(id=2), "the same id to more than one category (2)"),
        (lambda d: d["annotations"][0].update(category_id=5), "category ids that it does not list"),
        (lambda d: d["annotations"][0].update(image_id=77), "image ids that it does not list (77)"),
        (
            lambda d: d["annotations"][0].update(image_id="00"),
            "image ids that it does not list (00)",
        ),
    ],
)
def test_file_that_is_not_coco(
    change: Callable[[Document], object], told: str, coco_export: Path, refusal: Refusal
) -> None:
    edit(coco_export, change, "train")
    message = refusal(coco_export)
    assert "train/_annotations.coco.json" in message
    assert told in message
    assert 'export it from Roboflow as "COCO Segmentation" again' in message


def test_categories_that_differ(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["categories"].pop(), "valid")
    message = refusal(coco_export)
    assert "valid/_annotations.coco.json has nothing as class 2, but train/" in message
    assert "_annotations.coco.json has calf;" in message
    assert "one version" in message


def test_category_named_twice(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["categories"][2].update(name="biceps"), "train", "valid", "test")
    message = refusal(coco_export)
    assert "a name twice" in message
    assert "(background, biceps, biceps); rename" in message


@pytest.mark.parametrize("one", [1.0, "1", "1.0"])
def test_whole_numbers_in_other_words(one: object, coco_export: Path) -> None:
    before = read_export(coco_export).splits

    def rewrite(document: Document) -> None:
        document["categories"][1]["id"] = one
        document["images"][1] |= {"id": one, "width": 12.0, "height": "8"}
        document["annotations"][1] |= {"image_id": one, "category_id": one}

    edit(coco_export, rewrite, "train")
    assert read_export(coco_export).splits == before


def test_train_alone(coco_export: Path) -> None:
    shutil.rmtree(coco_export / "valid")
    shutil.rmtree(coco_export / "test")
    export = read_export(coco_export)
    assert export.class_names == ("background", "biceps", "calf")
    assert sum(map(len, export.splits.values())) == 4


def test_more_regions_than_can_be_drawn(
    coco_export: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(coco_export, lambda d: d["annotations"].append(d["annotations"][1] | {"id": 9}), "train")
    monkeypatch.setattr(reader, "MAX_DRAWN", 2 * 12 * 8)  # regions times pixels
    assert len(read_export(coco_export).splits["train"]) == 4
    monkeypatch.setattr(reader, "MAX_DRAWN", 2 * 12 * 8 - 1)
    message = refusal(coco_export)
    assert "cannot be drawn (1): train/arm_jpg.rf.02.jpg (2 outlines); mend" in message


def test_boxes_only(coco_export: Path, refusal: Refusal) -> None:
    def empty(document: Document) -> None:
        for annotation in document["annotations"]:
            annotation["segmentation"] = []

    edit(coco_export, empty, "train", "valid", "test")
    message = refusal(coco_export)
    assert "Boxes only and no outline in train/_annotations.coco.json, valid/" in message
    assert "(6 images with boxes)" in message
    assert 'export as "COCO Segmentation"' in message


def test_some_boxes(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["annotations"][0].pop("segmentation"), "train", "test")
    message = refusal(coco_export)
    assert "(2): train/arm_jpg.rf.01.jpg, test/chest_jpg.rf.05.jpg" in message
    assert "draw the outlines" in message


def test_polygon_of_two_points(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["annotations"][0].update(segmentation=[[1, 1, 5, 5]]), "valid")
    message = refusal(coco_export)
    assert "cannot be drawn (1): valid/back_jpg.rf.04.jpg (a polygon of 2 points)" in message
    assert "mend them" in message


def test_size_that_is_not_the_image_size(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["images"][0].update(width=24, height=16), "valid")
    message = refusal(coco_export)
    assert "(1): valid/back_jpg.rf.04.jpg (12x8, listed as 24x16)" in message
    assert "export both" in message
