import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from tf_muscle.prediction.dataset_folders import CocoFolder, MaskFolder, UniqueNames
from tf_muscle.prediction.photos import open_photo, read_photo
from tf_muscle.roboflow.reader import check_pixels, read_export, read_mask

NAMES = ("background", '"long" head,left', "musculus, calf")


@pytest.fixture
def predicted(tmp_path: Path) -> dict[str, tuple[Path, np.ndarray]]:
    """Photos of six kinds with a mask each."""
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    saved = {
        "turned.jpg": {"exif": turned}, "plain.jpg": {}, "plain.png": {}, "film.gif": {},
        "modern.webp": {}, "arm_mask.png": {},
    }  # fmt: skip
    photos = {}
    for name, options in saved.items():
        path = folder / name
        Image.fromarray(random.integers(0, 256, (20, 30, 3), np.uint8)).save(path, **options)
        mask = random.integers(0, 3, read_photo(path).shape[:2], np.uint8)
        photos[name] = path, mask
    photos["film.gif"][1][:] = 0  # no muscle
    return photos


@pytest.mark.parametrize("kind", [MaskFolder, CocoFolder])
def test_our_reader_accepts_the_folder_and_finds_the_same_masks(
    kind: type[MaskFolder | CocoFolder],
    predicted: dict[str, tuple[Path, np.ndarray]],
    tmp_path: Path,
) -> None:
    folder = kind(tmp_path / "out" / "train", NAMES)
    names = UniqueNames()
    masks = {}
    for path, mask in predicted.values():
        name = names.add(path.stem)
        masks[name] = mask
        photo = open_photo(path)
        folder.add(name, photo.image, mask, photo.original)
    folder.close()
    export = read_export(tmp_path / "out")
    check_pixels(export)
    assert export.class_names == NAMES
    examples = [example for split in export.splits.values() for example in split]
    assert sorted(Path(example.file_name).stem for example in examples) == sorted(masks)
    for example in examples:
        mask = masks[Path(example.file_name).stem]
        np.testing.assert_array_equal(read_mask(example), mask)
        with Image.open(example.image_path) as stored:  # as it lies, for readers without EXIF
            assert stored.size == mask.shape[::-1]


def test_photos_are_copied_where_they_lie_upright(
    predicted: dict[str, tuple[Path, np.ndarray]], tmp_path: Path
) -> None:
    folder = MaskFolder(tmp_path / "train", NAMES)
    for name in ("plain.jpg", "turned.jpg"):
        path, mask = predicted[name]
        photo = open_photo(path)
        folder.add(path.stem, photo.image, mask, photo.original)
    copied = (tmp_path / "train" / "plain.jpg").read_bytes()
    assert copied == predicted["plain.jpg"][0].read_bytes()
    shown = read_photo(predicted["turned.jpg"][0]).astype(int)
    stored = np.asarray(Image.open(tmp_path / "train" / "turned.jpg")).astype(int)
    assert shown.shape == (30, 20, 3)
    assert np.abs(shown - stored).mean() < 5  # upright, and hardly changed by JPEG


def test_coco_tools_read_the_outlines(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[3:8, 10:14] = 2
    mask[4, 11] = 0  # a hole
    folder = CocoFolder(tmp_path / "train", NAMES)
    folder.add("frame", np.zeros((20, 30, 3), np.uint8), mask)
    folder.close()
    path = tmp_path / "train" / "_annotations.coco.json"
    coco = COCO(str(path))
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert (annotation["bbox"], annotation["area"]) == ([10, 3, 4, 5], 19)
    np.testing.assert_array_equal(coco.annToMask(annotation), mask == 2)
    assert coco.loadCats(annotation["category_id"])[0]["name"] == "musculus, calf"
    assert json.loads(path.read_text())["images"][0]["file_name"] == "frame.jpg"


def test_names_do_not_collide() -> None:
    names = UniqueNames()
    given = [names.add(stem) for stem in ("x", "x", "X", "x_2", "y_mask", "y", "z_MASK")]
    assert given == ["x", "x_2", "X_3", "x_2_2", "y_mask_2", "y", "z_MASK_2"]
    assert [names.add(stem) for stem in ("\xe9", "e\u0301")] == ["\xe9", "e\u0301_2"]
