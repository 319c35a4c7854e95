"""sync.json: the numbers of a video beside EMG."""

import json
from pathlib import Path

from tf_muscle.lab.beside_emg import BesideEmg, Pair
from tf_muscle.lab.synchrony import Lag


def write_sync(
    path: Path, video: str, emg: Path | None, beside: BesideEmg | None, lag: float | None, note: str
) -> None:
    """Writes sync.json, see docs/lab.md.

    Args:
        path: the file.
        video: path of the video.
        emg: the EMG file; None if only the lag was given.
        beside: the numbers; None without EMG, or if no lag was found.
        lag: in seconds; None if none was found.
        note: what the user should know, may be empty.
    """
    leading = None if beside is None else beside.leading
    record: dict[str, object] = {
        "video": video,
        "emg": None if emg is None else str(emg),
        "lag_seconds": _rounded(lag),
        "lag_from": (None if lag is None else "--sync" if leading is None else "cross-correlation"),
        "note": note or None,
        "leading": None if leading is None else leading.signal.name,
        "muscles": [] if beside is None else [_muscle(pair) for pair in beside.pairs],
    }
    text = json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def _muscle(pair: Pair) -> dict[str, object]:
    onsets = pair.onsets
    return {
        "muscle": pair.signal.muscle,
        "side": pair.signal.side,
        "channel": pair.channel.name,
        "unit": pair.channel.unit,
        "filters": pair.channel.envelope.filters,
        "correlation": _rounded(pair.correlation),
        "own_lag": None if pair.own is None else _lag(pair.own),
        "onsets": {
            "pairs": [
                {
                    "video": round(video, 4),
                    "emg": round(emg, 4),
                    "difference": round(video - emg, 4),
                }
                for video, emg in zip(onsets.video.tolist(), onsets.emg.tolist(), strict=True)
            ],
            "video_alone": onsets.video_alone,
            "emg_alone": onsets.emg_alone,
            "bias_seconds": _rounded(onsets.bias),
            "standard_deviation_seconds": _rounded(onsets.deviation),
            "limits_of_agreement_seconds": (
                None if onsets.limits is None else [round(one, 4) for one in onsets.limits]
            ),
        },
    }


def _lag(lag: Lag) -> dict[str, object]:
    return {
        "seconds": _rounded(lag.seconds),
        "correlation": _rounded(lag.correlation),
        "rival_seconds": _rounded(lag.rival),
        "rival_correlation": _rounded(lag.rival_correlation),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
