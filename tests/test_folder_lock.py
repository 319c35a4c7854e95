import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.folder_lock import only_process

HOLD = """
import sys, time
from pathlib import Path
from tf_muscle.folder_lock import only_process
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
