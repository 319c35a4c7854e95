"""A video's signals as a storage file of OpenSim, which its GUI, MATLAB and Python read."""

from pathlib import Path

import numpy as np

from tf_muscle.errors import printable
from tf_muscle.lab.signals import VideoSignals, unique_labels


def write_sto(path: Path, video: VideoSignals) -> None:
    """Writes a .sto file: a header, then a table with tabs, a row for each frame.

    The format is that of OpenSim's documentation, "Storage (.sto) Files", as of version 2.3.2: the
    times need not be evenly spaced. Where there is no value it has "nan".

    Args:
        path: the file.
        video: with N frames; the times are the laboratory's if they are known.
    """
    channels = list(video.channels)
    table = np.column_stack([video.clock, *(one.values for one in channels)])
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(f"{printable(Path(video.video).name)}\nversion=1\n")
        file.write(f"nRows={len(table)}\nnColumns={table.shape[1]}\ninDegrees=no\nendheader\n")
        file.write("\t".join(("time", *unique_labels(channels))) + "\n")
        np.savetxt(file, table, fmt="%.6f", delimiter="\t")
