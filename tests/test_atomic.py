import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tf_muscle.atomic import UNFINISHED, only_process, replacing
from tf_muscle.errors import UserError


def test_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.txt"
    with replacing(path) as unfinished:
        unfinished.write_text("half")
        assert not path.exists()
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    assert [one.name for one in path.parent.iterdir()] == ["note.txt"]


def test_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with replacing(path) as unfinished:
        (unfinished / "deep").mkdir(parents=True)
        (unfinished / "deep" / "a").write_text("a")
        assert not path.exists()
    assert (path / "deep" / "a").read_text() == "a"
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failure_keeps_what_was_there_and_frees_the_space(
    error: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("before")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["note.txt"]


def test_what_a_kill_left_is_cleared_away(tmp_path: Path) -> None:
    for name in ("note.txt", "model"):
        left = tmp_path / f"{UNFINISHED}{name}"
        left.mkdir()
        (left / "half").write_text("half")
    with replacing(tmp_path / "note.txt") as unfinished:
        unfinished.write_text("whole")
    with replacing(tmp_path / "model") as unfinished:
        unfinished.mkdir()
    assert {one.name for one in tmp_path.iterdir()} == {"note.txt", "model"}
    assert list((tmp_path / "model").iterdir()) == []


def test_folder_with_something_in_it_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "mine").write_text("mine")

    def write_another() -> None:
        with replacing(path) as unfinished:
            unfinished.mkdir()

    with pytest.raises(OSError, match="not empty"):
        write_another()
    assert [one.name for one in path.iterdir()] == ["mine"]


HOLD = """
import sys, time
from pathlib import Path
from tf_muscle.atomic import only_process
with only_process(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_second_process_is_refused_until_the_first_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    for _ in range(2):  # a refusal leaves the lock as it is
        with pytest.raises(UserError, match="taken"), only_process(tmp_path, "taken"):
            pass
    holder.kill()
    holder.wait()
    assert list(tmp_path.iterdir())  # what the kill left
    with only_process(tmp_path, "taken"):
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_failed_block_opens_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_process(tmp_path, "taken"):
        _ = 1 / 0
    with only_process(tmp_path, "taken"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder where none can be made")
def test_a_place_without_folders_is_refused() -> None:
    told = r"^/proc/x cannot be made .*: choose another place$"
    with pytest.raises(UserError, match=told), replacing(Path("/proc/x/y.json")):
        pass
