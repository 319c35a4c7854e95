"""What the page answers to two videos: their comparison, without anything of the page itself."""

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tf_muscle.lab.comparison import compare_sessions
from tf_muscle.lab.comparison_page import write_page
from tf_muscle.lab.repetitions import write_repetitions
from tf_muscle.lab.session import REPETITIONS, TIMELINE, Session
from tf_muscle.page.answers import mark_video
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import PredictedFrame
from tf_muscle.prediction.timeline import write_timeline

COMPARISON_NAME = "comparison.html"


def compare_videos(
    predictor: Predictor,
    a: Path,
    b: Path,
    folder: Path,
    advance: Callable[[PredictedFrame], None],
) -> Path:
    """Predicts two videos and compares their repetitions.

    Args:
        predictor: gives the probabilities.
        a: the first video file.
        b: the second.
        folder: exists and is empty; the page and what was predicted are written into it.
        advance: called after every frame; what it raises ends the work.

    Returns:
        The page, see `tf_muscle.lab.comparison_page`.

    Raises:
        UserError: see `mark_video`, or no muscle has a whole repetition in both.
    """
    for place, path in ((folder / "A", a), (folder / "B", b)):
        place.mkdir()
        timeline = mark_video(predictor, path, place, advance).timeline
        write_timeline(timeline, place / TIMELINE)
        write_repetitions(place / REPETITIONS, path.name, timeline.series)
    found = compare_sessions(folder / "A", folder / "B")
    page = folder / COMPARISON_NAME
    write_page(page, replace(found, a=_named(found.a, a), b=_named(found.b, b)))
    return page


def _named(session: Session, path: Path) -> Session:
    """The session by the name of its file alone: where the page keeps it concerns nobody."""
    return replace(session, folder=Path(path.name), video=path.name)


def framed(page: Path) -> str:
    """A whole page within another one; without rights, so that nothing in it could run."""
    inner = html.escape(page.read_text(encoding="utf-8"))
    return f"<iframe class='comparison' title='Comparison' sandbox srcdoc=\"{inner}\"></iframe>"
