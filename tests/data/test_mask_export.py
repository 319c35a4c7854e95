from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tf_muscle.data import mask_export as reader
from tf_muscle.data.mask_export import read_class_list

Refusal = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Pixel Value, Class\n0, background\n1, biceps", ("background", "biceps")),
        ("\ufeffPixel Value, Class\r\n0, background\r\n1, biceps\r\n", ("background", "biceps")),
        ("Pixel Value,Class\n1,biceps\n0,Background\n", ("background", "biceps")),
        ("Pixel Value, Class\n0, background\n1, calf, left", ("background", "calf, left")),
        ('Pixel Value, Class\n0, background\n1, "calf, left"', ("background", "calf, left")),
    ],
)
def test_class_list(text: str, names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    path.write_bytes(text.encode())
    assert read_class_list(path) == names


def test_class_list_of_two_digit_ids(tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    path.write_text(class_list(12))
    assert read_class_list(path)[11] == "muscle 11"


@pytest.mark.parametrize(
    ("text", "told", "fix"),
    [
        ("filename, biceps\na.jpg, 1", "multi-label class list", "Semantic Segmentation Masks"),
        ("", 'starts with ""', "again"),
        ("Class, Pixel Value\nbackground, 0", 'starts with "Class, Pixel Value"', "again"),
        ("Pixel Value, Class", "the ids of no class", "again"),
        ("Pixel Value, Class\n0, background\n2, calf", "the ids 0, 2", "again"),
        ("Pixel Value, Class\n0, background\n1, a\n1, b", "the ids 0, 1, 1", "again"),
        ("Pixel Value, Class\n0, background\nx, a", "the ids 0, x", "again"),
        ("Pixel Value, Class\n0, background\n-1, a", "the ids 0, -1", "again"),
        (
            "Pixel Value, Class\n0, biceps\n1, calf",
            'calls class 0 "biceps", but class 0 is scored as background; ',
            "rename it to background if that is what it marks, else move it to an id of its own.",
        ),
        ("Pixel Value, Class\n0, background\n1, a\n2, a", "a name twice", "rename the classes"),
        ("Pixel Value, Class\n0, background\n1,", "a class without a name", "rename the classes"),
        ("Pixel Value, Class\n0, background\n1, \xe9", "not a text table", "again"),
        ('Pixel Value, Class\n0, background\n1, "a\rb"', "(background, a\\rb)", "rename"),
    ],
)
def test_unusable_class_list(
    text: str, told: str, fix: str, mask_export: Path, refusal: Refusal
) -> None:
    (mask_export / "valid" / "_classes.csv").write_text(text, encoding="latin-1")
    message = refusal(mask_export)
    assert "valid/_classes.csv" in message
    assert told in message
    assert fix in message


def class_list(class_count: int) -> str:
    rows = (f"{i}, {'background' if i == 0 else f'muscle {i}'}" for i in range(class_count))
    return "\n".join(("Pixel Value, Class", *rows))


def test_most_classes_that_a_mask_has_room_for(mask_export: Path, refusal: Refusal) -> None:
    paths = list(mask_export.rglob("_classes.csv"))
    for path in paths:
        path.write_text(class_list(256))
    assert len(read_class_list(paths[0])) == 256
    for path in paths:
        path.write_text(class_list(257))
    message = refusal(mask_export)
    assert "train/_classes.csv has the ids 0, 1, 2" in message
    assert "each once and up to 255" in message


def test_class_list_that_is_too_large(
    mask_export: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (mask_export / "train" / "_classes.csv").stat().st_size
    monkeypatch.setattr(reader, "MAX_BYTES", size)
    assert len(read_class_list(mask_export / "train" / "_classes.csv")) == 3
    monkeypatch.setattr(reader, "MAX_BYTES", size - 1)
    assert refusal(mask_export) == (
        f"train/_classes.csv has more than {size - 1} bytes; export it from Roboflow as "
        '"Semantic Segmentation Masks" again.'
    )


def test_missing_class_list(mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "test" / "_classes.csv").unlink()
    message = refusal(mask_export)
    assert "missing while other splits have one: test/_classes.csv" in message
    assert "again" in message


def test_class_lists_that_differ(mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "test" / "_classes.csv").write_text(
        "Pixel Value, Class\n0, background\n1, calf\n2, biceps"
    )
    message = refusal(mask_export)
    assert "test/_classes.csv has calf as class 1, but train/_classes.csv has biceps" in message
    assert "one version" in message


def test_image_without_mask(mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "train" / "über_mask.png").unlink()
    (mask_export / "test" / "chest_jpg.rf.05_mask.png").unlink()
    message = refusal(mask_export)
    assert "without their mask" in message
    assert "(2): train/über.PNG, test/chest_jpg.rf.05.jpg" in message
    assert "add the masks" in message


def test_many_images_without_mask_are_counted(mask_export: Path, refusal: Refusal) -> None:
    for number in range(12):
        Image.new("RGB", (12, 8)).save(mask_export / "train" / f"new_{number:02}.jpg")
    message = refusal(mask_export)
    assert "(12): train/new_00.jpg" in message
    assert "train/new_09.jpg (and 2 more)" in message


def test_mask_without_image(mask_export: Path, refusal: Refusal) -> None:
    (mask_export / "valid" / "back_jpg.rf.04.jpg").unlink()
    message = refusal(mask_export)
    assert "Masks without their image beside them (1): valid/back_jpg.rf.04_mask.png" in message
    assert "add the images" in message


@pytest.mark.parametrize("suffix", [".webp", ".BMP", ".tif", ".gif"])
def test_image_of_another_format(suffix: str, mask_export: Path, refusal: Refusal) -> None:
    Image.new("RGB", (12, 8)).save(mask_export / "train" / f"new{suffix}")
    message = refusal(mask_export)
    assert f"neither JPEG nor PNG (1): train/new{suffix}" in message
    assert "convert them" in message
