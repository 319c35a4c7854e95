import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_sessions import MadeRepetition, repeated, write_session
from matplotlib.figure import Figure
from page_content import PageContent
from without_tensorflow import needs_no_tensorflow

from tf_muscle.command import run_command
from tf_muscle.compare import main

LONG = "musculus_" * 40
HOSTILE = ("<script>alert(1)</script>", "=1+1", "小腿 $\\frac$", LONG, "a\n\u202eb")


def sine(seconds: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * seconds / 2) ** 2


def session(folder: Path, muscles: Mapping[tuple[str, str], Sequence[MadeRepetition]]) -> Path:
    seconds = np.arange(0, 30, 0.04)
    return write_session(folder, muscles, seconds=seconds, signal=sine(seconds))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_page_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = [replace(one, peak_area_share=0.035) for one in repeated((1, 5, 9, 13), 3.0)]
    a = session(tmp_path / "X" / "videos" / "curl", {("biceps", ""): repeated((2, 6, 10), 2.0)})
    b = session(tmp_path / "Y" / "videos" / "curl", {("biceps", ""): slow, ("calf", ""): []})
    out = tmp_path / "new" / "page"
    assert run_command(main, [str(tmp_path / "X"), str(b), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "biceps: 3 and 4 whole repetitions" in printed
    assert "no whole repetition in either: calf" in printed
    assert f"written to {out / 'index.html'}" in printed
    assert sorted(one.name for one in out.iterdir()) == [
        *("curves.csv", "differences.csv", "index.html")
    ]
    page = PageContent(out / "index.html")
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.tags.count("img") == 1
    assert all(one.startswith("data:image/png;base64,") for one in page.addresses)
    assert "http" not in page.words
    for words in (
        "1 muscle compared",
        "2.00 s (3)",
        "3.00 s (4)",
        "+1.00 s",
        "+1.00 to +1.00 s",
        "2.00 % (3)",
        "3.50 % (4)",
        "+1.50 to +1.50 pp",
        "not a trial",
        str(a),
    ):
        assert words in page.words
    assert "-0.00" not in (out / "differences.csv").read_text()  # of equal means, off by 1e-17
    duration = rows(out / "differences.csv")[0]
    assert duration == {
        **{"muscle": "biceps", "side": "", "measure": "duration", "unit": "s"},
        **{"repetitions_a": "3", "repetitions_b": "4", "mean_a": "2.000000"},
        **{"mean_b": "3.000000", "difference": "1.000000", "low": "1.000000"},
        "high": "1.000000",
    }
    curves = rows(out / "curves.csv")
    assert [int(one["phase_percent"]) for one in curves] == list(range(101))
    found = [float(one["mean_a"]) for one in curves]
    assert found == pytest.approx(sine(np.linspace(2, 4, 101)), abs=1e-3)
    assert {one["sd_a"] for one in curves} == {"0.000000"}


def test_hostile_names(tmp_path: Path, drawn_figures: list[Figure]) -> None:
    muscles = {(name, "left"): repeated((2, 6, 10), 2.0) for name in HOSTILE}
    a = session(tmp_path / "<b>x</b> 腕", muscles)
    b = write_session(tmp_path / ("y" * 200), muscles, video="<script>alert(2)</script>")
    out = tmp_path / "page"
    assert run_command(main, [str(a), str(b), "--out", str(out)]) == 0
    page = PageContent(out / "index.html")
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "b" not in page.tags
    for name in (*HOSTILE, "<b>x</b> 腕", "<script>alert(2)</script>"):
        assert " ".join(name.split()) in page.words
    assert {one["muscle"] for one in rows(out / "curves.csv")} == set(HOSTILE)
    assert len(drawn_figures) == len(HOSTILE)


def test_figures_of_everything_that_may_be_missing(
    tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    """One repetition, none in one session, and a note in place of the interval."""
    three, one = repeated((2, 6, 10), 2.0), repeated((2,), 2.0)
    a = session(tmp_path / "A", {("biceps", ""): three, ("calf", ""): one, ("toe", ""): one})
    b = session(tmp_path / "B", {("biceps", ""): one, ("calf", ""): one, ("toe", ""): []})
    out = tmp_path / "page"
    assert run_command(main, [str(a), str(b), "--out", str(out)]) == 0
    assert len(drawn_figures) == 3
    text = PageContent(out / "index.html").words
    assert "There are no intervals" in text
    assert "B has no whole repetition of it." in text
    assert "intervals here" not in text
    table = rows(out / "curves.csv")
    assert {row["sd_b"] for row in table} == {""}
    assert {row["mean_b"] for row in table if row["muscle"] == "toe"} == {""}
    assert {row["muscle"] for row in rows(out / "differences.csv")} == {"biceps", "calf"}


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("腕" * 80, "B*"):
        session(tmp_path / name / "videos" / "curl", {("biceps", ""): repeated((2, 6), 2.0)})
    assert run_command(main, ["腕" * 80, "B*"]) == 0
    (folder,) = (tmp_path / "comparisons").iterdir()
    assert folder.name.startswith(f"{'腕' * 26}-B_-20")


def test_nothing_is_overwritten_or_left_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    muscles = {("biceps", ""): repeated((2, 6), 2.0)}
    a, b = (str(session(tmp_path / name, muscles)) for name in ("A", "B"))
    taken = tmp_path / "taken"
    taken.mkdir()
    assert run_command(main, [a, b, "--out", str(taken)]) == 2
    assert "exists and is never overwritten" in capsys.readouterr().err
    file = tmp_path / "file"
    file.touch()
    assert run_command(main, [a, b, "--out", str(file / "page")]) == 2
    assert f"{file} is a file" in capsys.readouterr().err
    assert run_command(main, [a, a, "--out", str(tmp_path / "page")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tf_muscle.lab.comparison_folder._write_curves", broken)
    assert run_command(main, [a, b, "--out", str(tmp_path / "page")]) == 130
    assert sorted(one.name for one in tmp_path.iterdir()) == ["A", "B", "file", "taken"]


def test_needs_no_tensorflow_and_tells_its_options(tmp_path: Path) -> None:
    muscles = {("biceps", ""): repeated((2, 6), 2.0)}
    words = [str(session(tmp_path / name, muscles)) for name in ("A", "B")]
    words += ["--out", str(tmp_path / "page")]
    assert needs_no_tensorflow(f"from tf_muscle.compare import main; main({words!r})")
    assert (tmp_path / "page" / "index.html").is_file()
    command = [sys.executable, "-m", "tf_muscle", "compare", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words_ in ("A B", "--out", "predictions/X/videos/NAME"):
        assert words_ in helped
