import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tf_muscle.roboflow import mask_export as reader
from tf_muscle.roboflow.mask_export import read_class_list, write_class_list
from tf_muscle.roboflow.reader import read_export

Refusal = Callable[..., str]
NAME = "chest_jpg.rf.05.jpg"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Pixel Value, Class\n0, background\n1, biceps", ("background", "biceps")),
        ("\ufeffPixel Value, Class\r\n0, background\r\n1, biceps\r\n", ("background", "biceps")),
        ("Pixel Value,Class\n1,biceps\n0,Background\n", ("background", "biceps")),
        ("Pixel Value, Class\n0, background\n1, calf, left", ("background", "calf, left")),
        ('Pixel Value, Class\n0, background\n1, "calf, left"', ("background", "calf, left")),
        ("Pixel Value, Class\n0, background\n1, calf,left", ("background", "calf, left")),
        ("Pixel Value, Class,\n0, background,\n1, calf, ,\n,,\n", ("background", "calf")),
        ('Pixel Value, Class\n0, background\n1, 12" plate', ("background", '12" plate')),
        (
            'Pixel Value,Class\n0,background\n1,"the ""long"" head"',
            ("background", 'the "long" head'),
        ),
    ],
)
def test_class_list(text: str, names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    path.write_bytes(text.encode())
    assert read_class_list(path) == names


@pytest.mark.parametrize(
    "names",
    [
        ("biceps", "triceps"),
        ('"heavy" crack', '"open', 'shut"', '"'),
        ("red,blue", "red, blue", "a , b", ",", "comma,"),
        ('"a","b"', '12" pipe', '", "', '""'),
        ("two words", "a;b", "Class 'x'", "é", "上腕", "#1", "\\", "-1", "0"),
    ],
)
def test_written_class_list_reads_back(names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    write_class_list(path, ("background", *names))
    assert read_class_list(path) == ("background", *names)


def test_class_list_is_written_as_roboflow_does(tmp_path: Path) -> None:
    write_class_list(tmp_path / "_classes.csv", ("background", "biceps", "calf, left"))
    assert (tmp_path / "_classes.csv").read_bytes() == (
        b'Pixel Value, Class\n0, background\n1, biceps\n2, "calf, left"\n'
    )


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_class_list_in_utf_16(mark: str, tmp_path: Path) -> None:
    """As Windows' Notepad saves it, with a byte order mark."""
    path = tmp_path / "_classes.csv"
    path.write_bytes("\ufeffPixel Value, Class\r\n0, background\r\n1, Wadé\r\n".encode(mark))
    assert read_class_list(path) == ("background", "Wadé")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "utf-16-le", "utf-32"])
def test_class_list_of_unknown_encoding(encoding: str, mask_export: Path, refusal: Refusal) -> None:
    """Their bytes are names in several encodings, so none is taken."""
    name = "икра" if encoding == "cp1251" else "Wadé"
    text = f"Pixel Value, Class\n0, background\n1, {name}\n2, calf"
    (mask_export / "test" / "_classes.csv").write_bytes(text.encode(encoding))
    message = refusal(mask_export)
    assert message.startswith("test/_classes.csv is not a text table in UTF-8; save it as UTF-8")


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
        path.write_text(class_list(255))
    assert len(read_class_list(paths[0])) == 255
    for path in paths:
        path.write_text(class_list(256))
    message = refusal(mask_export)
    assert "train/_classes.csv has the ids 0, 1, 2" in message
    assert "each once and up to 254" in message


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


@pytest.mark.parametrize("twin", ["chest_jpg.rf.05.png", "chest_jpg.rf.05.jpeg"])
def test_images_that_share_a_mask(twin: str, mask_export: Path, refusal: Refusal) -> None:
    Image.new("RGB", (12, 8)).save(mask_export / "test" / twin)
    message = refusal(mask_export)
    assert (
        f"share one mask, or masks that share one image (1): test/{min(twin, NAME)} and " in message
    )
    assert f"test/{max(twin, NAME)}; keep one of them" in message


@pytest.mark.parametrize("twin", ["chest_jpg.rf.05.JPG", "chest_jpg.rf.05_mask.PNG"])
def test_files_that_differ_in_case(twin: str, mask_export: Path, refusal: Refusal) -> None:
    path = mask_export / "test" / twin
    if path.exists():
        pytest.skip("this file system does not tell upper from lower case")
    Image.new("L", (12, 8)).save(path)
    assert f"share one image (1): test/{twin} and test/chest_jpg.rf.05" in refusal(mask_export)


def test_image_and_mask_of_one_name_in_two_spellings(mask_export: Path) -> None:
    """macOS writes é as e and an accent; Roboflow and Windows as one character."""
    mask = mask_export / "train" / "über_mask.png"
    mask.rename(mask.with_name(unicodedata.normalize("NFD", mask.name)))
    assert len(read_export(mask_export).splits["train"]) == 4


@pytest.mark.parametrize("suffix", [".webp", ".BMP", ".tif", ".gif"])
def test_image_of_another_format(suffix: str, mask_export: Path, refusal: Refusal) -> None:
    Image.new("RGB", (12, 8)).save(mask_export / "train" / f"new{suffix}")
    message = refusal(mask_export)
    assert f"neither JPEG nor PNG (1): train/new{suffix}" in message
    assert "convert them" in message
