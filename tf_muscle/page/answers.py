"""What the page answers to a photo or a video, without anything of the page itself."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.prediction.outputs import draw_overlay
from tf_muscle.prediction.photos import open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import PredictedFrame, Prediction, predict_photos
from tf_muscle.prediction.timeline import Timeline
from tf_muscle.prediction.timeline_figure import draw_timeline
from tf_muscle.prediction.video import PredictedVideo, predict_video
from tf_muscle.report.lettering import percent
from tf_muscle.report.overlays import class_colors

# Longer side in pixels of a photo on the page: more than a screen shows of it, and quick to draw
# again when the opacity changes.
SHOWN_SIZE = 1600
MAX_PHOTO_PIXELS = 50_000_000  # what phones take at most; 150 MB when decoded
MAX_FRAME_PIXELS = 9_000_000  # 4K; with the probabilities of four classes 170 MB
VIDEO_NAME, TIMELINE_NAME = "overlay.mp4", "timeline.png"
MAX_FRAMES = 3600  # two minutes at 30 a second: everybody else waits for a video to be done


@dataclass(frozen=True)
class MarkedPhoto(Prediction):
    """A photo and its mask, kept while it is shown so that another opacity needs no prediction.

    The longer side is at most `SHOWN_SIZE`.

    Attributes:
        class_names: K names.
        note: what the user should know of the photo; else None.
    """

    class_names: tuple[str, ...]
    note: str | None

    def drawn(self, opacity: float) -> np.ndarray:
        """The photo with tinted muscles and its legend: RGB, uint8 [H + legend, W, 3].

        Args:
            opacity: 0 (outlines only) to 1 (opaque tint).
        """
        return draw_overlay(self.image, self.class_ids, self.class_names, alpha=opacity)


def mark_photo(predictor: Predictor, path: Path) -> MarkedPhoto:
    """Predicts a photo.

    Raises:
        UserError: the file is no photo, is damaged, or has more than `MAX_PHOTO_PIXELS`.
    """
    photo = open_photo(path, max_pixels=MAX_PHOTO_PIXELS)
    shown = Image.fromarray(photo.image)
    shown.thumbnail((SHOWN_SIZE, SHOWN_SIZE))
    small = replace(photo, image=np.asarray(shown), original=None)
    (marked,) = predict_photos(predictor, [small])
    note = f"{path} holds several pictures: only the first is marked" if photo.has_more else None
    return MarkedPhoto(marked.image, marked.class_ids, marked.rows, predictor.class_names, note)


def mark_video(
    predictor: Predictor, path: Path, folder: Path, advance: Callable[[PredictedFrame], None]
) -> PredictedVideo:
    """Predicts a video and writes `VIDEO_NAME` and `TIMELINE_NAME` into a folder.

    Args:
        predictor: gives the probabilities.
        path: the video file.
        folder: exists and is empty.
        advance: called after every frame; what it raises ends the work.

    Raises:
        UserError: the file is no video, or it has more than `MAX_FRAMES` or `MAX_FRAME_PIXELS`.
    """

    def each(frame: PredictedFrame) -> None:
        if max(frame.count, frame.number + 1) > MAX_FRAMES:
            raise UserError(f"{path} has more than {MAX_FRAMES:,} frames: cut it to the exercise")
        advance(frame)

    video = predict_video(
        predictor, path, folder / VIDEO_NAME, each=each, max_pixels=MAX_FRAME_PIXELS
    )
    draw_timeline(video.timeline, folder / TIMELINE_NAME)
    return video


def photo_table(photo: MarkedPhoto) -> str:
    """The numbers of a photo as an HTML table; beside each muscle its colour."""
    rows = [
        (
            "yes" if row.active else "no",
            percent(row.area_share, digits=2),
            _decimals(row.mean_probability),
        )
        for row in photo.rows
    ]
    names = [row.muscle for row in photo.rows]
    return muscle_table(("active", "area", "mean probability"), names, rows)


def video_table(timeline: Timeline) -> str:
    """The numbers of a video as an HTML table."""
    repetitions = timeline.repetitions
    rows = [
        (
            str(len(repetitions[row.muscle])),
            percent(row.area_share, digits=2),
            _decimals(row.mean_probability),
        )
        for row in timeline.summary()
    ]
    return muscle_table(("repetitions", "mean area", "mean probability"), timeline.muscles, rows)


def muscle_table(
    columns: Sequence[str], muscles: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> str:
    """A row for each muscle, with its colour, as an HTML table.

    Args:
        columns: headers of all but the first.
        muscles: M names.
        rows: M rows of cells, which are HTML.
    """
    colors = class_colors(len(muscles) + 1)[1:].tolist()
    lines = ["<table class='muscles'><thead><tr><th scope='col'>muscle</th>"]
    lines += [f"<th scope='col'>{column}</th>" for column in columns]
    lines.append("</tr></thead><tbody>")
    for muscle, color, cells in zip(muscles, colors, rows, strict=True):
        swatch = f"<i style='background:rgb({','.join(map(str, color))})'></i>"
        lines.append(f"<tr><th scope='row'>{swatch}{html.escape(muscle)}</th>")
        lines += [f"<td>{cell}</td>" for cell in cells]
        lines.append("</tr>")
    return "".join([*lines, "</tbody></table>"])


def _decimals(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.2f}"
