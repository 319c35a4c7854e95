"""Which file an entry of _annotations.coco.json means."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from coco_edits import edit

from tf_muscle.roboflow.reader import check_pixels, fingerprint, read_export, read_mask

Refusal = Callable[..., str]


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
    assert "test/a (1), test/b (1)" in read_export(coco_export).notes[0].text
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
