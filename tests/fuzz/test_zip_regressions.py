"""Zips that broke a promise once, each with the reason; they stay as they were found."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hostile_exports import valid_files
from hostile_zips import member, zipped
from promises import check_export

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import fingerprint, open_export


def refused_zip(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "muscles.zip"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_export(path)
    with pytest.raises(UserError):
        fingerprint(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


MEMBERS = [(member(name), content) for name, content in valid_files("masks").items()]


def test_an_empty_name_in_a_zip_crashed(tmp_path: Path) -> None:
    path = tmp_path / "muscles.zip"
    path.write_bytes(zipped([*MEMBERS, (member(""), b"x")]))
    check_export(path)


def test_a_name_in_a_zip_that_is_not_utf8_crashed(tmp_path: Path) -> None:
    content = zipped([*MEMBERS, (member("train/ü.txt"), b"x")]).replace("ü".encode(), b"\xff\xff")
    assert "cannot be unpacked" in refused_zip(tmp_path, content)


def test_an_error_of_zipfile_quoted_kilobytes(tmp_path: Path) -> None:
    content = bytearray(zipped([(member("train/a.png", zipfile.ZIP_STORED), b"\xff" * 9_000)]))
    content[26:28] = struct.pack("<H", 8_000)  # the length of the name in the member's own header
    assert len(refused_zip(tmp_path, bytes(content))) < 1_000


def test_a_line_end_in_a_name_split_the_sentence(tmp_path: Path) -> None:
    told = refused_zip(tmp_path, zipped([*MEMBERS, (member("../a\nerror: all is well"), b"x")]))
    assert r"../a\nerror: all is well" in told


def test_a_file_twice_in_a_zip_was_taken_without_a_word(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        content = zipped([*MEMBERS, MEMBERS[1]])
    assert "twice" in refused_zip(tmp_path, content)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_unpacks_gigabytes_at_once(packing: int, tmp_path: Path) -> None:
    content = zipped([*MEMBERS, (member("train/x.txt", packing), b"x")])
    assert "another method than Deflate" in refused_zip(tmp_path, content)


def test_a_zip_that_understates_its_sizes_filled_the_memory(tmp_path: Path) -> None:
    bomb = zipped([(member("train/a.png"), bytes(300_000_000))])
    lie = bomb.replace(struct.pack("<I", 300_000_000), struct.pack("<I", 1_000_000))
    (tmp_path / "muscles.zip").write_bytes(lie)
    with pytest.raises(UserError, match=r"over 100 times|cannot be unpacked|CRC"):
        fingerprint(tmp_path / "muscles.zip")
    with zipfile.ZipFile(io.BytesIO(lie)) as archive:
        assert archive.infolist()[0].file_size == 1_000_000


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_nothing_limited_what_a_zip_unpacks_to(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"tf_muscle.roboflow.archive.{limit}", 3)
    assert "would unpack to" in refused_zip(tmp_path, zipped(MEMBERS))


def test_a_device_in_a_zip_becomes_a_file_at_most(tmp_path: Path) -> None:
    path = tmp_path / "muscles.zip"
    path.write_bytes(zipped([*MEMBERS, (member("train/x.txt", mode=stat.S_IFCHR), b"x")]))
    with open_export(path) as root:
        assert (root / "train" / "x.txt").is_file()
