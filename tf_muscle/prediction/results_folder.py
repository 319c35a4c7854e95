"""The folder that `python -m tf_muscle.predict` fills.

predictions.csv         muscle by muscle, for each photo and video
overlays/X.jpg          photo with tinted muscles and a legend
train/                  photos with masks or outlines, which makes the whole folder an export
videos/X/overlay.mp4    beside timeline.csv, timeline.png, repetitions.csv; signals.* if asked for
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self

from PIL import Image

from tf_muscle.atomic import make_folder
from tf_muscle.errors import printable
from tf_muscle.lab.outputs import LabOutputs
from tf_muscle.lab.repetitions import write_repetitions
from tf_muscle.lab.signals import VideoSignals
from tf_muscle.prediction.dataset_folders import CocoFolder, MaskFolder, UniqueNames
from tf_muscle.prediction.output_names import frame_name, source_file, video_name
from tf_muscle.prediction.outputs import PredictionTable, draw_overlay
from tf_muscle.prediction.sources import Source
from tf_muscle.prediction.stream import PredictedFrame, PredictedPhoto, VideoPredictions
from tf_muscle.prediction.threads import Behind
from tf_muscle.prediction.timeline import write_timeline
from tf_muscle.prediction.timeline_figure import draw_timeline
from tf_muscle.prediction.video import PredictedVideo, write_video

Format = Literal["overlay", "mask", "both", "coco"]
WAITING = 2  # photos to be written; those of 12 megapixels take 50 MB each


class ResultsFolder:
    """Writes what is predicted as it comes, in a thread; a context manager.

    Its end waits for what is still to be written. What the thread raises is raised by the next
    `add_photo` or `add_video`, or by the end.

    Args:
        path: the folder; absent or empty.
        class_names: K names, the first is the background's.
        output_format: what is written of photos: overlays, masks, both, or outlines. Frames of
            videos become photos with "mask" and "coco" only, for there are many.
        person: whose repetitions are counted, see `Timeline`.
        lab: what else is written of videos.
        names: what the outputs of sources are called, of `output_names`; those of others get the
            next free name.
        tell: is given sentences for the user.
    """

    def __init__(
        self,
        path: Path,
        class_names: tuple[str, ...],
        output_format: Format,
        *,
        person: int | None = None,
        lab: LabOutputs | None = None,
        names: Mapping[Source, str] | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.path = path
        self._lab = lab
        self._tell = tell
        self._class_names = class_names
        self._person = person
        self._named = names or {}
        self._names = UniqueNames(self._named.values())
        self._overlays: Path | None = None
        self._dataset: MaskFolder | CocoFolder | None = None
        self._writes_frames = output_format in ("mask", "coco")
        make_folder(path)
        if output_format in ("overlay", "both"):
            self._overlays = path / "overlays"
            self._overlays.mkdir()
        if output_format in ("mask", "both"):
            self._dataset = MaskFolder(path / "train", class_names)
        elif output_format == "coco":
            self._dataset = CocoFolder(path / "train", class_names)
        # Line by line, so that what is done is in the table whenever the process ends.
        self._file = (path / "predictions.csv").open(
            "w", buffering=1, encoding="utf-8", errors="backslashreplace", newline=""
        )
        self._table = PredictionTable(self._file)
        self._writing = Behind(WAITING)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._writing.__exit__(*error)
        finally:
            self._file.close()
            if self._dataset:
                self._dataset.close()

    def add_photo(self, prediction: PredictedPhoto) -> None:
        """Writes what was predicted of a photo."""
        path = prediction.photo.path
        name = self._named.get(path) or self._names.add(path.stem)
        self._writing.do(self._write_photo, name, prediction)

    def _write_photo(self, name: str, prediction: PredictedPhoto) -> None:
        photo = prediction.photo
        self._table.add(photo.path, name, prediction.rows)
        if self._overlays:
            drawn = draw_overlay(prediction.image, prediction.class_ids, self._class_names)
            path = self._overlays / f"{name}.jpg"
            Image.fromarray(drawn).save(path, quality=92, subsampling=0)
        if self._dataset:
            self._dataset.add(name, prediction.image, prediction.class_ids, photo.original)

    def add_video(
        self, predictions: VideoPredictions, advance: Callable[[PredictedFrame], None]
    ) -> PredictedVideo:
        """Writes a video's overlay, timeline and, if asked for, the masks of its frames.

        Args:
            predictions: the video's, from an opened source.
            advance: called after every frame.

        Raises:
            UserError: the video has no frame that can be decoded.
            KeyboardInterrupt: see `write_video`.
        """
        source = predictions.source
        file = source_file(source)
        name = self._named.get(source) or video_name(source, self._names)
        folder = self.path / "videos" / name

        def each(frame: PredictedFrame) -> None:
            if self._dataset and self._writes_frames:
                photo_name = self._names.add(frame_name(name, file, frame.number))
                self._writing.do(self._dataset.add, photo_name, frame.image, frame.class_ids)
            advance(frame)

        video = write_video(predictions, folder / "overlay.mp4", each, person=self._person)
        write_timeline(video.timeline, folder / "timeline.csv")
        write_repetitions(folder / "repetitions.csv", str(file), video.timeline.series)
        draw_timeline(video.timeline, folder / "timeline.png", title=printable(file.name))
        if self._lab:
            timeline = video.timeline
            signals = VideoSignals(str(file), timeline.counted, timeline.seconds, timeline.signals)
            for sentence in self._lab.write(folder, signals):
                self._tell(f"{printable(file.name)}: {sentence}")
        self._writing.do(self._table.add, file, name, video.timeline.summary())
        return video
