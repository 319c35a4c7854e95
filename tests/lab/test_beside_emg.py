import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_signals import activity, made_emg, recording, starts, video
from matplotlib.figure import Figure

from tf_muscle.lab.beside_emg import NoLagError, beside_emg
from tf_muscle.lab.emg import EmgChannel
from tf_muscle.lab.emg_figure import draw_beside_emg
from tf_muscle.lab.envelope import envelope
from tf_muscle.lab.signals import Signal, VideoSignals
from tf_muscle.lab.sync_file import write_sync

ONSETS = starts(0)


def channel(muscle: str, onsets: np.ndarray = ONSETS, shift: float = 0.35) -> EmgChannel:
    made = made_emg(onsets, first=-3, last=onsets[-1] + 4, shift=shift, seed=1)
    return EmgChannel(muscle, f"EMG {muscle}", "mV", envelope(made, 0))


def several(*signals: tuple[str, str, np.ndarray]) -> VideoSignals:
    """Signals of given muscles, sides and onsets."""
    seconds = np.arange(0, 20, 1 / 25)
    made = []
    for muscle, side, onsets in signals:
        area = 0.02 * activity(seconds, onsets)
        made.append(Signal(muscle, side, area, np.where(area > 0, 0.8, np.nan)))
    return VideoSignals("films/made.mp4", 1, seconds, tuple(made))


def test_lag_correlation_and_onsets_of_a_planted_shift() -> None:
    beside = beside_emg(video(ONSETS, 25), [channel("biceps")])
    assert beside.video.lag == pytest.approx(0.35, abs=1 / 25)
    (pair,) = beside.pairs
    assert pair.correlation is not None
    assert pair.correlation > 0.95
    assert len(pair.onsets.video) == len(ONSETS)
    assert pair.onsets.bias == pytest.approx(0, abs=0.05)
    assert beside.notes == ()
    assert beside.told.startswith("EMG: lag 0.3")
    assert "8 pairs of onsets, bias" in beside.told


def test_the_muscle_that_is_most_alike_tells_the_lag() -> None:
    """Of the triceps the video shows next to nothing of what the EMG has."""
    film = several(("biceps", "", ONSETS), ("triceps", "", ONSETS[:1]))
    other = starts(7) + 0.6
    beside = beside_emg(film, [channel("triceps", other), channel("biceps")])
    assert beside.video.lag == pytest.approx(0.35, abs=1 / 25)
    assert beside.leading is not None
    assert beside.leading.signal.muscle == "biceps"
    assert [pair.signal.muscle for pair in beside.pairs] == ["biceps", "triceps"]


def test_a_channel_goes_with_the_side_that_it_is_like() -> None:
    film = several(("biceps", "left", ONSETS + 0.9), ("biceps", "right", ONSETS))
    known = beside_emg(film, [channel("biceps")], lag=0.35)
    assert [pair.signal.side for pair in known.pairs] == ["right"]
    assert known.leading is None
    both = beside_emg(
        film, [channel("biceps left", ONSETS + 0.9), channel("biceps right")], lag=0.35
    )
    assert [pair.signal.side for pair in both.pairs] == ["left", "right"]
    for pair in both.pairs:
        assert pair.onsets.bias == pytest.approx(0, abs=0.05)


def test_a_given_lag_is_kept() -> None:
    beside = beside_emg(video(ONSETS, 25), [channel("biceps")], lag=0.25)
    assert beside.video.lag == 0.25
    assert beside.pairs[0].onsets.bias == pytest.approx(-0.1, abs=0.05)


def test_a_muscle_that_is_never_seen_tells_no_lag() -> None:
    film = several(("biceps", "", np.array([100.0])))
    with pytest.raises(NoLagError, match="no lag can be told from biceps"):
        beside_emg(film, [channel("biceps")])
    known = beside_emg(film, [channel("biceps")], lag=0.35)
    assert (known.pairs[0].correlation, known.pairs[0].onsets.bias) == (None, None)
    assert "correlation unknown, 0 pairs" in known.told
    with pytest.raises(NoLagError, match=r"no side of a muscle that has a channel \(biceps left"):
        beside_emg(film, [channel("biceps left")])


def test_a_weak_correlation_is_told() -> None:
    noise = np.abs(np.random.default_rng(0).standard_normal(20_000))
    emg = EmgChannel("biceps", "ch1", "", envelope(recording(np.arange(20_000) / 1000, noise), 0))
    beside = beside_emg(video(ONSETS, 25), [emg])
    assert any("only, so the lag is doubtful" in note for note in beside.notes)


