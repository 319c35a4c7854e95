from pathlib import Path

import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.lab.emg_csv import read_csv


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_plain_table(tmp_path: Path) -> None:
    made = read_csv(write(tmp_path / "e.csv", "time,EMG Biceps R (mV),Calf\n0,1,4\n0.5,-2,5e-1\n"))
    np.testing.assert_array_equal(made.seconds, [0, 0.5])
    np.testing.assert_array_equal(made.values, [[1, 4], [-2, 0.5]])
    assert (made.names, made.units) == (("EMG Biceps R", "Calf"), ("mV", ""))


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        *((name, 1) for name in ("time", "Time", "t", "T (s)", "time_s", "seconds", "Time [sec]")),
        *((name, 1e-3) for name in ("time (ms)", "t[ms]", "Time_ms", "time milliseconds")),
        *((name, 1e-6) for name in ("time (us)", "Time (µs)", "time [μs]")),
    ],
)
def test_times_in_their_units(name: str, scale: float, tmp_path: Path) -> None:
    made = read_csv(write(tmp_path / "e.csv", f"x,{name}\n1,1000\n2,3000\n"))
    np.testing.assert_allclose(made.seconds, [1000 * scale, 3000 * scale])
    assert made.names == ("x",)


def test_semicolons_decimal_commas_a_byte_order_mark_and_old_line_ends(tmp_path: Path) -> None:
    text = "\r\nZeit;t (ms);Bizeps größte [µV]\r\n;0,0;1,5\r\n;0,5;-2,25\r\n"
    made = read_csv(write(tmp_path / "e.csv", text, "utf-8-sig"))
    np.testing.assert_allclose(made.seconds, [0, 0.0005])
    np.testing.assert_array_equal(made.values[:, 0], [1.5, -2.25])
    assert (made.names, made.units) == (("Bizeps größte",), ("µV",))


def test_tabs_text_columns_gaps_and_blank_lines(tmp_path: Path) -> None:
    rows = ["time\tnote\tA\t", "0\tgo\t1\t", "", "1\t\tNaN\t", "2\tstop\t\t", "3\tx\t4\t", "\t\t\t"]
    made = read_csv(write(tmp_path / "e.csv", "\n".join(rows)))
    assert made.names == ("A",)
    np.testing.assert_array_equal(made.values[:, 0], [1, np.nan, np.nan, 4])
    assert made.faults == ("",)


def test_text_among_numbers_is_remembered(tmp_path: Path) -> None:
    text = "\ntime,A,B\n0,1,1\n\n1,over,2\n2,3,inf\n3,4,4\n"
    made = read_csv(write(tmp_path / "e.csv", text))
    assert made.faults == ('line 5 has "over"', 'line 6 has "inf"')


def test_a_rate_stands_for_the_times(tmp_path: Path) -> None:
    made = read_csv(write(tmp_path / "e.csv", "A,B\n1,2\n3,4\n"), 2000)
    np.testing.assert_array_equal(made.seconds, [0, 0.0005])
    assert made.names == ("A", "B")
    rounded = "time (ms),A\n0,1\n0,2\n1,3\n1,4\n"
    made = read_csv(write(tmp_path / "f.csv", rounded), 2000)
    np.testing.assert_array_equal(made.seconds, [0, 0.0005, 0.001, 0.0015])
    assert made.names == ("A",)
    twice = "time,timestamp,A\n0,7,1\n1,7,2\n"
    assert read_csv(write(tmp_path / "g.csv", twice), 2000).names == ("A",)


def test_many_rows_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((50_000, 4)).round(4)
    lines = [f"{i / 1000:.3f}," + ",".join(map(str, row)) for i, row in enumerate(values.tolist())]
    made = read_csv(write(tmp_path / "e.csv", "time,a,b,c,d\n" + "\n".join(lines)))
    np.testing.assert_array_equal(made.values, values)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no rows below its header"),
        ("\n\n", "no rows below its header"),
        ("time,A\n", "no rows below its header"),
        ("0,1\n1,2\n", "has numbers in its first line"),
        ("A,B\n1,2\n", "no column of times among A, B: .*--emg_rate HZ"),
        ("time (min),A\n1,2\n", r"no column of times among time \(min\), A"),
        ("time,t,A\n1,2,3\n", "several columns of times time, t: keep one of them, or give"),
        ("time,note\n1,go\n2,stop\n", "no column of numbers besides the times"),
        ("time,A\n1,2\n1,3\n", 'sample 2 has no time, or none after the one before it, in "time"'),
        ("time,A\n1,2\n0.5,3\n", "sample 2 has no time"),
        ("time,A\n0,2\n,3\n", "sample 2 has no time"),
        ("time,A\n0,001,0,5\n", "line 2 has 4 cells, the header 2: .*semicolons"),
        ("time,A\n0,1\n1\n", "line 3 has 1 cells, the header 2"),
    ],
)
def test_what_is_no_recording_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as error:
        read_csv(write(tmp_path / "e.csv", text))
    assert str(error.value).startswith(f"{tmp_path}/e.csv")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"e\.csv is not UTF-8"):
        read_csv(write(tmp_path / "e.csv", "time,größe\n0,1\n", "latin-1"))
    (tmp_path / "f.csv").write_bytes(bytes(1000))
    with pytest.raises(UserError, match=r"f\.csv"):
        read_csv(tmp_path / "f.csv")
    write(tmp_path / "g.csv", "time,A\n0," + "1" * 200_000 + "\n")
    with pytest.raises(UserError, match=r"g\.csv cannot be read as CSV \(field larger"):
        read_csv(tmp_path / "g.csv")
