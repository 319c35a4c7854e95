"""C3D files, written and read by ezc3d."""

from pathlib import Path

import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.lab.c3d import even_rate, read_c3d, write_c3d
from tf_muscle.lab.signals import Signal, VideoSignals

ezc3d = pytest.importorskip("ezc3d", reason="pip install -e .[lab]")


def write_emg(path: Path, values: np.ndarray, names: list[str], rate: float = 1000.0) -> Path:
    """Values are float [N, C], ten samples a frame."""
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [rate / 10]
    file["parameters"]["ANALOG"]["RATE"]["value"] = [rate]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = names
    file["parameters"]["ANALOG"]["UNITS"]["value"] = ["V"] * len(names)
    file["data"]["points"] = np.zeros((4, 0, len(values) // 10))
    file["data"]["analogs"] = values.T[np.newaxis]
    file.write(str(path))
    return path


def test_emg_is_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((2000, 3))
    names = ["EMG Biceps R", "Bizeps größte", "Fz"]
    made = read_c3d(write_emg(tmp_path / "e.c3d", values, names))
    np.testing.assert_allclose(made.values, values, atol=1e-6)
    np.testing.assert_allclose(made.seconds, np.arange(2000) / 1000)
    assert (made.names, made.units) == (tuple(names), ("V",) * 3)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("text", b"hello" * 200)):
        (tmp_path / f"{name}.c3d").write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}\.c3d cannot be read as C3D"):
            read_c3d(tmp_path / f"{name}.c3d")
    whole = write_emg(tmp_path / "e.c3d", np.ones((2000, 2)), ["a", "b"]).read_bytes()
    (tmp_path / "half.c3d").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(UserError, match=r"half\.c3d is cut off: \d+ of its 200 frames"):
        read_c3d(tmp_path / "half.c3d")
    empty = ezc3d.c3d()
    empty["data"]["points"] = np.zeros((4, 0, 5))
    empty.write(str(tmp_path / "points.c3d"))
    with pytest.raises(UserError, match=r"points\.c3d holds no analog channel"):
        read_c3d(tmp_path / "points.c3d")
    write_emg(tmp_path / "long.c3d", np.ones((700_000, 1)), ["a"])
    with pytest.raises(UserError, match=r"long\.c3d has 65535 frames or more"):
        read_c3d(tmp_path / "long.c3d")


def video(seconds: np.ndarray, area: np.ndarray, lag: float | None = None) -> VideoSignals:
    probability = np.where(area > 0, 0.75, np.nan)
    signals = (
        Signal("肱二头肌", "left", area, probability),
        Signal("calf", "", 0 * area, 0 * area),
    )
    return VideoSignals("films/made.mp4", 1, seconds, signals, lag)


def test_signals_are_read_back(tmp_path: Path) -> None:
    seconds = np.round(2 + np.arange(300) / 29.97, 3)  # as Matroska rounds
    area = np.maximum(0, 0.02 * np.sin(seconds))
    write_c3d(tmp_path / "s.c3d", video(seconds, area, lag=0.35))
    file = ezc3d.c3d(str(tmp_path / "s.c3d"))
    analog, own = file["parameters"]["ANALOG"], file["parameters"]["TF_MUSCLE"]
    assert analog["LABELS"]["value"] == [
        f"{name}.{variable}"
        for name in ("肱二头肌_left", "calf")
        for variable in ("area_share", "relative_area", "mean_probability")
    ]
    assert analog["UNITS"]["value"] == ["1"] * 6
    assert analog["RATE"]["value"][0] == pytest.approx(29.97)
    assert own["START"]["value"][0] == pytest.approx(2.35)
    assert own["LAG"]["value"][0] == pytest.approx(0.35)
    assert own["VIDEO"]["value"] == ["made.mp4"]
    (values,) = file["data"]["analogs"]
    assert values.shape == (6, 300)
    np.testing.assert_allclose(values[0], area, atol=2e-5)
    np.testing.assert_allclose(values[1], area / area.max(), atol=1e-3)
    inside = np.convolve(area > 0, np.ones(3), "same") % 3 == 0  # away from the edges
    np.testing.assert_allclose(values[2, inside], 0.75 * (area > 0)[inside], atol=1e-6)


def test_uneven_frames_are_sampled_evenly(tmp_path: Path) -> None:
    seconds = np.cumsum(np.random.default_rng(0).choice([0.04, 0.04, 0.04, 0.12], 200))
    area = 0.01 + 0.001 * seconds
    write_c3d(tmp_path / "s.c3d", video(seconds, area))
    file = ezc3d.c3d(str(tmp_path / "s.c3d"))
    assert file["parameters"]["ANALOG"]["RATE"]["value"][0] == 25
    values = file["data"]["analogs"][0, 0]
    at = seconds[0] + np.arange(len(values)) / 25
    assert at[-1] == pytest.approx(seconds[-1], abs=0.04)
    np.testing.assert_allclose(values, 0.01 + 0.001 * at, atol=1e-6)
    assert "LAG" not in file["parameters"]["TF_MUSCLE"]


def test_two_hours_keep_their_end(tmp_path: Path) -> None:
    """ezc3d reads 65,535 frames; a frame of the file then holds several samples."""
    seconds = np.arange(216_000) / 30
    area = seconds / 1e6
    write_c3d(tmp_path / "s.c3d", video(seconds, area))
    file = ezc3d.c3d(str(tmp_path / "s.c3d"))
    assert file["parameters"]["ANALOG"]["RATE"]["value"][0] == 30
    values = file["data"]["analogs"][0, 0]
    assert 216_000 <= len(values) < 216_004
    np.testing.assert_allclose(values[:216_000], area, atol=1e-7)


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    write_c3d(tmp_path / "s.c3d", video(np.zeros(1), np.full(1, 0.01)))
    values = ezc3d.c3d(str(tmp_path / "s.c3d"))["data"]["analogs"][0]
    np.testing.assert_allclose(values[:, 0], [0.01, 1, 0.75, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        (np.arange(100) * 1001 / 30_000, 29.97),
        (np.arange(100) / 30, 30),
        (np.arange(100) / 17.5, 17.5),
        (np.zeros(1), 1),
    ],
)
def test_the_even_rate(seconds: np.ndarray, rate: float) -> None:
    assert even_rate(seconds) == pytest.approx(rate, rel=1e-9)
