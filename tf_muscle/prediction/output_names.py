"""What the outputs of photos and videos are called: each in its own way, before any is read."""

from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path

from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.dataset_folders import LONGEST_STEM, UniqueNames, plain
from tf_muscle.prediction.sources import VIDEO_SUFFIXES, Source, Sources

LAST = "\U0010ffff"  # sorts behind every other character


def output_names(sources: Sources) -> dict[Source, str]:
    """A name for each source, also for one that cannot be read; no two are alike."""
    names = UniqueNames()
    named: dict[Source, str] = {path: names.add(path.stem) for path in sources.photos}
    for source in sources.videos:
        named[source] = video_name(source, names)
    return named


def video_name(source: Source, names: UniqueNames) -> str:
    """The next free name for a video or camera, with room for those of its frames."""
    file = source_file(source)
    return names.add(file.stem, longest=LONGEST_STEM - len(frame_name("", file, 0)))


def source_file(source: Source) -> File:
    """A file by which a camera is called, too."""
    return Path(f"camera_{source}") if isinstance(source, int) else source


def frame_name(name: str, file: File, number: int) -> str:
    """The name of a video's frame as a photo, as Roboflow names those of an uploaded video.

    By it, readers of the export know which photos are neighbours: curl_mp4-000012. What has no
    suffix of a video, as a camera, gets that of overlay.mp4.
    """
    suffix = file.suffix.lower()
    known = suffix in (*VIDEO_SUFFIXES, ".gif", ".webp")
    return f"{name}_{suffix[1:] if known else 'mp4'}-{number:06d}"


class Beginnings:
    """Finds the sources whose names a video's frames might get.

    Args:
        names: of all sources.
    """

    def __init__(self, names: Mapping[Source, str]) -> None:
        self._sorted = sorted((plain(name), i) for i, name in enumerate(names.values()))
        self._names = list(names.items())

    def of(self, name: str) -> dict[Source, str]:
        """Those that begin with `name`, and their sources."""
        start = plain(name)
        low = bisect_left(self._sorted, (start, -1))
        high = bisect_left(self._sorted, (start + LAST, -1))
        return dict(self._names[i] for _, i in self._sorted[low:high])
