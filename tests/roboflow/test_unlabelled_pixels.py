"""`--ignore`: pixels that nobody labelled are `VOID` in the masks and count nowhere."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import check_pixels, read_export, read_mask
from tf_muscle.roboflow.records import VOID

Refusal = Callable[..., str]
MASK = "train/arm_jpg.rf.01_mask.png"


def refused(root: Path, ignore: int) -> str:
    with pytest.raises(UserError) as error:
        check_pixels(read_export(root, ignore=ignore))
    return str(error.value)


@pytest.mark.parametrize("ignore", [3, 254, 255])
def test_value_of_a_mask(ignore: int, mask_export: Path) -> None:
    ids = np.zeros((8, 12), np.uint8)
    ids[0, :4] = 1, 2, ignore, ignore
    Image.fromarray(ids).save(mask_export / MASK)
    export = read_export(mask_export, ignore=ignore)
    mask = read_mask(export.splits["train"][0])
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.where(ids == ignore, 255, ids))
    counts = check_pixels(export)
    assert counts["train"].tolist() == [96 - 4 + 3 * 94, 1 + 3 * 2, 1]
    assert counts["valid"].tolist() == [94, 2, 0]
    assert any(f"--ignore {ignore}" in note for note in export.notes)


def test_other_values_are_refused_still(mask_export: Path) -> None:
    ids = np.zeros((8, 12), np.uint8)
    ids[0, :3] = 1, 254, VOID
    Image.fromarray(ids).save(mask_export / MASK)
    assert f"does not list (1): {MASK} (id 255);" in refused(mask_export, 254)
    assert f"does not list (1): {MASK} (id 254);" in refused(mask_export, 255)


def test_value_of_a_listed_class(mask_export: Path) -> None:
    assert refused(mask_export, 2).startswith("--ignore 2 is the class calf of train/_classes.csv;")


def test_name_of_the_unlabelled_pixels_in_the_class_list(
    mask_export: Path, refusal: Callable[..., str]
) -> None:
    for path in mask_export.rglob("_classes.csv"):
        path.write_text(path.read_text() + "\n255, void")
    assert "has the ids 0, 1, 2, 255 in place of" in refusal(mask_export)
    assert "or give --ignore 255 if that marks" in refusal(mask_export)
    export = read_export(mask_export, ignore=255)
    assert export.class_names == ("background", "biceps", "calf")
    assert refused(mask_export, 254).startswith("train/_classes.csv has the ids 0, 1, 2, 255 in")


@pytest.mark.parametrize("ignore", [0, 256, -1])
def test_value_that_no_mask_holds(ignore: int, mask_export: Path) -> None:
    assert refused(mask_export, ignore) == (f"--ignore must lie between 1 and 255, got {ignore}")


def annotate(root: Path, category_id: int, *, list_it: bool) -> None:
    """Adds a region on the left half of the first training photo, a category of its own."""
    for path in root.rglob("_annotations.coco.json"):
        document = json.loads(path.read_text())
        if list_it:
            document["categories"].append({"id": category_id, "name": "do not care"})
        if path.parent.name == "train":
            document["annotations"].append(
                {
                    "id": 99,
                    "image_id": 0,
                    "category_id": category_id,
                    "segmentation": [[0, 0, 6, 0, 6, 8, 0, 8]],
                }
            )
        path.write_text(json.dumps(document))


@pytest.mark.parametrize("list_it", [True, False])
@pytest.mark.parametrize("ignore", [3, 255])
def test_category_of_a_coco_export(ignore: int, list_it: bool, coco_export: Path) -> None:
    annotate(coco_export, ignore, list_it=list_it)
    export = read_export(coco_export, ignore=ignore)
    assert export.class_names == ("background", "biceps", "calf")
    expected = np.zeros((8, 12), np.uint8)
    expected[:, :6] = 255
    expected[1:3, 2:4] = 1  # the smaller region, so that it lies on top
    np.testing.assert_array_equal(read_mask(export.splits["train"][0]), expected)
    assert check_pixels(export)["train"].tolist() == [48 + 3 * 92, 4 * 4, 0]


def test_listed_category_may_be_left_out(coco_export: Path) -> None:
    export = read_export(coco_export, ignore=2)
    assert export.class_names == ("background", "biceps")
    assert check_pixels(export)["train"].tolist() == [4 * 92, 4 * 4]


def test_id_of_no_category(coco_export: Path) -> None:
    assert refused(coco_export, 255) == (
        "--ignore 255 is the id of no category in train/_annotations.coco.json, which lists 0, 1, "
        "2; give the id of one whose regions nobody labelled, or leave --ignore out."
    )


def test_unlisted_category_names_the_option(coco_export: Path, refusal: Refusal) -> None:
    annotate(coco_export, 255, list_it=False)
    assert "--ignore 255" in refusal(coco_export)
