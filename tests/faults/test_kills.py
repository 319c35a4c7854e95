import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_nothing_is_lost_in_twenty_kills_and_more(tmp_path: Path) -> None:
    script = Path(__file__).with_name("kill_loop.py")
    table = tmp_path / "table.md"
    words = [str(tmp_path / "work"), "--table", str(table)]
    run = subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    *_, together = table.read_text().strip().splitlines()
    _, _, kills, _, restarts, losses, _ = (cell.strip(" *") for cell in together.split("|"))
    assert int(kills) >= 20
    assert restarts == kills
    assert losses == "0"
