import shutil
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tf_muscle.errors import UserError
from tf_muscle.prediction import file_kinds
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.photos import open_photo, read_photo
from tf_muscle.prediction.sources import find_sources, is_video
from tf_muscle.roboflow import image_files

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


def test_a_damaged_tag_does_not_keep_a_photo_from_being_turned(
    photo: np.ndarray, tmp_path: Path
) -> None:
    """Pillow's own exif_transpose fails on these."""
    for kind, value in ((2, b"abc\0"), (7, b"abcd"), (11, struct.pack("<f", np.nan))):
        tags = struct.pack("<HHI4s", 0x0100, kind, 1 if kind == 11 else 4, value)  # a width
        tags += struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
        exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4)
        path = tmp_path / f"{kind}.jpg"
        Image.fromarray(photo).save(path, exif=exif, quality=100, subsampling=0)
        with Image.open(path) as stored, pytest.raises(Exception, match="integer"):
            ImageOps.exif_transpose(stored)
        assert np.abs(read_photo(path) - np.rot90(photo, -1).astype(int)).mean() < 3


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


def write_film(path: Path) -> Path:
    writer = VideoWriter(path, Fraction(10))
    for i in range(3):
        writer.add(Frame(i / 10, np.full((16, 16, 3), 80 * i, np.uint8)))
    writer.close()
    return path


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
    with pytest.raises(UserError, match=r"bomb\.png has far too many pixels, more than"):
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
        *("b/sub/leg_mask.png", "texts/LICENSE"),
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(*words: str) -> list[Path | int]:
    sources = find_sources(words)
    return [*sources.photos, *sources.videos]


def test_folders_give_their_photos_and_videos_but_no_masks(folder: Path) -> None:
    assert found("b") == [Path("b/arm.jpg"), Path("b/sub/leg.PNG")]
    # X_mask.png is a photo like another where there is no X beside it.
    assert found("a") == [Path("a/alone_mask.png"), Path("a/arm[1].webp"), Path("a/film.MP4")]
    assert found("b/arm_mask.png") == [Path("b/arm_mask.png")]  # named, so meant


def test_what_is_passed_over_is_counted_once(folder: Path) -> None:
    told = "passed over: 1 .txt, 2 X_mask.png"
    assert find_sources(["b"]).passed_over == told
    assert find_sources(["b", "b/*", "b/sub"]).passed_over == told
    assert find_sources(["b", "b/arm_mask.png"]).passed_over == "passed over: 1 .txt, 1 X_mask.png"
    assert find_sources(["a", "b/arm.jpg"]).passed_over is None
    assert find_sources(["*"]).passed_over == "passed over: 2 .txt, 2 X_mask.png, 1 without suffix"


def test_globs_files_and_cameras(folder: Path) -> None:
    assert found("*/arm*") == [Path("a/arm[1].webp"), Path("b/arm.jpg")]
    assert found("**/*.PNG") == [Path("b/sub/leg.PNG")]
    assert found("?") == found("a", "b")
    assert found("b/arm.jpg", "0") == [Path("b/arm.jpg"), 0]
    (folder / "1").mkdir()
    (folder / "1" / "x.jpg").touch()
    assert found("1") == [Path("1/x.jpg")]  # a folder before a camera


def test_what_exists_is_no_glob(folder: Path) -> None:
    assert found("a/arm[1].webp") == [Path("a/arm[1].webp")]
    strange = folder / "x [1] *b? é" / "y[ab]"
    strange.mkdir(parents=True)
    (strange / "arm[1].jpg").touch()
    (strange / "leg.jpg").touch()
    both = [strange / "arm[1].jpg", strange / "leg.jpg"]
    assert found(str(strange)) == both
    assert found(str(strange / "*.jpg")) == both
    assert found(str(strange.parent / "*" / "l?g.jpg")) == both[1:]
    assert found(str(strange / "arm[1].jpg")) == both[:1]


