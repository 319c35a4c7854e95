"""The EMG beside a video: its file, and which channel is of which muscle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tf_muscle.errors import UserError, listed, refuse_missing
from tf_muscle.lab.c3d import read_c3d
from tf_muscle.lab.emg_csv import read_csv
from tf_muscle.lab.envelope import Envelope, envelope
from tf_muscle.lab.recording import Recording

SIDES = ("", " left", " right")  # after a muscle's name


@dataclass(frozen=True)
class EmgChannel:
    """A channel of an EMG file, and whose it is.

    Attributes:
        muscle: name of a muscle, or of one side of it, such as "biceps left".
        name: of the channel.
        unit: of its values, "" if unknown.
        envelope: how active the muscle is.
    """

    muscle: str
    name: str
    unit: str
    envelope: Envelope


def read_emg(path: Path, rate: float | None = None) -> Recording:
    """Reads an EMG file, C3D by its suffix, else CSV.

    Args:
        path: the file.
        rate: of a CSV file, samples a second, see `read_csv`.

    Raises:
        UserError: it is not there or cannot be read, or `rate` is given for a C3D file.
    """
    if not path.is_file():
        raise UserError(f"--sync {path} is no file: give seconds, or an EMG file (.csv, .c3d)")
    if path.suffix.lower() != ".c3d":
        return read_csv(path, rate)
    if rate is not None:
        raise UserError(f"--emg_rate {rate} is for CSV, {path} has a rate of its own: leave it out")
    refuse_missing(f"--sync {path}", "lab", ["ezc3d"])
    return read_c3d(path)


def emg_channels(
    recording: Recording, muscles: Sequence[str], given: Sequence[str] = ()
) -> tuple[EmgChannel, ...]:
    """The channels of the muscles, with their envelopes.

    Args:
        recording: an EMG file.
        muscles: names of the model's muscles.
        given: of --emg_channel, "MUSCLE=CHANNEL", where MUSCLE may have its side: "biceps left".
            Without any, a muscle has the channel in whose name its own occurs, in whatever case.

    Raises:
        UserError: no muscle or more than one fits a channel, or its envelope cannot be made.
    """
    chosen = _given(recording, muscles, given) if given else _by_name(recording, muscles)
    return tuple(
        EmgChannel(muscle, recording.names[i], recording.units[i], envelope(recording, i))
        for muscle, i in chosen.items()
    )


def _by_name(recording: Recording, muscles: Sequence[str]) -> dict[str, int]:
    chosen = {}
    for muscle in muscles:
        # "biceps femoris" is of that muscle, not of "biceps", if the model knows both.
        longer = [one.casefold() for one in muscles if muscle.casefold() in one.casefold()]
        longer.remove(muscle.casefold())
        found = [
            i
            for i, name in enumerate(recording.names)
            if muscle.casefold() in name.casefold()
            and not any(one in name.casefold() for one in longer)
        ]
        if len(found) > 1:
            names = listed([recording.names[i] for i in found])
            raise UserError(
                f"{recording.path} has several channels of {muscle} ({names}): choose one by "
                f'--emg_channel "{muscle}={recording.names[found[0]]}"'
            )
        if found:
            chosen[muscle] = found[0]
    if not chosen:
        raise UserError(
            f"{recording.path} has no channel named like {listed(muscles)}, but "
            f"{listed(recording.names)}: say which is whose by --emg_channel "
            f'"{muscles[0]}={recording.names[0]}"'
        )
    return chosen


def _given(recording: Recording, muscles: Sequence[str], given: Sequence[str]) -> dict[str, int]:
    known = [f"{muscle}{side}" for muscle in muscles for side in SIDES]
    chosen: dict[str, int] = {}
    for word in given:
        # The longest, since a name may have "=" in it.
        whose = max((one for one in known if word.startswith(f"{one}=")), key=len, default=None)
        if whose is None or whose in chosen:
            raise UserError(
                f"--emg_channel must be MUSCLE=CHANNEL with each of {listed(muscles)} (or, as "
                f'"{muscles[0]} left", its side) once, got "{word}"'
            )
        channel = word.removeprefix(f"{whose}=")
        found = [i for i, name in enumerate(recording.names) if name == channel]
        found = found or [
            i for i, name in enumerate(recording.names) if name.casefold() == channel.casefold()
        ]
        if len(found) != 1:
            count = "no channel" if not found else "several channels"
            raise UserError(
                f'--emg_channel "{word}": {recording.path} has {count} of that name among '
                f"{listed(recording.names)}: give the name of one"
            )
        chosen[whose] = found[0]
    return chosen
