import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.roboflow.archive import (
    fingerprint,
    is_bundled_sample,
    open_export,
    split_names,
)
from tf_muscle.roboflow.reader import read_export

Refusal = Callable[..., str]
SAMPLE = Path(__file__).parents[2] / "datasets" / "sample_gym"


def pack(root: Path, prefix: str = "", extra: dict[str, bytes] | None = None) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            archive.write(file, prefix + file.relative_to(root).as_posix())
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def test_folder_is_used_as_it_is(mask_export: Path) -> None:
    with open_export(str(mask_export)) as root:
        assert root == mask_export
    assert root.is_dir()


@pytest.mark.parametrize("prefix", ["", "muscles.v3i/", "a/b/", "Train/"])
def test_zip_is_unpacked_for_the_time_of_the_block(prefix: str, mask_export: Path) -> None:
    junk = {"__MACOSX/train/._arm.jpg": b"Mac OS X", ".DS_Store": b"Bud1", "train/._x.jpg": b"Mac"}
    if prefix:
        junk |= {"license.txt": b"CC0", "a/README.md": b"#", "docs/test/how.txt": b"to"}
    with open_export(pack(mask_export, prefix, junk)) as root:
        names = {file.relative_to(root).as_posix() for file in root.rglob("*")}
        assert len(read_export(root).splits["train"]) == 4
    assert names == {f.relative_to(mask_export).as_posix() for f in mask_export.rglob("*")}
    assert not root.exists()


def test_zip_of_two_exports(mask_export: Path, refusal: Refusal) -> None:
    extra = {f"b/{f.relative_to(mask_export)}": f.read_bytes() for f in mask_export.rglob("*.*")}
    path = pack(mask_export, "a/", extra)
    assert refusal(path) == (
        f"{path} holds 2 exports, a, b; unpack it and give the folder of one of them."
    )


