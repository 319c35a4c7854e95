"""signals.csv, .parquet and .sto, read by pandas and by a reader of plain text."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tf_muscle.lab.opensim import write_sto
from tf_muscle.lab.signals import Signal, VideoSignals
from tf_muscle.lab.tables import COLUMNS, write_csv, write_parquet

SECONDS = np.array([2.0, 2.04, 2.08, 2.2])  # a part of a video, not evenly spaced
AREA = np.array([0.0, 0.01, 0.02, 0.005])
PROBABILITY = np.array([np.nan, 0.7, 0.9, 0.8])


def video(lag: float | None = 0.35, name: str = "films/curl.mp4") -> VideoSignals:
    return VideoSignals(
        name,
        2,
        SECONDS,
        (
            Signal("biceps", "left", AREA, PROBABILITY),
            Signal('calf, "lower" größe', "", np.zeros(4), np.full(4, np.nan)),
        ),
        lag,
    )


def read_sto(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """By OpenSim's documentation: the lines of the header, the labels, the numbers."""
    lines = path.read_text("utf-8").splitlines()
    end = lines.index("endheader")
    labels = lines[end + 1].split("\t")
    return lines[:end], labels, np.array([line.split("\t") for line in lines[end + 2 :]], float)


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize(("suffix", "write"), [("csv", write_csv), ("parquet", write_parquet)])
def test_the_tidy_table_is_read_by_pandas(suffix: str, write: type, tmp_path: Path) -> None:
    path = tmp_path / f"signals.{suffix}"
    write(path, video())
    table = read_table(path)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 4 * 2 * 3
    assert set(table["video"]) == {"films/curl.mp4"}
    assert set(table["person"]) == {2}
    assert set(table["unit"].astype(str)) == {"1"}
    assert set(table["muscle"]) == {"biceps", 'calf, "lower" größe'}
    biceps = table[table["muscle"] == "biceps"]
    assert set(biceps["side"]) == {"left"}
    for variable, expected in (
        ("area_share", AREA),
        ("relative_area", AREA / 0.02),
        ("mean_probability", PROBABILITY),
    ):
        rows = biceps[biceps["variable"] == variable]
        np.testing.assert_allclose(rows["time"], SECONDS)
        np.testing.assert_allclose(rows["lab_time"], SECONDS + 0.35)
        np.testing.assert_allclose(rows["value"], expected)
    calf = table[(table["muscle"] != "biceps")]
    assert calf["side"].fillna("").eq("").all()
    assert calf[calf["variable"] == "relative_area"]["value"].eq(0).all()
    assert calf[calf["variable"] == "mean_probability"]["value"].isna().all()


@pytest.mark.parametrize(("suffix", "write"), [("csv", write_csv), ("parquet", write_parquet)])
def test_an_unknown_clock_is_left_empty(suffix: str, write: type, tmp_path: Path) -> None:
    write(tmp_path / f"s.{suffix}", video(None))
    assert read_table(tmp_path / f"s.{suffix}")["lab_time"].isna().all()


def test_names_that_are_not_unicode_are_written(tmp_path: Path) -> None:
    odd = video(name="films/\udcff.mp4")  # how Python shows a byte that is not UTF-8
    for suffix, write in (("csv", write_csv), ("parquet", write_parquet)):
        write(tmp_path / f"s.{suffix}", odd)
        assert set(read_table(tmp_path / f"s.{suffix}")["video"]) == {"films/\\udcff.mp4"}
    write_sto(tmp_path / "s.sto", odd)
    assert read_sto(tmp_path / "s.sto")[0][0] == "\\udcff.mp4"


def test_the_storage_file_is_read_as_text(tmp_path: Path) -> None:
    write_sto(tmp_path / "s.sto", video())
    header, labels, table = read_sto(tmp_path / "s.sto")
    assert header == ["curl.mp4", "version=1", "nRows=4", "nColumns=7", "inDegrees=no"]
    assert labels == [
        "time",
        "biceps_left.area_share",
        "biceps_left.relative_area",
        "biceps_left.mean_probability",
        'calf,_"lower"_größe.area_share',
        'calf,_"lower"_größe.relative_area',
        'calf,_"lower"_größe.mean_probability',
    ]
    np.testing.assert_allclose(table[:, 0], SECONDS + 0.35)
    np.testing.assert_allclose(table[:, 1], AREA)
    np.testing.assert_allclose(table[:, 2], AREA / 0.02)
    np.testing.assert_allclose(table[:, 3], PROBABILITY)
    assert (table[:, 4:6] == 0).all()
    assert np.isnan(table[:, 6]).all()


def test_without_a_lag_its_times_are_the_videos(tmp_path: Path) -> None:
    write_sto(tmp_path / "s.sto", video(None))
    np.testing.assert_allclose(read_sto(tmp_path / "s.sto")[2][:, 0], SECONDS)


def test_labels_differ(tmp_path: Path) -> None:
    nothing = np.zeros(4)
    signals = tuple(Signal(name, "", nothing, nothing) for name in ("a b", "a_b", "a\tb"))
    write_sto(tmp_path / "s.sto", VideoSignals("v", 1, SECONDS, signals))
    labels = read_sto(tmp_path / "s.sto")[1]
    assert labels[1::3] == ["a_b.area_share", "a_b.area_share_2", "a_b.area_share_3"]
