"""Every check: an export that fails it and, in the first test, one that passes them all."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Found = Callable[..., dict[str, Any]]


def test_clean_export(drawn: Any, found: Found) -> None:
    assert found(drawn.root) == {}


def test_near_duplicate_that_is_turned_by_exif(drawn: Any, found: Found) -> None:
    """Both are the same photo to whoever looks at them, and to training."""
    stored = np.ascontiguousarray(np.rot90(drawn.photo(2)[:, :200]))  # 200x256, lying on its side
    mask = drawn.mask()[:, :200]
    drawn.add("train/person2_jpg.rf.02.jpg", drawn.photo(2)[:, :200], mask)
    drawn.add("test/upload_jpg.rf.99.jpg", stored, mask)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(drawn.root / "test/upload_jpg.rf.99.jpg", exif=exif, quality=95)
    findings = found(drawn.root)
    assert findings["near_duplicates"].groups == ((14, 2),)
    assert "contradicting_masks" not in findings


def test_unlabelled_pixels_contradict_nothing(drawn: Any, found: Found) -> None:
    mask = drawn.mask()
    mask[mask == 1] = 255
    drawn.add("train/upload_jpg.rf.99.jpg", drawn.photo(2), mask)
    assert "contradicting_masks" not in found(drawn.root, ignore=255)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image,
        lambda image: image.resize((128, 128)),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ],
    ids=["saved again", "resized", "grey", "mirrored"],
)
def test_near_duplicates(
    spoil: Callable[[Image.Image], Image.Image], drawn: Any, found: Found
) -> None:
    copy = spoil(Image.fromarray(drawn.photo(2)))
    file = io.BytesIO()
    copy.save(file, "JPEG", quality=40)
    mask = np.asarray(Image.fromarray(drawn.mask()).resize(copy.size, Image.Resampling.NEAREST))
    drawn.add("test/upload_jpg.rf.99.jpg", np.asarray(Image.open(file)), mask)
    findings = found(drawn.root)
    finding = findings.pop("near_duplicates")
    assert not findings
    assert finding.severity == "error"
    assert finding.sentence.startswith("1 photo of valid and test look")
    # After 8 train and 3 valid images, "upload" is the last of 4 of test; "person2" is train's [2].
    assert finding.groups == ((14, 2),)


def test_neighbouring_frames(drawn: Any, found: Found) -> None:
    drawn.rename("train/person0_jpg.rf.00.jpg", "frame_0012_jpg.rf.a.jpg")
    drawn.rename("test/person11_jpg.rf.11.jpg", "frame_0013_jpg.rf.b.jpg")
    drawn.rename("test/person12_jpg.rf.12.jpg", "frame_0014_jpg.rf.c.jpg")
    drawn.rename("test/person13_jpg.rf.13.jpg", "frame_0015_jpg.rf.d.jpg")
    findings = found(drawn.root)
    finding = findings.pop("neighbouring_frames")
    assert not findings
    assert finding.severity == "error"
    assert finding.sentence.startswith("2 of the 6 images")
    assert finding.groups == ((11, 0), (12, 0))  # 15 is three away from 12


def test_photos_of_a_camera_are_no_frames(drawn: Any, found: Found) -> None:
    drawn.rename("train/person0_jpg.rf.00.jpg", "IMG_0012_jpg.rf.a.jpg")
    drawn.rename("test/person11_jpg.rf.11.jpg", "IMG_0013_jpg.rf.b.jpg")
    assert found(drawn.root) == {}


def test_contradicting_masks(drawn: Any, found: Found) -> None:
    other = drawn.mask()
    other[other == 1] = 0
    drawn.add("train/upload_jpg.rf.99.jpg", drawn.photo(2), other)
    finding = found(drawn.root)["contradicting_masks"]
    assert finding.severity == "warning"
    assert finding.groups == ((2, 8),)
    drawn.add("train/upload_jpg.rf.99.jpg", drawn.photo(2), drawn.mask())
    assert found(drawn.root) == {}


def test_same_photo_without_masks_does_not_contradict(drawn: Any, found: Found) -> None:
    empty = np.zeros_like(drawn.mask())
    for name in ("one", "two"):
        drawn.add(f"train/{name}_jpg.rf.99.jpg", drawn.photo(99), empty)
    assert list(found(drawn.root)) == ["no_foreground"]


@pytest.mark.parametrize(
    ("splits", "severity", "told"),
    [
        (("train",), "error", "No pixel of calf in train, and such a class cannot be learned"),
        (("valid",), "warning", "in valid, and such a class does not count in the score"),
        (("test",), "warning", "in test, and such a class is not tested"),
        (("train", "valid", "test"), "warning", "No pixel of calf in any split"),
    ],
)
def test_absent_class(
    splits: tuple[str, ...], severity: str, told: str, drawn: Any, found: Found
) -> None:
    mask = drawn.mask()
    mask[mask == 2] = 0
    drawn.set_masks(mask, *splits)
    findings = found(drawn.root)
    finding = findings.pop("absent_class")
    assert not findings
    assert finding.severity == severity
    assert told in finding.sentence


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.roboflow.txt", "\nCalf - v3 2024-09-06 8:21am\n====\n"),
        ("README.dataset.txt", "# calf > 2024-09-06 8:21am\nhttps://universe.roboflow.com/a/b\n"),
    ],
)
def test_class_named_like_the_project(file: str, text: str, drawn: Any, found: Found) -> None:
    (drawn.root / file).write_text(text)
    finding = found(drawn.root)["class_named_like_the_project"]
    assert finding.severity == "note"
    assert '"calf"' in finding.sentence
    assert "14 images of it say that it is meant" in finding.sentence
    mask = drawn.mask()
    mask[mask == 2] = 0
    drawn.set_masks(mask, "train", "valid", "test")
    finding = found(drawn.root)["class_named_like_the_project"]
    assert finding.severity == "warning"
    assert "no image holds it, so remove it" in finding.sentence
    (drawn.root / file).write_text(text.replace("alf", "alves"))
    assert "class_named_like_the_project" not in found(drawn.root)


def test_specks(drawn: Any, found: Found) -> None:
    mask = drawn.mask()
    mask[10, 10:13] = 1  # 3 of the 4 pixels that pass
    mask[20:22, 20:22] = 2  # 4
    mask[30, 30] = mask[31, 31] = 2  # 2, joined at a corner
    drawn.add("valid/person8_jpg.rf.08.jpg", drawn.photo(8), mask)
    findings = found(drawn.root)
    finding = findings.pop("specks")
    assert not findings
    assert finding.severity == "warning"
    assert finding.sentence.startswith("2 regions in 1 image would")
    assert finding.groups == ((9,),)  # of valid, "person10" comes first


def test_framed_masks(drawn: Any, found: Found) -> None:
    inverted = np.where(drawn.mask() == 1, 0, 1).astype(np.uint8)
    inverted[150:170, 200:230] = 2
    drawn.add("train/person0_jpg.rf.00.jpg", drawn.photo(0), inverted)
    three_sides = drawn.mask()
    three_sides[:, :5] = three_sides[:, -5:] = three_sides[-5:] = 1
    drawn.add("train/person1_jpg.rf.01.jpg", drawn.photo(1), three_sides)
    findings = found(drawn.root)
    finding = findings.pop("framed_masks")
    assert not findings
    assert finding.severity == "warning"
    assert "1 mask of biceps" in finding.sentence
    assert finding.groups == ((0,),)


def test_no_foreground(drawn: Any, found: Found) -> None:
    drawn.add("test/rest_jpg.rf.99.jpg", drawn.photo(99), np.zeros_like(drawn.mask()))
    findings = found(drawn.root)
    finding = findings.pop("no_foreground")
    assert not findings
    assert finding.severity == "note"
    assert "(0 of 8 in train, 0 of 3 in valid, 1 of 4 in test)" in finding.sentence
    assert finding.groups == ((14,),)


def test_baked_augmentation(drawn: Any, found: Found) -> None:
    (drawn.root / "README.roboflow.txt").write_text(
        "The following augmentation was applied to create 3 versions of each source image:\n"
        "* 50% probability of horizontal flip\n"
    )
    finding = found(drawn.root)["baked_augmentation"]
    assert finding.severity == "note"
    assert "50% probability of horizontal flip" in finding.sentence
    assert "(horizontal_flip)" in finding.sentence


def test_augmented_copies_that_no_readme_tells_of(drawn: Any, found: Found) -> None:
    for seed in range(8):
        turned = np.flipud(drawn.photo(seed)), np.flipud(drawn.mask())
        drawn.add(f"train/person{seed}_jpg.rf.copy.jpg", *map(np.ascontiguousarray, turned))
    findings = found(drawn.root)
    finding = findings.pop("baked_augmentation")
    assert not findings
    assert "2.0 copies" in finding.sentence
    assert "training augments them again" in finding.sentence


def test_copies_in_two_splits_that_training_refuses(drawn: Any, found: Found) -> None:
    for suffix in (".jpg", "_mask.png"):
        name = f"person0_jpg.rf.00{suffix}"
        shutil.copy(drawn.root / "train" / name, drawn.root / "test" / name.replace("00", "77"))
    findings = found(drawn.root)
    finding = findings.pop("refused_by_training")
    assert not findings  # once is enough: not as near-duplicates and as a note again
    assert finding.severity == "error"
    assert "more than one split (1): person0_jpg (train, test)" in finding.sentence
    assert finding.groups == ((0, 11),)


def test_gravest_first(drawn: Any, found: Found) -> None:
    drawn.add("test/rest_jpg.rf.99.jpg", drawn.photo(0), np.zeros_like(drawn.mask()))
    severities = [finding.severity for finding in found(drawn.root).values()]
    assert severities == ["error", "warning", "note"]


def test_real_exports(shared: Callable[[str], Path], found: Found) -> None:
    findings = found(shared("exports/facade_coco"))
    assert set(findings) == {"specks", "class_named_like_the_project"}
    assert findings["class_named_like_the_project"].severity == "note"  # "facade" is a real class


@pytest.mark.slow
def test_bundled_sample_is_clean(found: Found) -> None:
    """520 rendered photos, many of one scene, and none is taken for a copy of another."""
    sample = Path(__file__).parents[2] / "datasets" / "sample_gym"
    findings = found(sample)
    assert set(findings) == {"no_foreground"}
    assert len(findings["no_foreground"].groups) == 78


@pytest.mark.slow
def test_real_video_export(shared: Callable[[str], Path], found: Found) -> None:
    root = shared("exports/indoor_png_mask")
    frames = [(path.parent.name, int(path.name[6:10])) for path in root.glob("*/*.jpg")]
    near = [
        any(split != other and abs(number - another) <= 2 for other, another in frames)
        for split, number in frames
        if split != "train"
    ]
    findings = found(root)
    assert [check for check, one in findings.items() if one.severity == "error"] == [
        "near_duplicates",
        "neighbouring_frames",
    ]
    assert sum(near) == 46
    assert "46 of the 50 images" in findings["neighbouring_frames"].sentence
    assert "noise, crop" in findings["baked_augmentation"].sentence
