"""Sources in an object store: listed, told apart and fetched as the same files on a disk are."""

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from predicting import write_video
from stores import put_folder

from tf_muscle.errors import UserError
from tf_muscle.prediction.addresses import RemoteFile, fetched, files_at, is_address
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.sources import Sources, find_sources

MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that sort in another way as words than as paths, and files that are not what they say.

    day/ has what is taken, but for `.later`, a mask, a raw file, a text and one without suffix.
    """
    folder = tmp_path_factory.mktemp("archive")
    for name in ("day", "day/a", "day/.later", "night"):
        (folder / name).mkdir()
    first, second = (Image.new("RGB", (16, 12), color) for color in ("red", "blue"))
    for name in ("day/a/x.jpg", "day/a-b.jpg", "day/.later/y.jpg", "day/.z.jpg", "night/x.jpg"):
        first.save(folder / name)
    for name in ("day/still.gif", "day/still.png", "day/still.webp", "day/still.avif"):
        first.save(folder / name)
    for name in ("day/moving.gif", "day/moving.png", "day/moving.webp", "day/moving.avif"):
        first.save(folder / name, save_all=True, append_images=[second], duration=100)
    first.save(folder / "day/photo.mp4", format="PNG")
    first.save(folder / "day/without", format="PNG")
    first.save(folder / "day/masked.png")
    first.convert("L").save(folder / "day/masked_mask.png")
    first.convert("L").save(folder / "day/lonely_mask.png")
    first.save(folder / "day/camera.nef", format="TIFF")
    first.save(folder / "day/pages.tif", save_all=True, append_images=[second])
    write_video(folder / "day/a/curl.mp4", 3)
    (folder / "day/film.gif").write_bytes((folder / "day/a/curl.mp4").read_bytes())
    (folder / "day/empty.png").touch()
    (folder / "day/cut.gif").write_bytes((folder / "day/moving.gif").read_bytes()[:30])
    (folder / "day/readme.txt").write_text("none of them")
    (folder / "day/program.ts").write_text("let a = 1")
    (folder / "night/none.txt").write_text("none of them")
    return folder


def names_of(sources: Sources, beginning: str) -> tuple[list[str], list[str], str | None]:
    photos, videos = (
        [str(one).removeprefix(beginning) for one in some]
        for some in (sources.photos, sources.videos)
    )
    return photos, videos, sources.passed_over


@pytest.mark.parametrize(
    "words",
    [
        ["day"],
        ["day/"],
        ["day/*.gif"],
        ["day/**/*.jpg"],
        ["*/x.jpg", "day/a"],
        ["n*", "d*"],
        ["day/.later/*.jpg"],
        ["day/a/x.jpg", "day", "night/x.jpg"],
        ["day/camera.nef", "day"],
        ["day/still.[gw]*"],
    ],
)
def test_a_store_is_listed_as_a_disk_is(words: list[str], archive: Path) -> None:
    put_folder(archive, "memory://archive")
    local = find_sources([f"{archive}/{word}" for word in words])
    remote = find_sources([f"memory://archive/{word}" for word in words])
    expected = names_of(local, f"{archive}/")
    assert names_of(remote, "memory://archive/") == expected
    assert expected[0] or expected[1]


def test_what_is_told_of_a_folder(archive: Path) -> None:
    """By hand, so that not both ways of listing are wrong in the same way."""
    put_folder(archive, "memory://archive")
    photos, videos, passed_over = names_of(find_sources(["memory://archive/day"]), "memory://")
    assert photos[:3] == [f"archive/day/{one}" for one in ("a/x.jpg", "a-b.jpg", "cut.gif")]
    assert videos[0] == "archive/day/a/curl.mp4"
    assert set(videos[1:]) == {
        f"archive/day/{one}"
        for one in ("film.gif", "moving.gif", "moving.png", "moving.webp", "moving.avif")
    }
    assert passed_over is not None
    for one in ("1 .nef (raw", "1 .ts", "1 .txt", "1 X_mask.png"):
        assert one in passed_over


def test_a_file_is_here_for_the_time_of_a_block(archive: Path) -> None:
    put_folder(archive, "memory://archive")
    (file,) = files_at("memory://archive/day/a/x.jpg")
    with fetched(file) as here:
        copy = Path(here)
        assert copy.read_bytes() == (archive / "day/a/x.jpg").read_bytes()
        assert str(here) == "memory://archive/day/a/x.jpg"
        assert {file: "one"}[here] == "one"  # the name of its outputs is found by it
        photo = open_photo(here)
    assert not copy.exists()
    assert not copy.parent.exists()
    np.testing.assert_array_equal(photo.image, open_photo(archive / "day/a/x.jpg").image)
    with pytest.raises(FileNotFoundError):
        Path(file)  # type: ignore[arg-type]


def test_errors_of_photos_name_the_address(archive: Path) -> None:
    put_folder(archive, "memory://archive")
    (file,) = files_at("memory://archive/day/empty.png")
    with (
        fetched(file) as here,
        pytest.raises(UserError, match=r"^memory://archive/day/empty\.png cannot be read as a pho"),
    ):
        open_photo(here)


def test_a_file_that_was_replaced_meanwhile_is_refused(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_folder(archive, "memory://archive")
    (file,) = files_at("memory://archive/day/a/x.jpg")
    MemoryFileSystem().pipe_file("/archive/day/a/x.jpg", b"other")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match=r"x\.jpg had \d+ bytes and has 5 now"), fetched(file):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("s3://bucket/clips", True),
        ("S3://bucket", True),
        ("ftp://host/clips", True),
        ("./s3://bucket/clips", False),
        ("/lab/s3://bucket", False),
        ("C://clips", False),
        ("C:\\clips", False),
        ("day://", True),
        ("*://clips", False),
        ("clips", False),
        ("0", False),
    ],
)
def test_what_is_an_address(word: str, address: bool) -> None:
    assert is_address(word) == address


def test_a_path_with_the_form_of_an_address_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:/bucket").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "s3:/bucket/a.png")
    assert find_sources(["./s3://bucket"]).photos == (Path("s3:/bucket/a.png"),)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "ftp://host/clips",
            "names an unknown kind of store: give s3:// or gs://, or put ./ in front",
        ),
        ("S3://bucket/clips", "names an unknown kind of store"),
        ("memory://", "names no bucket"),
        ("memory:///", "names no bucket"),
        ("memory:///lab/results", "names no bucket"),
        ("https://a:secret@host:80/a.jpg", "an address https://... names an unknown kind of store"),
        ("memory://none", "memory://none does not exist and matches no file"),
        ("memory://archive/*.xyz", "does not exist and matches no file"),
        ("memory://archive/night/none.txt/x", "does not exist and matches no file"),
    ],
)
def test_what_stands_for_nothing_is_one_sentence(word: str, sentence: str, archive: Path) -> None:
    put_folder(archive, "memory://archive")
    with pytest.raises(UserError) as caught:
        find_sources([word])
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:very+secret@bucket/a.jpg",
        "s3://AKIA:very/secret@bucket/a.jpg",
        "s3://secret@bucket/a.jpg",
        "ftp://anna:secret@host/a.jpg",
        "memory://anna:secret@host/a.jpg",
    ],
)
def test_a_password_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UserError, match=r"holds a key|unknown kind of store") as caught:
        find_sources([address])
    for word in ("secret", "AKIA", "anna"):
        assert word not in str(caught.value)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_one_sentence(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
    )
    with pytest.raises(UserError, match=rf"{scheme}:// needs {package}: .*pip install.*{scheme}"):
        find_sources([f"{scheme}://bucket/clips"])


@pytest.mark.parametrize("call", ["find", "cat_file", "get_file"])
def test_a_missing_right_is_one_sentence(
    call: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_folder(archive, "memory://archive")
    remote = RemoteFile("memory://archive/day/a/x.jpg", 5)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("Access\nDenied")

    monkeypatch.setattr(MemoryFileSystem, call, refuse)
    with pytest.raises(UserError) as caught:  # noqa: PT012  # each fails in one of them
        find_sources(["memory://archive/day"])
        with fetched(remote):
            pass
    assert "cannot be used (PermissionError: Access Denied): check the addr" in str(caught.value)
