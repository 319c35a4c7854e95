import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.prediction.sources import find_sources, is_video, read_photo

# How a camera stores the picture that a viewer shows, by EXIF's orientation (CIPA DC-008, 4.6.4).
STORED = {
    1: lambda shown: shown,
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: shown[::-1, ::-1],
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.transpose(1, 0, 2),
    6: lambda shown: np.rot90(shown, 1),  # the viewer turns it clockwise
    7: lambda shown: shown[::-1, ::-1].transpose(1, 0, 2),
    8: lambda shown: np.rot90(shown, -1),
}


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_comes_as_viewers_show_it(
    orientation: int, photo: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](photo))).save(path, exif=exif)
    np.testing.assert_array_equal(read_photo(path), photo)


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    rgb = np.stack([grey] * 3, axis=-1)
    images = {
        "L.png": Image.fromarray(grey),
        "P.png": Image.fromarray(grey).convert("P"),
        "RGB.bmp": Image.fromarray(rgb),
        "RGBA.webp": Image.fromarray(np.dstack([rgb, np.full((2, 2), 255, np.uint8)])),
        "CMYK.tif": Image.fromarray(rgb).convert("CMYK"),
        "16.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "16.tif": Image.fromarray(grey.astype(np.uint16) * 257),
    }
    for name, image in images.items():
        options = {"lossless": True} if name.endswith("webp") else {}
        image.save(tmp_path / name, **options)
        read = read_photo(tmp_path / name)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, rgb, err_msg=name)
    Image.fromarray(grey > 150).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "1.png")[..., 0], [[0, 0], [255, 255]])


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0, 0] = 10, 20, 30, 255
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "rgba.png"), [[[10, 20, 30], [255] * 3]])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 0, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    np.testing.assert_array_equal(read_photo(tmp_path / "palette.png"), [[[10, 20, 30], [255] * 3]])


def test_broken_files_are_refused_in_a_sentence(photo: np.ndarray, tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(photo).save(whole)
    contents = {
        "text.jpg": b"hello",
        "empty.png": b"",
        "cut.png": whole.read_bytes()[:-40],
        "line_ends.png": whole.read_bytes().replace(b"\r\n", b"\n"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as a photo") as caught:
            read_photo(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    header = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)  # 10 GB once decoded
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    with pytest.raises(UserError, match=r"bomb\.png"):
        read_photo(path)
    Image.new("RGB", (11, 10)).save(path)
    with pytest.raises(UserError, match="11x10 pixels, more than 100"):
        read_photo(path, max_pixels=100)
    assert read_photo(path, max_pixels=110).shape == (10, 11, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = (
        *("b/arm.jpg", "b/arm_mask.png", "b/sub/leg.PNG", "b/notes.txt", "b/.hidden.jpg"),
        *("b/.git/x.jpg", "a/film.MP4", "a/arm[1].webp", "a/alone_mask.png", "texts/a.txt"),
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_give_their_photos_and_videos_but_no_masks(folder: Path) -> None:
    assert find_sources(["b"]) == [Path("b/arm.jpg"), Path("b/sub/leg.PNG")]
    # X_mask.png is a photo like another where there is no X beside it.
    assert find_sources(["a"]) == [
        Path("a/alone_mask.png"),
        Path("a/arm[1].webp"),
        Path("a/film.MP4"),
    ]
    assert find_sources(["b/arm_mask.png"]) == [Path("b/arm_mask.png")]  # named, so meant


def test_globs_files_and_cameras(folder: Path) -> None:
    assert find_sources(["*/arm*"]) == [Path("a/arm[1].webp"), Path("b/arm.jpg")]
    assert find_sources(["**/*.PNG"]) == [Path("b/sub/leg.PNG")]
    assert find_sources(["?"]) == find_sources(["a", "b"])
    assert find_sources(["a/arm[1].webp"]) == [Path("a/arm[1].webp")]  # a file before a glob
    assert find_sources(["0", "b/arm.jpg"]) == [0, Path("b/arm.jpg")]
    (folder / "1").mkdir()
    (folder / "1" / "x.jpg").touch()
    assert find_sources(["1"]) == [Path("1/x.jpg")]  # a folder before a camera


def test_a_file_counts_once(folder: Path) -> None:
    assert find_sources(["b/arm.jpg", str(folder / "b"), "0", "0"]) == [
        Path("b/arm.jpg"),
        folder / "b/sub/leg.PNG",
        0,
    ]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("absent.jpg", "absent.jpg does not exist"),
        ("*.jpg", r"\*.jpg does not exist and matches no file"),
        ("texts", "texts holds no photo and no video"),
        ("texts/*", "matches no photo or video, only texts/a.txt"),
    ],
)
def test_words_that_stand_for_nothing_are_refused(folder: Path, word: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find_sources([word])


def test_videos_are_told_by_their_name() -> None:
    assert is_video(Path("film.MOV"))
    assert is_video(0)
    assert not is_video(Path("arm.jpg"))