def test_zip_without_split_folders(mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export / "train")
    message = refusal(path)
    assert f"{path} holds the files of one split without their folder; unpack it" in message
    path.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photos/p.jpg", b"jpeg")
    assert f"No export found: {path} has none of the folders train, valid, test" in refusal(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("muscles.zip", b"zip")
    assert f"{path} holds muscles.zip and no split folder; unpack it and give" in refusal(path)
    folder = path.with_name("downloads")
    folder.mkdir()
    path.rename(folder / "muscles.zip")
    assert f"{folder} holds muscles.zip and no split folder; give the .zip" in refusal(folder)


def test_two_folders_for_one_split_in_a_zip(mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export, extra={"val/p.jpg": b"jpeg"})
    assert "The folders val and valid both stand for the split valid" in refusal(path)
    with pytest.raises(UserError, match="val and valid both"):
        fingerprint(path)


def test_split_names(mask_export: Path) -> None:
    (mask_export / "valid").rename(mask_export / "Val")
    shutil.rmtree(mask_export / "train")
    (mask_export / "docs").mkdir()
    expected = {"valid": "Val", "test": "test"}
    assert split_names(mask_export) == expected
    assert split_names(pack(mask_export, "deep/er/")) == expected


def test_unpacked_folder_is_removed_after_an_error(mask_export: Path) -> None:
    with pytest.raises(KeyError), open_export(pack(mask_export)) as root:
        raise KeyError("of the caller")
    assert not root.exists()


def test_zip_of_a_train_folder_alone(mask_export: Path) -> None:
    path = mask_export.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in (mask_export / "train").iterdir():
            archive.write(file, f"train/{file.name}")
    with open_export(path) as root:
        assert (root / "train" / "_classes.csv").exists()


class NameOfMacOS(zipfile.ZipInfo):
    """UTF-8 without the mark that tells so, as macOS packs it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode("utf-8"), self.flag_bits & ~0x800


def test_utf_8_names_without_mark(coco_export: Path) -> None:
    path = coco_export.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in coco_export.rglob("*.*"):
            name = NameOfMacOS(file.relative_to(coco_export).as_posix())
            archive.writestr(name, file.read_bytes())
    with zipfile.ZipFile(path) as archive:
        assert not any("über" in name for name in archive.namelist())  # as zipfile reads them
    with open_export(path) as root:
        names = [example.file_name for example in read_export(root).splits["train"]]
    assert "über.PNG" in names
    assert fingerprint(path) == fingerprint(coco_export)


def test_names_of_code_page_437(tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/xxber.jpg", b"jpeg")
    path.write_bytes(path.read_bytes().replace(b"xxber", b"\x81\x81ber"))
    with open_export(path) as root:
        assert (root / "train" / "üüber.jpg").is_file()


def test_backslashes_of_windows_tools(mask_export: Path) -> None:
    path = mask_export.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in mask_export.rglob("*.*"):
            archive.write(file, "\\".join(file.relative_to(mask_export).parts))
    assert fingerprint(path) == fingerprint(mask_export)


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "train/../../evil.jpg", "/evil.jpg", "C:/evil.jpg", "..\\evil.jpg"]
)
def test_zip_slip(name: str, mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export, extra={name: b"evil"})
    message = refusal(path)
    assert str(path) in message
    assert name in message
    assert "download the export again" in message
    assert not list(mask_export.parents[1].rglob("evil.jpg"))
    with pytest.raises(UserError, match="outside its folder"):
        fingerprint(path)


def test_symbolic_link_in_a_zip(mask_export: Path, refusal: Refusal) -> None:
    link = zipfile.ZipInfo("train/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = pack(mask_export)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    message = refusal(path)
    assert 'symbolic link ("train/link.jpg")' in message
    assert "download the export again" in message


def test_zip_bomb(mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export, extra={"train/bomb.png": bytes(20_000_000)})
    message = refusal(path)
    assert f"{path} would grow from" in message
    assert "over 100 times its size" in message
    assert "unpack it yourself" in message


def test_damaged_zip(mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export)
    data = bytearray(path.read_bytes())
    data[200:400] = bytes(200)
    path.write_bytes(data)
    message = refusal(path)
    assert f"{path} cannot be unpacked" in message
    assert "download it again" in message


def test_encrypted_zip(mask_export: Path, refusal: Refusal) -> None:
    path = pack(mask_export)
    data = path.read_bytes()
    for signature, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):  # sets the flag of encryption
        parts = data.split(signature)
        data = signature.join(
            [
                parts[0],
                *(p[: flags - 4] + bytes([p[flags - 4] | 1]) + p[flags - 3 :] for p in parts[1:]),
            ]
        )
    path.write_bytes(data)
    assert "encrypted" in refusal(path)


def test_nothing_there(tmp_path: Path, refusal: Refusal) -> None:
    message = refusal(tmp_path / "muscles.zip")
    assert "muscles.zip does not exist" in message
    assert "give the folder or the .zip" in message
    text = tmp_path / "muscles.txt"
    text.write_text("not an export")
    message = refusal(text)
    assert "muscles.txt is neither a folder nor a .zip" in message
    assert "download it again" in message


@pytest.mark.parametrize("kind", ["mask_export", "coco_export"])
def test_fingerprint_of_folder_and_zip(kind: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(kind)
    (root / "README.roboflow.txt").write_text("The following augmentation was applied")
    expected = fingerprint(root)
    assert len(expected) == 16
    assert int(expected, 16) >= 0
    assert fingerprint(pack(root)) == expected
    assert (
        fingerprint(pack(root, "wrapped/", {"__MACOSX/x": b"y", "wrapped/a.txt": b"b"})) == expected
    )
    assert fingerprint(root.rename(root.with_name("renamed"))) == expected


def test_fingerprint_follows_what_matters(mask_export: Path) -> None:
    seen = {fingerprint(mask_export)}

    def changed() -> bool:
        count = len(seen)
        seen.add(fingerprint(mask_export))
        return len(seen) > count

    (mask_export / "notes.txt").write_text("mine")
    (mask_export / "train" / ".DS_Store").write_text("mine")
    (mask_export / "train" / "nested").mkdir()
    os.utime(mask_export / "train" / "_classes.csv", (0, 0))
    assert not changed()
    (mask_export / "README.roboflow.txt").write_text("* 50% probability of horizontal flip")
    assert changed()
    (mask_export / "train" / "_classes.csv").write_text("Pixel Value, Class")
    assert changed()
    mask = mask_export / "test" / "chest_jpg.rf.05_mask.png"
    mask.write_bytes(mask.read_bytes() + b"\0")
    assert changed()
    mask.rename(mask.with_name("other_mask.png"))
    assert changed()
    (mask_export / "train" / "über.PNG").rename(mask_export / "valid" / "über.PNG")
    assert changed()
    (mask_export / "valid" / "über.PNG").unlink()
    assert changed()


def test_the_bundled_photos_are_known_by_whatever_path(small_export: Path) -> None:
    assert is_bundled_sample(fingerprint(SAMPLE))
    assert not is_bundled_sample(fingerprint(small_export))
