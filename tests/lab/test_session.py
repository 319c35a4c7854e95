import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_sessions import MadeRepetition, repeated, write_session

from tf_muscle.errors import UserError
from tf_muscle.lab.repetitions import write_repetitions
from tf_muscle.lab.session import find_session, read_session
from tf_muscle.prediction.timeline import Timeline, write_timeline
from tf_muscle.prediction.tracks import Track

BICEPS = {("biceps", ""): repeated((1, 4, 7), 2.0)}


def test_what_predict_writes_is_read(tmp_path: Path) -> None:
    """By prediction's own writers: two sides, names with everything, and a muscle at rest."""
    seconds = np.arange(0, 12, 0.04)
    left = 0.01 * (1 - np.cos(2 * np.pi * seconds / 2))
    right = np.where(seconds < 7, left / 2, 0)
    names = ('=1+1, "biceps"\n<b>', "小腿 left")
    rest = np.zeros(len(seconds))
    tracks = tuple(
        Track(class_id=1, person=1, side=side, area=area, probability=np.where(area > 0, 0.75, 0))
        for side, area in (("left", left), ("right", right))
    )
    area = np.stack([left + right, rest], axis=1)
    timeline = Timeline(names, seconds, area, np.where(area > 0, 0.75, np.nan), tracks)
    write_timeline(timeline, tmp_path / "timeline.csv")
    write_repetitions(tmp_path / "repetitions.csv", "films/curl.mp4", timeline.series)
    session = read_session(tmp_path)
    assert (session.video, session.person) == ("films/curl.mp4", 1)
    assert session.seconds == pytest.approx(seconds)
    keys = [(one.muscle, one.side) for one in session.muscles]
    assert keys == [(names[0], "left"), (names[0], "right"), (names[1], "")]
    for found, truth, series in zip(
        session.muscles, (left, right, rest), timeline.series, strict=True
    ):
        assert found.relative_area == pytest.approx(truth / (truth.max() or 1), abs=1e-4)
        assert len(found.repetitions) == len(series.repetitions)
        for one, known in zip(found.repetitions, series.repetitions, strict=True):
            assert one.start == pytest.approx(known.start, abs=1e-4)
            assert one.end == pytest.approx(known.end, abs=1e-4)
            assert one.rest_before == (
                None if known.rest_before is None else pytest.approx(known.rest_before, abs=1e-4)
            )
            assert one.whole == (known.cut_off == "")
            assert one.peak_area_share == pytest.approx(known.peak_area, abs=1e-6)
    assert len(session.muscles[0].repetitions) == 6


def test_cut_off_repetitions_are_known(tmp_path: Path) -> None:
    rows = [
        *repeated((0,), 1, "start"),
        *repeated((2, 5), 1),
        *repeated((28,), 1.96, "end"),
    ]
    (muscle,) = read_session(write_session(tmp_path / "a", {("calf", ""): rows})).muscles
    assert [one.start for one in muscle.whole] == [2, 5]
    assert muscle.cut_off == 2
    assert muscle.repetitions[0].rise_time is None
    assert muscle.repetitions[0].fall_time == pytest.approx(0.75)
    assert muscle.repetitions[3].fall_time is None


def test_a_muscle_called_like_a_side(tmp_path: Path) -> None:
    muscles = {("calf", ""): repeated((1,), 2), ("calf left", ""): repeated((1, 4), 2)}
    session = read_session(write_session(tmp_path / "a", muscles))
    assert [(one.muscle, one.side) for one in session.muscles] == list(muscles)
    both = {("calf", side): repeated((1,), 2) for side in ("left", "right")}
    folder = write_session(tmp_path / "b", both | {("calf left", ""): []})
    with pytest.raises(UserError, match="several columns called calf left relative_area"):
        read_session(folder)


def test_a_video_is_found(tmp_path: Path) -> None:
    one = write_session(tmp_path / "X" / "videos" / "curl", BICEPS)
    (tmp_path / "X" / "videos" / "notes").mkdir()
    assert find_session(str(one)) == one
    assert find_session(str(tmp_path / "X")) == one
    write_session(tmp_path / "X" / "videos" / "squat", BICEPS)
    with pytest.raises(UserError, match=r"holds 2 videos \(curl, squat\): name one of them"):
        find_session(str(tmp_path / "X"))
    with pytest.raises(UserError, match="does not exist"):
        find_session(str(tmp_path / "Y"))
    with pytest.raises(UserError, match="is a file"):
        find_session(str(one / "timeline.csv"))
    with pytest.raises(UserError, match=r"holds no timeline\.csv"):
        find_session(str(tmp_path))


