from pathlib import Path

import pytest

from tf_muscle.roboflow.readme import (
    PHRASES,
    README,
    read_baked_augmentation,
    read_stretched,
)

# The phrasings of Roboflow's own READMEs, from public exports.
WHOLE_IMAGE = {
    "50% probability of horizontal flip": "horizontal_flip",
    "50% probability of vertical flip": "vertical_flip",
    "Random shear of between -15° to +15° horizontally and -15° to +15° vertically": "shear",
    "Random Gaussian blur of between 0 and 1.2 pixels": "blur",
    "Salt and pepper noise was applied to 0.22 percent of pixels": "noise",
    "Equal probability of one of the following 90-degree rotations: none, clockwise, "
    "counter-clockwise, upside-down": "rotate",
    "Random rotation of between -15 and +15 degrees": "rotate",
    "Randomly crop between 0 and 54 percent of the image": "crop",
    "Random brigthness adjustment of between -25 and +25 percent": "brightness",
    "Random exposure adjustment of between -10 and +10 percent": "exposure",
}
HEADING = "The following augmentation was applied to create 3 versions of each source image:"
BOXES = "The following transformations were applied to the bounding boxes of each image:"
BEFORE = """
muscles - v3 2024-09-06 8:21am
==============================

* annotate, and create datasets

The following pre-processing was applied to each image:
* Auto-orientation of pixel data (with EXIF-orientation stripping)
* Grayscale (CRT phosphor)
"""


def read(folder: Path, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    (folder / README).write_text(text, encoding="utf-8")
    return read_baked_augmentation(folder)


def test_no_readme(tmp_path: Path) -> None:
    assert read_baked_augmentation(tmp_path) == ((), ())


def test_no_augmentation(tmp_path: Path) -> None:
    text = f"{BEFORE}\nNo image augmentation techniques were applied.\n"
    assert read(tmp_path, text) == ((), ())


def test_each_phrase(tmp_path: Path) -> None:
    for line, option in WHOLE_IMAGE.items():
        options, notes = read(tmp_path, f"{BEFORE}\n{HEADING}\n* {line}\n\n\n")
        assert options == (option,)
        assert notes == (f"{README} says: {HEADING} {line}.",)


def test_all_phrases_at_once(tmp_path: Path) -> None:
    lines = "\n".join(f"* {line}" for line in WHOLE_IMAGE)
    options, notes = read(tmp_path, f"{BEFORE}\n{HEADING}\n{lines}\n")
    assert set(options) == set(WHOLE_IMAGE.values())
    assert options == tuple(option for option in PHRASES if option in options)
    assert len(notes) == 1


def test_windows_line_ends_and_encoding(tmp_path: Path) -> None:
    line = "Random shear of between -10° to +10° horizontally and -10° to +10° vertically"
    (tmp_path / README).write_bytes(
        f"{BEFORE}\n{HEADING}\n* {line}\n".replace("\n", "\r\n").encode("latin-1")
    )
    assert read_baked_augmentation(tmp_path)[0] == ("shear",)


def test_boxes_are_told_but_turn_nothing_off(tmp_path: Path) -> None:
    blur = "Random Gaussian blur of between 0 and 10 pixels"
    options, notes = read(tmp_path, f"{BEFORE}\n{HEADING}\n\n{BOXES}\n* {blur}\n")
    assert options == ()
    assert notes == (f"{README} says: {HEADING} none is named.", f"{README} says: {BOXES} {blur}.")


def test_unknown_line_is_told_verbatim(tmp_path: Path) -> None:
    options, notes = read(tmp_path, f"{BEFORE}\n{HEADING}\n* Random camera gain of 0.01\n")
    assert options == ()
    assert "Random camera gain of 0.01" in notes[0]


@pytest.mark.parametrize(
    ("line", "stretched"),
    [
        ("Resize to 640x640 (Stretch)", True),
        ("Resize to 416x416 (Stretch to)", True),
        ("Resize to 640 x 640 (Stretch)", True),
        ("Resize to 640\u00d7640 (Stretch)", True),
        ("Resize to 640x480 (Stretch)", False),
        ("Resize to 640x640 (Fit within)", False),
        ("Resize to 640x640 (Fit (black edges))", False),
        ("Resize to 640x640 (Fill (with center crop))", False),
        ("Resize to 640x640 (Fit (reflect edges))", False),
        ("Auto-orientation of pixel data", False),
    ],
)
def test_stretched(line: str, stretched: bool, tmp_path: Path) -> None:
    assert not read_stretched(tmp_path)
    (tmp_path / README).write_text(f"{BEFORE}* {line}\n\n{HEADING}\n* Random blur\n")
    assert read_stretched(tmp_path) == stretched


def test_stretching_outside_the_list_of_preprocessing(tmp_path: Path) -> None:
    (tmp_path / README).write_text(f"{BEFORE}\nNotes:\n* Resize to 640x640 (Stretch)\n")
    assert not read_stretched(tmp_path)
