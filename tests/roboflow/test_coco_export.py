import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_muscle.roboflow import coco_export as reader
from tf_muscle.roboflow.reader import check_pixels, fingerprint, read_export, read_mask

Refusal = Callable[..., str]
Document = dict[str, list[dict[str, Any]]]


def edit(root: Path, change: Callable[[Document], object], *splits: str) -> None:
    for split in splits:
        path = root / split / "_annotations.coco.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))


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


def test_listed_image_missing_on_disk(coco_export: Path, refusal: Refusal) -> None:
    (coco_export / "train" / "über.PNG").unlink()
    message = refusal(coco_export)
    assert "not beside it (1): train/über.PNG" in message
    assert "put them there" in message


@pytest.mark.parametrize(
    "name", ["../valid/back_jpg.rf.04.jpg", "..\\x.jpg", "/etc/passwd", "C:\\photos\\x.jpg"]
)
def test_image_name_cannot_lead_out_of_the_folder(
    name: str, coco_export: Path, refusal: Refusal
) -> None:
    edit(coco_export, lambda d: d["images"][0].update(file_name=name), "test")
    assert f"lead out of its folder (1): test/{name}; put" in refusal(coco_export)


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        ("images/p.jpg", "images/p.jpg"),
        ("images\\p.jpg", "images/p.jpg"),
        ("./p.jpg", "p.jpg"),
        ("images/p.jpg", "p.jpg"),
        ("test/p.jpg", "p.jpg"),
        ("p.jpg", "images/p.jpg"),
        ("p.jpg", "p.JPG"),
        ("P.JPG", "images/p.jpg"),
        ("p", "p"),
        ("p", "p.png"),
        ("p.jfif", "p.jfif"),
        ("p.0001", "p.0001"),
        ("p.image", "images/p.image"),
        ("\u00fc.jpg", "u\u0308.jpg"),
        ("u\u0308.jpg", "\u00fc.jpg"),
        ("images/\u00fc", "u\u0308.JPG"),
        ("/home/me/photos/p.jpg", "p.jpg"),
        ("C:\\photos\\p.jpg", "p.jpg"),
        ("https://photos.org/test/p.jpg", "p.jpg"),
        ("p%20%C3%BC.jpg", "p \u00fc.jpg"),
        ("p%20.jpg", "p%20.jpg"),
        (" p.jpg ", "p.jpg"),
    ],
)
def test_names_that_other_tools_write(written: str, on_disk: str, coco_export: Path) -> None:
    before = fingerprint(coco_export)
    photo = coco_export / "test" / "chest_jpg.rf.05.jpg"
    target = coco_export / "test" / on_disk
    target.parent.mkdir(exist_ok=True)
    photo.rename(target)
    edit(coco_export, lambda d: d["images"][0].update(file_name=written), "test")
    export = read_export(coco_export)
    (example,) = export.splits["test"]
    assert example.image_path == target
    assert example.file_name == on_disk
    assert read_mask(example).sum() == 4
    assert export.notes == ()
    check_pixels(export)
    mark = fingerprint(coco_export)
    assert mark != before
    packed = Path(shutil.make_archive(str(coco_export), "zip", coco_export))
    assert fingerprint(packed) == mark
    target.write_bytes(target.read_bytes() + b"\0")
    assert fingerprint(coco_export) != mark


def test_names_that_fit_several_files(coco_export: Path, refusal: Refusal) -> None:
    photo = coco_export / "test" / "chest_jpg.rf.05.jpg"
    for folder in ("a", "b"):
        (photo.parent / folder).mkdir()
        shutil.copy(photo, photo.parent / folder)
    assert len(read_export(coco_export).splits["test"]) == 1  # the same path goes first
    assert "test/a (1), test/b (1)" in read_export(coco_export).notes[0]
    photo.unlink()
    assert (
        "fit several files (1): test/chest_jpg.rf.05.jpg (a/chest_jpg.rf.05.jpg or "
        "b/chest_jpg.rf.05.jpg); name one of these there" in refusal(coco_export)
    )


def test_two_names_of_one_file(coco_export: Path, refusal: Refusal) -> None:
    edit(coco_export, lambda d: d["images"][1].update(file_name="./arm_jpg.rf.01.jpg"), "train")
    message = refusal(coco_export)
    assert "two entries of _annotations.coco.json beside them lead to (1): train/arm_jpg" in message


def test_photo_without_suffix_that_is_none(coco_export: Path, refusal: Refusal) -> None:
    photo = coco_export / "test" / "chest_jpg.rf.05.jpg"
    photo.unlink()
    photo.with_name("chest").write_text("no photo")
    edit(coco_export, lambda d: d["images"][0].update(file_name="chest"), "test")
    assert "(1): test/chest; replace them" in refusal(coco_export)


def test_messages_name_the_subfolder(coco_export: Path, refusal: Refusal) -> None:
    photo = coco_export / "test" / "images" / "p.jpg"
    photo.parent.mkdir()
    (coco_export / "test" / "chest_jpg.rf.05.jpg").rename(photo)
    change = {"file_name": "images/p.jpg", "width": 24, "height": 16}
    edit(coco_export, lambda d: d["images"][0].update(change), "test")
    assert "(1): test/images/p.jpg (12x8, listed as 24x16)" in refusal(coco_export)


def test_link_out_of_the_export_in_a_subfolder(
    coco_export: Path, refusal: Refusal, tmp_path: Path
) -> None:
    photo = coco_export / "test" / "images" / "p.jpg"
    photo.parent.mkdir()
    (coco_export / "test" / "chest_jpg.rf.05.jpg").rename(tmp_path / "private.jpg")
    photo.symlink_to(tmp_path / "private.jpg")
    edit(coco_export, lambda d: d["images"][0].update(file_name="images/p.jpg"), "test")
    assert "lead out of the export (1): test/images/p.jpg; put" in refusal(coco_export)


@pytest.mark.parametrize("one", [1.0, "1", "1.0"])
def test_whole_numbers_in_other_words(one: object, coco_export: Path) -> None:
    before = read_export(coco_export).splits

    def rewrite(document: Document) -> None:
        document["categories"][1]["id"] = one
        document["images"][1] |= {"id": one, "width": 12.0, "height": "8"}
        document["annotations"][1] |= {"image_id": one, "category_id": one}

    edit(coco_export, rewrite, "train")
    assert read_export(coco_export).splits == before


def test_image_without_entry(coco_export: Path, refusal: Refusal) -> None:
    shutil.copy(coco_export / "train" / "über.PNG", coco_export / "test" / "new.png")
    message = refusal(coco_export)
    assert (
        "Images without an entry in _annotations.coco.json beside them (1): test/new.png" in message
    )
    assert "remove them" in message


def test_images_without_entry_in_two_splits(coco_export: Path, refusal: Refusal) -> None:
    for split in ("train", "test"):
        shutil.copy(coco_export / "train" / "über.PNG", coco_export / split / "new.png")
    assert "beside them (2): train/new.png, test/new.png; remove" in refusal(coco_export)


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