def test_the_file_has_the_numbers(tmp_path: Path) -> None:
    beside = beside_emg(video(ONSETS, 25), [channel("biceps")])
    write_sync(tmp_path / "s.json", "made.mp4", Path("emg.csv"), beside, beside.video.lag, "")
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["lag_seconds"] == pytest.approx(0.35, abs=1 / 25)
    assert (record["lag_from"], record["leading"]) == ("cross-correlation", "biceps")
    (muscle,) = record["muscles"]
    pairs = muscle["onsets"]["pairs"]
    differences = [pair["video"] - pair["emg"] for pair in pairs]
    bias, deviation = np.mean(differences), np.std(differences, ddof=1)
    assert muscle["onsets"]["bias_seconds"] == pytest.approx(bias, abs=2e-4)
    assert muscle["onsets"]["standard_deviation_seconds"] == pytest.approx(deviation, abs=2e-4)
    limits = [bias - 1.96 * deviation, bias + 1.96 * deviation]
    assert muscle["onsets"]["limits_of_agreement_seconds"] == pytest.approx(limits, abs=4e-4)
    write_sync(tmp_path / "t.json", "made.mp4", None, None, -2.5, "")
    record = json.loads((tmp_path / "t.json").read_text())
    assert (record["lag_seconds"], record["lag_from"]) == (-2.5, "--sync")
    assert (record["emg"], record["muscles"], record["note"]) == (None, [], None)
    write_sync(tmp_path / "u.json", "made.mp4", Path("e.csv"), None, None, "no lag")
    record = json.loads((tmp_path / "u.json").read_text())
    assert (record["lag_seconds"], record["lag_from"], record["note"]) == (None, None, "no lag")


def test_the_figure_shows_both_signals(tmp_path: Path, drawn_figures: list[Figure]) -> None:
    film = several(("biceps", "", ONSETS), ("肱二头肌 $x_1$", "left", ONSETS + 0.3))
    channels = [channel("biceps"), channel("肱二头肌 $x_1$", ONSETS + 0.3)]
    beside = beside_emg(film, channels)
    path = draw_beside_emg(beside, tmp_path / "emg.png", title="made.mp4 and made EMG")
    assert path.is_file()
    *charts, differences = drawn_figures[-1].axes
    assert len(charts) == 2
    for axes, pair in zip(charts, beside.pairs, strict=True):
        area, made, *_ = axes.lines
        np.testing.assert_allclose(area.get_xdata(), beside.video.clock)
        assert area.get_ydata().max() == pytest.approx(1)
        assert made.get_ydata().max() == pytest.approx(1)
        assert f"r = {pair.correlation:.2f}" in axes.get_title("left")
    total = np.concatenate([pair.onsets.difference for pair in beside.pairs])
    heights = sorted(
        line.get_ydata()[0] for line in differences.lines if line.get_marker() in ("None", None)
    )
    spread = 1.96 * total.std(ddof=1)
    expected = [0, *(1000 * (total.mean() + one) for one in (-spread, 0, spread))]
    assert heights == pytest.approx(sorted(expected))
    assert f"bias {1000 * total.mean():+.0f} ms" in differences.get_title("left")


@pytest.mark.parametrize("onsets", [np.array([100.0]), ONSETS[:1], ONSETS[:2]])
@pytest.mark.parametrize("muscles", [1, 8])
def test_the_figure_of_little(
    onsets: np.ndarray, muscles: int, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    """No pair, one, and two; of many muscles with long names six are drawn."""
    names = [f"musculus extensor carpi radialis longus et brevis {i}" * 2 for i in range(muscles)]
    film = several(*((name, "", onsets) for name in names))
    channels = [replace(channel(name), name=name) for name in names]
    beside = beside_emg(film, channels, lag=0.35)
    draw_beside_emg(beside, tmp_path / "emg.png", title=names[0])
    *charts, differences = drawn_figures[-1].axes
    assert len(charts) == min(muscles, 6)
    title = differences.get_title("left")
    pairs = len(charts) * len(beside.pairs[0].onsets.video)
    assert title.startswith(f"{pairs} pair{'' if pairs == 1 else 's'} of onsets")
    assert ("limits of agreement" in title) == (pairs > 1)
    assert ("6 of 8 muscles" in title) == (muscles == 8)


def test_the_figure_of_one_frame(tmp_path: Path, drawn_figures: list[Figure]) -> None:
    one = Signal("biceps", "", np.full(1, 0.02), np.full(1, 0.8))
    film = VideoSignals("made.mp4", 1, np.zeros(1), (one,))
    draw_beside_emg(beside_emg(film, [channel("biceps")], lag=0.0), tmp_path / "emg.png")
    far = beside_emg(video(ONSETS, 25), [channel("biceps")], lag=1000.0)
    draw_beside_emg(far, tmp_path / "far.png")
    for figure in drawn_figures:
        assert figure.axes[-1].get_title("left") == "0 pairs of onsets"
        assert "r =" not in figure.axes[0].get_title("left")