def cell(path: Path, line: int, column: str, value: str) -> None:
    """Writes another value into a cell; line 2 is the first row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    rows[line - 1][rows[0].index(column)] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def cut_to(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def lines(count: int) -> Callable[[Path], None]:
    return lambda path: path.write_text("".join(path.read_text().splitlines(True)[:count]))


@pytest.mark.parametrize(
    ("file", "spoil", "told"),
    [
        ("timeline.csv", Path.unlink, "is missing"),
        ("repetitions.csv", Path.unlink, "is missing"),
        ("timeline.csv", cut_to(0), "is empty"),
        ("repetitions.csv", cut_to(0), "is empty"),
        ("timeline.csv", cut_to(0.5013), "line .* cells instead of 6"),
        ("repetitions.csv", cut_to(0.8), "line .* cells instead of 18"),
        ("timeline.csv", lines(1), "has no frame"),
        ("timeline.csv", lines(40), "ends at 3 s, but timeline.csv ends at 1.52 s"),
        ("repetitions.csv", lines(3), "counts 3 repetitions of biceps, but repetitions.csv has 2"),
        ("repetitions.csv", lines(1), "counts 3 repetitions of biceps, but repetitions.csv has 0"),
        ("timeline.csv", lambda path: path.write_text("a,b\n1,2\n"), "lacks the columns seconds"),
        ("timeline.csv", lambda path: path.write_text("seconds\n1\n"), "is no timeline"),
        (
            "timeline.csv",
            lambda path: path.write_text("seconds,calf area_share\n1,0\n"),
            "has no column calf relative_area",
        ),
        ("repetitions.csv", lambda path: path.write_text("a;b\n"), "lacks the columns video, "),
        ("timeline.csv", lambda path: path.write_bytes(b"\xff\xfes\0"), "as a table in UTF-8"),
        ("repetitions.csv", lambda path: path.write_bytes(b"\x89PNG\r\n"), "as a table in UTF-8"),
        ("timeline.csv", lambda path: path.write_text("x" * 200_000), "as a table in UTF-8"),
        ("timeline.csv", lambda path: path.write_text('seconds\n"1'), "as a table in UTF-8"),
        ("timeline.csv", lambda path: cell(path, 9, "seconds", "0"), "line 9: the seconds do not"),
        ("timeline.csv", lambda path: cell(path, 9, "seconds", "nan"), "line 9: seconds is nan"),
        ("timeline.csv", lambda path: cell(path, 9, "biceps relative_area", ""), "is empty, no"),
        ("timeline.csv", lambda path: cell(path, 9, "biceps relative_area", "7"), "not from 0 to"),
        ("repetitions.csv", lambda path: cell(path, 2, "muscle", "toe"), "toe is none of the"),
        ("repetitions.csv", lambda path: cell(path, 2, "side", "left"), "biceps left is none of"),
        ("repetitions.csv", lambda path: cell(path, 2, "duration", "long"), "duration is long"),
        ("repetitions.csv", lambda path: cell(path, 2, "end", "0.5"), "ends before it starts"),
        ("repetitions.csv", lambda path: cell(path, 2, "cut_off", "no"), "cut_off is no and must"),
        ("repetitions.csv", lambda path: cell(path, 2, "person", "2"), r"several people \(1, 2\)"),
        ("repetitions.csv", lambda path: cell(path, 2, "rise_time", "inf"), "rise_time is inf"),
    ],
)
def test_damaged_files_are_told_in_one_sentence(
    file: str, spoil: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    folder = write_session(tmp_path / "curl", BICEPS)
    spoil(folder / file)
    with pytest.raises(UserError, match=told) as refused:
        read_session(folder)
    message = str(refused.value)
    assert str(folder) in message
    assert len(message) < 1000
    assert "predict the video again" in message


def test_what_a_spreadsheet_adds_is_no_damage(tmp_path: Path) -> None:
    """A byte order mark, a column at the end; also a repetition at the very end."""
    rows = [MadeRepetition(29, 29.5, 29.965, cut_off="end")]
    folder = write_session(tmp_path / "curl", {("biceps", ""): rows})
    path = folder / "repetitions.csv"
    header, row = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{header},note\n{row},slow\n", encoding="utf-8-sig")
    assert read_session(folder).muscles[0].cut_off == 1


def test_a_video_without_repetitions(tmp_path: Path) -> None:
    session = read_session(write_session(tmp_path / "curl", {("biceps", ""): []}))
    assert (session.video, session.person) == ("curl", None)
    assert session.muscles[0].repetitions == ()
