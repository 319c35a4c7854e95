from pathlib import Path

import numpy as np
import pytest
from made_signals import RATE

from tf_muscle.errors import UserError
from tf_muscle.lab.emg import emg_channels, read_emg
from tf_muscle.lab.recording import Recording

MUSCLES = ("biceps", "triceps", "calf")


def recording(*names: str) -> Recording:
    """Made EMG: noise in each channel."""
    at = np.arange(0, 3, 1 / RATE)
    values = np.random.default_rng(0).standard_normal((len(at), len(names)))
    return Recording(Path("emg.csv"), at, names, ("mV",) * len(names), values, ("",) * len(names))


def chosen(names: tuple[str, ...], given: tuple[str, ...] = ()) -> dict[str, str]:
    return {one.muscle: one.name for one in emg_channels(recording(*names), MUSCLES, given)}


def test_channels_are_found_by_the_names_of_muscles() -> None:
    assert chosen(("Fz", "EMG BICEPS R", "calf")) == {"biceps": "EMG BICEPS R", "calf": "calf"}


def test_the_longer_name_of_two_muscles_counts() -> None:
    made = recording("EMG biceps femoris", "EMG biceps")
    found = emg_channels(made, ("biceps", "biceps femoris"))
    assert [(one.muscle, one.name) for one in found] == [
        ("biceps", "EMG biceps"),
        ("biceps femoris", "EMG biceps femoris"),
    ]


def test_channels_are_given() -> None:
    names = ("ch1", "ch2", "Biceps=R")
    assert chosen(names, ("biceps=CH1", "calf=ch2")) == {"biceps": "ch1", "calf": "ch2"}
    assert chosen(names, ("biceps left=ch1", "biceps right=Biceps=R")) == {
        "biceps left": "ch1",
        "biceps right": "Biceps=R",
    }
    both = recording("EMG biceps", "EMG Biceps")  # only case tells them apart
    (channel,) = emg_channels(both, MUSCLES, ("biceps=EMG Biceps",))
    assert channel.name == "EMG Biceps"
    np.testing.assert_array_less(0, channel.envelope.values[20:-20])


@pytest.mark.parametrize(
    ("names", "given", "told"),
    [
        (("Biceps R", "Biceps L"), (), r'channels of biceps \(Biceps R, Biceps L\): .*"biceps=Bi'),
        (
            ("ch1", "ch2"),
            (),
            'no channel named like biceps, triceps, calf, but ch1, ch2: .*"bi',
        ),
        (("ch1",), ("biceps",), 'must be MUSCLE=CHANNEL .*got "biceps"'),
        (("ch1",), ("glutes=ch1",), 'got "glutes=ch1"'),
        (("ch1",), ("biceps=ch1", "biceps=ch1"), "once"),
        (("ch1", "ch2"), ("biceps=ch3",), "has no channel of that name among ch1, ch2"),
        (("ch1", "ch1"), ("biceps=ch1",), "has several channels of that name among ch1, ch1"),
        (("ch1",), ("biceps=",), "has no channel of that name"),
    ],
)
def test_what_is_ambiguous_or_unknown_is_refused(
    names: tuple[str, ...], given: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        chosen(names, given)


def test_a_bad_channel_is_refused_only_if_it_is_used() -> None:
    made = recording("biceps", "calf")
    faulty = Recording(
        made.path, made.seconds, made.names, made.units, made.values, ("", 'line 3 has "x"')
    )
    assert len(emg_channels(faulty, ("biceps",))) == 1
    with pytest.raises(UserError, match=r'channel calf has text .*line 3 has "x"'):
        emg_channels(faulty, MUSCLES)


def test_files_by_their_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is no file: give seconds, or an EMG file"):
        read_emg(tmp_path / "absent.csv")
    (tmp_path / "e.C3D").write_bytes(b"hello")
    with pytest.raises(UserError, match="has a rate of its own"):
        read_emg(tmp_path / "e.C3D", 1000)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs ezc3d: python -m pip install .*\[lab\]"):
        read_emg(tmp_path / "e.C3D")
