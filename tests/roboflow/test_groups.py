from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.roboflow.groups import named_groups
from tf_muscle.roboflow.records import Example
from tf_muscle.roboflow.split_folder import source_name

FILES = (
    "anna-1_jpg.rf.01.jpg",
    "anna-1_jpg.rf.02.jpg",  # another copy of the same photo
    "anna-2_png.rf.03.jpg",
    "bert-1_jpg.rf.04.jpg",
    "images/bert-2.jpg",
)
EXAMPLES = [Example(name, source_name(name), Path(name), Path("mask.png")) for name in FILES]
GROUPS = ["anna", "anna", "anna", "bert", "bert"]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    """Writes a CSV file and gives its path."""

    def write(text: str) -> str:
        path = tmp_path / "people.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def refused(groups: str) -> str:
    with pytest.raises(UserError) as caught:
        named_groups(groups, EXAMPLES)
    message = str(caught.value)
    assert message.startswith(f"--groups {groups}")
    return message


@pytest.mark.parametrize("pattern", [r"([a-z]+)-\d", "anna|bert", r"(?:^|/)(\w+)-"])
def test_pattern(pattern: str) -> None:
    assert named_groups(pattern, EXAMPLES) == GROUPS


def test_pattern_that_misses_photos() -> None:
    told = refused("anna")
    assert "finds no group in the names of 2 of 5 photos (bert-1_jpg.rf.04.jpg, images/" in told
    assert "finds no group in the names of 5 of 5 photos" in refused("carl")
    assert "of 5 of 5 photos" in refused("(x?)")  # an empty group names nothing
    assert "of 2 of 5 photos" in refused("(anna)|bert")  # a group that takes no part


def test_pattern_that_is_none() -> None:
    assert "is no regular expression (missing ), unterminated subpattern" in refused("(anna")


def test_copies_of_one_photo_stay_together() -> None:
    told = refused(r"(\d+)\.jpg")
    assert "puts copies of one photo into different groups (1): anna-1_jpg (01, 02)" in told


def test_file_of_uploads(written: Callable[[str], str]) -> None:
    """The names that the lab knows, from before Roboflow; with a header or without."""
    lines = "anna-1.jpg,anna\nanna-2.png,anna\nbert-1.jpg,bert\nimages/bert-2.jpg,bert\n"
    assert named_groups(written(lines), EXAMPLES) == GROUPS
    assert named_groups(written(f"photo,person\n{lines}\n"), EXAMPLES) == GROUPS
    assert named_groups(written("\ufeff" + lines.replace(",", " ; ")), EXAMPLES) == GROUPS


def test_file_of_exported_names(written: Callable[[str], str]) -> None:
    pairs = zip(FILES, GROUPS, strict=True)
    text = "".join(f'"{file}",{group}\n' for file, group in pairs)
    assert named_groups(written(text), EXAMPLES) == GROUPS


def test_file_that_misses_photos(written: Callable[[str], str]) -> None:
    told = refused(written("photo,person\nanna-1.jpg,anna\nbert-1.jpg,\nanna-2.png,anna\n"))
    assert (
        "misses 2 of 5 photos (its first line, photo,person, was taken for a header): bert-1"
        in told
    )
    assert "misses 5 of 5 photos" in refused(written(""))


def test_file_that_names_other_photos(written: Callable[[str], str]) -> None:
    told = refused(written("anna-1.jpg,anna\nclara-1.jpg,clara\n"))
    assert "names photos that the export does not have (1): clara-1.jpg; correct" in told


def test_file_that_contradicts_itself(written: Callable[[str], str]) -> None:
    told = refused(written("anna-1.jpg,anna\nanna-1.jpg,bert\n"))
    assert "gives anna-1.jpg two groups, anna and bert" in told


def test_file_of_another_kind(written: Callable[[str], str], tmp_path: Path) -> None:
    assert "has 3 columns in line 2" in refused(written("anna-1.jpg,anna\nanna-2.png,a,b\n"))
    assert "cannot be read (No such file or directory)" in refused(str(tmp_path / "no.csv"))
    (tmp_path / "latin.csv").write_bytes(b"\xfc.jpg,anna\n")
    assert "cannot be read (not UTF-8)" in refused(str(tmp_path / "latin.csv"))