def test_a_file_counts_once(folder: Path) -> None:
    assert found("b/arm.jpg", str(folder / "b"), "0", "0") == [
        Path("b/arm.jpg"),
        folder / "b/sub/leg.PNG",
        0,
    ]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("absent.jpg", "absent.jpg does not exist"),
        ("*.jpg", r"\*.jpg does not exist and matches no file"),
        ("texts", "texts holds no photo and no video that can be read, only 1 .txt, 1 without suf"),
        ("texts/*.txt", r"texts/\*.txt holds no photo and no video .* only 1 .txt: give JPEG"),
    ],
)
def test_words_that_stand_for_nothing_are_refused(folder: Path, word: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find_sources([word])


def test_content_decides_and_not_the_name(photo: np.ndarray, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4")
    shutil.copy(film, tmp_path / "film.jpg")
    shutil.copy(film, tmp_path / "film")
    Image.fromarray(photo).save(tmp_path / "photo.png")
    shutil.copy(tmp_path / "photo.png", tmp_path / "photo.mp4")
    shutil.copy(tmp_path / "photo.png", tmp_path / "photo.jfif")
    (tmp_path / "broken.jpg").write_text("hello")
    (tmp_path / "broken.m2ts").write_text("hello")
    (tmp_path / "program.ts").write_text("const x: number = 1;")
    (tmp_path / "text.txt").write_text("hello")
    sources = find_sources([str(tmp_path)])
    assert [path.name for path in sources.photos] == [
        "broken.jpg", "photo.jfif", "photo.mp4", "photo.png",
    ]  # fmt: skip
    assert [Path(path).name for path in sources.videos] == [
        "broken.m2ts", "film", "film.jpg", "film.mp4",
    ]  # fmt: skip
    assert sources.passed_over == "passed over: 1 .ts, 1 .txt"
    named = find_sources([str(tmp_path / "program.ts"), str(tmp_path / "text.txt")])
    assert (len(named.photos), len(named.videos)) == (1, 1)  # tried


def test_heic_is_read_with_its_library_and_else_told(
    photo: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heif = pytest.importorskip("pillow_heif", reason="an extra")
    heif.register_heif_opener()
    large = np.repeat(np.repeat(photo, 16, axis=0), 16, axis=1)
    path = tmp_path / "IMG_1.HEIC"
    Image.fromarray(large).save(path, format="HEIF", quality=100, chroma=444)
    (tmp_path / "x.txt").touch()
    assert find_sources([str(tmp_path)]).photos == (path,)
    assert np.abs(read_photo(path).astype(int) - large).mean() < 3
    without = image_files.readable_formats()[:-1]
    monkeypatch.setattr(image_files, "readable_formats", lambda: without)
    monkeypatch.setattr(file_kinds, "readable_formats", lambda: without)
    with pytest.raises(UserError, match=r"only 1 \.HEIC \(python -m pip install pillow-heif"):
        find_sources([str(tmp_path)])
    with pytest.raises(UserError, match=r"IMG_1\.HEIC is a photo in HEIF .* install pillow-heif"):
        read_photo(path)


def test_avif_is_read(photo: np.ndarray, tmp_path: Path) -> None:
    if "AVIF" not in image_files.readable_formats():
        pytest.skip("Pillow was built without it")
    large = np.repeat(np.repeat(photo, 16, axis=0), 16, axis=1)
    Image.fromarray(large).save(tmp_path / "x.avif", quality=100, subsampling="4:4:4")
    assert found(str(tmp_path)) == [tmp_path / "x.avif"]
    assert np.abs(read_photo(tmp_path / "x.avif").astype(int) - large).mean() < 3


def test_cameras_raw_files_are_not_their_previews(photo: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.NEF"
    # 254: this is a smaller version of another picture in the file (TIFF 6.0).
    Image.fromarray(photo).save(path, format="TIFF", tiffinfo={254: 1})
    Image.fromarray(photo).save(tmp_path / "a.jpg")
    sources = find_sources([str(tmp_path)])
    assert sources.photos == (tmp_path / "a.jpg",)
    assert sources.passed_over == "passed over: 1 .NEF (raw: export them as JPEG)"
    with pytest.raises(UserError, match="raw file: export it as JPEG"):
        read_photo(path)


def test_moving_pictures_are_videos(photo: np.ndarray, tmp_path: Path) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    for suffix in ("gif", "webp", "png"):
        for count in (1, 2):
            path = tmp_path / f"{count}.{suffix}"
            frames[0].save(path, save_all=True, append_images=frames[1:count])
            assert is_video(path) == (count == 2), path.name
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    assert not is_video(tmp_path / "pages.tif")
    assert open_photo(tmp_path / "pages.tif").has_more
    assert not open_photo(tmp_path / "1.gif").has_more
    assert is_video(0)
