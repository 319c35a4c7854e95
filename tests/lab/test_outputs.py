"""`predict --time_range --sync --lab_formats` from end to end, with made EMG."""

import csv
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_signals import RATE, activity, starts

from tf_muscle import predict
from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction import run_predict
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.predictor import Predictor

ONSETS = starts(0, 4)
FPS = 20
END = ONSETS[-1] + 2


def light(images: np.ndarray) -> np.ndarray:
    """Says that light is biceps."""
    shares = (images[..., :1] > 128).astype(np.float32)
    return np.concatenate([1 - shares, shares, np.zeros_like(shares)], axis=-1)


def write_film(path: Path, onsets: np.ndarray = ONSETS) -> Path:
    """A light square that is as large as the made muscle is active."""
    writer = VideoWriter(path, Fraction(FPS))
    seconds = np.arange(0, END, 1 / FPS)
    for second, active in zip(seconds, activity(seconds, onsets), strict=True):
        image = np.zeros((64, 64, 3), np.uint8)
        image[8 : 8 + round(40 * active), 8:40] = 255
        writer.add(Frame(float(second), image))
    writer.close()
    return path


def write_emg(path: Path, shift: float = 0.35, names: str = "EMG Biceps R (mV)") -> Path:
    rng = np.random.default_rng(0)
    at = np.arange(-1, END + 2, 1 / RATE)
    values = activity(at, ONSETS) * rng.standard_normal(len(at)) + 0.05 * rng.random(len(at))
    rows = [f"{a + shift + 1:.4f},{b:.5f}" for a, b in zip(at, values, strict=True)]
    path.write_text(f"time,{names}\n" + "\n".join(rows))
    return path


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs predict in a folder with film.mp4 and made.csv; gives exit code and output."""

    def load(model: str, **options: Any) -> Predictor:
        names = ("background", "biceps", "calf")
        return Predictor(light, names, Geometry("pad", 64), options["batch_size"])

    monkeypatch.setattr(run_predict, "load_predictor", load)
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "film.mp4")
    write_emg(tmp_path / "made.csv")

    def run(*words: object) -> tuple[int, str]:
        code = run_command(predict.main, ["model.keras", *map(str, words), "--smooth", "0"])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_a_planted_shift_from_file_to_file(command: Callable, tmp_path: Path) -> None:
    """The EMG's clock starts a second before the video's, and 0.35 s lie between them."""
    pytest.importorskip("ezc3d", reason="pip install -e .[lab]")
    formats = ("--lab_formats", "csv", "parquet", "sto", "c3d", "csv")
    code, output = command("film.mp4", "--out", "out", "--sync", "made.csv", *formats)
    assert code == 0, output
    assert "film.mp4: EMG: lag 1.3" in output
    folder = tmp_path / "out/videos/film"
    assert {path.name for path in folder.iterdir()} == {
        *("overlay.mp4", "timeline.csv", "timeline.png", "repetitions.csv", "sync.json", "emg.png"),
        *("signals.csv", "signals.parquet", "signals.sto", "signals.c3d"),
    }
    record = json.loads((folder / "sync.json").read_text())
    assert record["lag_seconds"] == pytest.approx(1.35, abs=1 / FPS)
    (muscle,) = record["muscles"]
    assert (muscle["channel"], muscle["unit"]) == ("EMG Biceps R", "mV")
    assert len(muscle["onsets"]["pairs"]) == len(ONSETS)
    assert muscle["onsets"]["bias_seconds"] == pytest.approx(0, abs=0.06)
    with (folder / "signals.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:: len(rows) // 20]:
        lag = float(row["lab_time"]) - float(row["time"])
        assert lag == pytest.approx(record["lag_seconds"], abs=2e-4)


def test_seconds_are_added(command: Callable, tmp_path: Path) -> None:
    code, output = command(
        "film.mp4", "--out", "out", "--sync", "-0.25", "--lab_formats", "sto", "csv"
    )
    assert code == 0, output
    folder = tmp_path / "out/videos/film"
    assert not (folder / "emg.png").exists()
    assert json.loads((folder / "sync.json").read_text())["lag_seconds"] == -0.25
    table = (folder / "signals.sto").read_text().partition("endheader\n")[2].splitlines()
    assert [float(line.split("\t")[0]) for line in table[1:4]] == pytest.approx(
        [-0.25, -0.2, -0.15]
    )


def test_known_seconds_and_emg(command: Callable, tmp_path: Path) -> None:
    code, output = command("film.mp4", "--out", "out", "--sync", "1.25", "made.csv")
    assert code == 0, output
    record = json.loads((tmp_path / "out/videos/film/sync.json").read_text())
    assert (record["lag_seconds"], record["lag_from"]) == (1.25, "--sync")
    assert record["muscles"][0]["onsets"]["bias_seconds"] == pytest.approx(-0.1, abs=0.06)
    assert record["muscles"][0]["own_lag"]["seconds"] == pytest.approx(1.35, abs=1 / FPS)


def test_a_part_keeps_the_times(command: Callable, tmp_path: Path) -> None:
    words = ("--time_range", 1, 6, "--sync", "made.csv", "--lab_formats", "csv")
    code, output = command("film.mp4", "--out", "out", *words, "--format", "mask")
    assert code == 0, output
    folder = tmp_path / "out/videos/film"
    assert json.loads((folder / "sync.json").read_text())["lag_seconds"] == pytest.approx(
        1.35, abs=1 / FPS
    )
    with (folder / "signals.csv").open(newline="") as file:
        times = [float(row["time"]) for row in csv.DictReader(file)]
    assert (min(times), max(times)) == pytest.approx((1.0, 5.95))
    names = sorted(path.name[:15] for path in (tmp_path / "out/train").glob("*_mask.png"))
    assert (names[0], names[-1]) == ("film_mp4-000020", "film_mp4-000119")


def test_nothing_of_it_without_being_asked(command: Callable, tmp_path: Path) -> None:
    assert command("film.mp4", "--out", "out")[0] == 0
    assert not list((tmp_path / "out/videos/film").glob("s*"))


def test_a_muscle_that_is_never_seen_is_told(command: Callable, tmp_path: Path) -> None:
    write_film(tmp_path / "rest.mp4", np.array([1000.0]))
    words = ("--sync", "made.csv", "--lab_formats", "csv")
    code, output = command("rest.mp4", "--out", "out", *words)
    assert code == 0
    assert "rest.mp4: not compared with made.csv: no lag can be told from biceps" in output
    folder = tmp_path / "out/videos/rest"
    record = json.loads((folder / "sync.json").read_text())
    assert record["lag_seconds"] is None
    assert "never seen" in record["note"]
    assert "NaN" not in (folder / "sync.json").read_text()
    with (folder / "signals.csv").open(newline="") as file:
        assert {row["lab_time"] for row in csv.DictReader(file)} == {""}
    assert not (folder / "emg.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("film.mp4", "--time_range", 3, 2), "--time_range must be START END"),
        (("film.mp4", "--time_range", -1, 2), "--time_range must be START END"),
        (("film.mp4", "--time_range", 1), "time_range"),
        (("film.mp4", "other.mp4", "--time_range", 1, 2), "--time_range is for one video file"),
        (("0", "--time_range", 1, 2), "is for one video file, got 0 and 1 cameras"),
        (("film.mp4", "other.mp4", "--sync", 1), "--sync is for one video file, got 2"),
        (("0", "--sync", 1), "--sync is for one video file, got 0 and 1 cameras"),
        (("film.mp4", "--sync", "absent.csv"), "--sync absent.csv is no file"),
        (("film.mp4", "--sync", "."), "is no file"),
        (("film.mp4", "--sync", "nan"), "--sync must be seconds or an EMG file, got nan"),
        (("film.mp4", "--sync", 1, 2), "--sync takes seconds, an EMG file, or both"),
        (("film.mp4", "--sync", "made.csv", "made.csv"), "--sync takes seconds, an EMG file, or"),
        (("film.mp4", "--sync", 1, "--emg_rate", 1000), "--emg_rate needs an EMG file"),
        (("film.mp4", "--emg_channel", "biceps=x"), "--emg_channel needs an EMG file"),
        (("film.mp4", "--sync", "made.csv", "--emg_rate", 1), "--emg_rate must lie between"),
        (("film.mp4", "--sync", "made.csv", "--emg_channel", "biceps"), "must be MUSCLE=CHANNEL"),
        (("film.mp4", "--lab_formats", "xls"), "lab_formats"),
        (("flat.csv.mp4", "--sync", "flat.csv"), "channel biceps is 0 all the time"),
    ],
)
def test_options_are_checked_before_any_work(
    words: tuple[object, ...], told: str, command: Callable, tmp_path: Path
) -> None:
    for name in ("other.mp4", "flat.csv.mp4"):
        (tmp_path / name).write_bytes((tmp_path / "film.mp4").read_bytes() + name.encode())
    (tmp_path / "flat.csv").write_text("biceps,t\n" + "\n".join(f"0,{i / 100}" for i in range(500)))
    code, output = command(*words, "--out", "out")
    assert code == 2
    assert told in output
    assert "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_a_part_after_the_end_is_one_sentence(command: Callable) -> None:
    code, output = command("film.mp4", "--out", "out", "--time_range", 100, 200)
    assert code == 1
    assert "skipped: film.mp4 has no frame from 100 s on, the last one is at" in output


def test_formats_need_their_extra(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for form, package in (("c3d", "ezc3d"), ("parquet", "pyarrow")):
        code, output = command("film.mp4", "--out", "out", "--lab_formats", "csv", form)
        assert code == 2
        assert f"--lab_formats {form} needs {package}: python -m pip install" in output
        assert '-e ".[lab]"' in output
    assert not (tmp_path / "out").exists()
