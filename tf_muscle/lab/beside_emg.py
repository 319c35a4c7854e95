"""A video's signals beside the EMG of the same muscles: lag, correlation, onsets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from tf_muscle.lab.agreement import Agreement, onset_agreement
from tf_muscle.lab.emg import EmgChannel
from tf_muscle.lab.repetitions import find_repetitions
from tf_muscle.lab.signals import Signal, VideoSignals
from tf_muscle.lab.synchrony import WEAK, Lag, correlation_at, find_lag


@dataclass(frozen=True)
class Pair:
    """A signal and the channel of its muscle.

    Attributes:
        signal: of the video.
        channel: of the EMG.
        own: the lag that these two tell by themselves; None if they tell none.
        correlation: Pearson's at the lag of the video; None if one of the two is constant there.
        onsets: at that lag.
    """

    signal: Signal
    channel: EmgChannel
    own: Lag | None
    correlation: float | None
    onsets: Agreement


@dataclass(frozen=True)
class BesideEmg:
    """What EMG says of a video.

    Attributes:
        video: its signals, with the lag.
        leading: the pair whose lag was taken; None if the user gave the lag.
        pairs: of the muscles that have a channel; of a muscle with two sides and one channel the
            side that is more like it.
    """

    video: VideoSignals
    leading: Pair | None
    pairs: tuple[Pair, ...]

    @property
    def told(self) -> str:
        """The lag and how well the onsets agree, in one line."""
        leading = self.leading
        how = f", told by {leading.signal.name} and {leading.channel.name}" if leading else ""
        parts = [f"EMG: lag {self.video.lag:.3f} s{how}"]
        for pair in self.pairs:
            r = "unknown" if pair.correlation is None else f"{pair.correlation:.2f}"
            parts.append(f"{pair.signal.name}: correlation {r}, {pair.onsets.told}")
        return "; ".join(parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the lag, a sentence each."""
        if self.leading is None or self.leading.own is None:
            return ()
        own, name = self.leading.own, self.leading.signal.name
        notes = []
        if own.correlation < WEAK:
            notes.append(
                f"{name} and {self.leading.channel.name} correlate by {own.correlation:.2f} only, "
                "so the lag is doubtful"
            )
        if own.rival is not None:
            notes.append(
                f"{name} and {self.leading.channel.name} are nearly as alike at a lag of "
                f"{own.rival:.3f} s (correlation {own.rival_correlation:.2f}), so look at emg.png, "
                "and begin recordings with something that happens once"
            )
        return tuple(notes)


class NoLagError(Exception):
    """The signals do not tell a lag; the message is a sentence for the user."""


def beside_emg(
    video: VideoSignals, channels: Sequence[EmgChannel], lag: float | None = None
) -> BesideEmg:
    """Compares a video with EMG.

    One clock has one lag: it is that of the pair with the best score, see `find_lag`.

    Args:
        video: its signals.
        channels: of muscles or sides, see `emg_channels`; at least one.
        lag: seconds to add to the video's times, if they are known.

    Raises:
        NoLagError: the lag is not known, and no signal tells it.
    """
    of = {channel.muscle: channel for channel in channels}
    matched = [
        (signal, of.get(signal.name) or of[signal.muscle])
        for signal in video.signals
        if signal.name in of or signal.muscle in of
    ]
    names = ", ".join(of)
    if not matched:
        raise NoLagError(f"the video shows no side of a muscle that has a channel ({names})")
    own = [find_lag(video.seconds, one.area, channel.envelope) for one, channel in matched]
    best: int | None = None
    if lag is None:
        scores = [-1.0 if one is None else one.score for one in own]
        best = scores.index(max(scores))
        told = own[best]
        if told is None:
            raise NoLagError(
                f"no lag can be told from {names}: the muscle is never seen in the video, the "
                "video or the EMG is shorter than a second, or the area grows at no lag when the "
                "EMG does"
            )
        lag = told.seconds
    pairs = [_pair(video, *one, told, lag) for one, told in zip(matched, own, strict=True)]
    sides = [tuple(group) for _, group in groupby(pairs, key=lambda one: one.channel.muscle)]
    return BesideEmg(
        replace(video, lag=lag),
        None if best is None else pairs[best],
        tuple(max(those, key=_likeness) for those in sides),
    )


def _likeness(pair: Pair) -> float:
    return -1.0 if pair.correlation is None else pair.correlation


def _pair(
    video: VideoSignals, signal: Signal, channel: EmgChannel, own: Lag | None, lag: float
) -> Pair:
    repetitions = find_repetitions(video.seconds, signal.area, signal.probability)
    return Pair(
        signal,
        channel,
        own,
        correlation_at(video.seconds, signal.area, channel.envelope, lag),
        onset_agreement(video.seconds, repetitions, channel.envelope, lag),
    )
