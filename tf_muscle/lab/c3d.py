"""C3D files: EMG out of their analog channels, and a video's signals into such channels.

They are read and written by ezc3d, of the extra `lab`.
"""

import struct
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from tf_muscle.errors import UserError, one_line
from tf_muscle.lab.recording import Recording
from tf_muscle.lab.signals import UNIT, VideoSignals, unique_labels

MOST_FRAMES = 65_535  # ezc3d reads no more, as the header of a C3D file counts them in 16 bits
ROUNDING = 1e-3  # by the rate: how far a rate is taken for that of a camera
CAMERA_RATES = (23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 90, 100, 119.88, 120, 239.76, 240)


def read_c3d(path: Path) -> Recording:
    """Reads the analog channels of a C3D file; the first sample is at 0.

    Raises:
        UserError: the file is no C3D file, is cut off, or holds no analog channel.
    """
    import ezc3d

    try:
        file = ezc3d.c3d(str(path))
        parameters = file["parameters"]["ANALOG"]
        values = np.array(file["data"]["analogs"][0].T, float)  # [N, C]
        frames = int(file["data"]["points"].shape[2])
        declared = _declared_frames(path)
        rates = parameters["RATE"]["value"]
        names = [str(one) for key in ("LABELS", "LABELS2") for one in _listed(parameters, key)]
        units = [str(one) for key in ("UNITS", "UNITS2") for one in _listed(parameters, key)]
    except Exception as error:  # what a damaged file happens to lead ezc3d to
        raise UserError(
            f"{path} cannot be read as C3D ({one_line(error)}): export it again"
        ) from error
    if not values.size or not len(rates) or not rates[0] > 0:
        raise UserError(f"{path} holds no analog channel: export the EMG with it")
    if frames < declared < MOST_FRAMES:
        raise UserError(
            f"{path} is cut off: {frames} of its {declared} frames are there; export it again"
        )
    if frames == MOST_FRAMES:
        raise UserError(
            f"{path} has {MOST_FRAMES} frames or more, of which no more are read: cut it or export "
            "the EMG as CSV"
        )
    count = values.shape[1]
    names += [f"channel {i + 1}" for i in range(len(names), count)]
    units += [""] * count
    seconds = np.arange(len(values)) / float(rates[0])
    return Recording(
        path, seconds, tuple(names[:count]), tuple(units[:count]), values, ("",) * count
    )


def _declared_frames(path: Path) -> int:
    """The frames of a file by its header; ezc3d says nothing of those that are missing.

    Words 4 and 5 are the first and the last frame; the parameters, which begin in the block that
    byte 1 tells, name the processor (84 Intel, 85 DEC, 86 MIPS): c3d.org, "C3D file format".
    """
    with path.open("rb") as file:
        content = file.read(512 * 256)
    big_endian = content[512 * (content[0] - 1) + 3] == 86
    first, last = struct.unpack(">HH" if big_endian else "<HH", content[6:10])
    return int(last - first + 1)


def _listed(parameters: Mapping[str, Any], name: str) -> list[Any]:
    return list(parameters[name]["value"]) if name in parameters else []


def write_c3d(path: Path, video: VideoSignals) -> None:
    """Writes a C3D file without points, whose analog channels are the video's signals.

    A C3D file has one rate. The signals are interpolated linearly between the frames and sampled
    at `even_rate`, from the first frame on. A C3D file cannot say that there is no value:
    a probability is 0 where the muscle is not seen. Group TF_MUSCLE has `START`, the time of the
    first sample (of the laboratory's clock if it is known), `LAG`, if it is, and `VIDEO`.

    Args:
        path: the file.
        video: with N frames.
    """
    import ezc3d

    rate = even_rate(video.seconds)
    last = video.seconds[-1] - video.seconds[0]
    count = int(last * rate + ROUNDING) + 1
    # Of a long video several samples go into a frame of the file.
    together = ceil(count / (MOST_FRAMES - 1))
    padded = ceil(count / together) * together
    at = video.seconds[0] + np.minimum(np.arange(padded) / rate, last)
    channels = list(video.channels)
    values = [np.interp(at, video.seconds, np.nan_to_num(one.values)) for one in channels]
    file = ezc3d.c3d()
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [rate / together]
    parameters["ANALOG"]["RATE"]["value"] = [rate]
    labels = unique_labels(channels)
    parameters["ANALOG"]["LABELS"]["value"] = labels
    parameters["ANALOG"]["DESCRIPTIONS"]["value"] = labels
    parameters["ANALOG"]["UNITS"]["value"] = [UNIT] * len(channels)
    file["data"]["points"] = np.zeros((4, 0, padded // together))
    file["data"]["analogs"] = np.stack(values)[np.newaxis]
    file.add_parameter("TF_MUSCLE", "START", [float(video.clock[0])])
    if video.lag is not None:
        file.add_parameter("TF_MUSCLE", "LAG", [float(video.lag)])
    file.add_parameter("TF_MUSCLE", "VIDEO", [Path(video.video).name])
    file.write(str(path))


def even_rate(seconds: np.ndarray) -> float:
    """The rate of an even sampling of a video, samples a second.

    It is that of most frames, by the mean of the pauses within a fifth of their median, or a
    camera's usual rate that is within `ROUNDING` of it, since containers round times.

    Args:
        seconds: float [N], increasing.
    """
    if len(seconds) < 2:
        return 1.0
    pauses = np.diff(seconds)
    usual_pause = np.median(pauses)
    rate = 1 / float(pauses[np.abs(pauses - usual_pause) <= usual_pause / 5].mean())
    usual = min(CAMERA_RATES, key=lambda one: abs(one - rate))
    return usual if abs(usual - rate) < ROUNDING * rate else rate
