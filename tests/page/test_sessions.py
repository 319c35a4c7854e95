from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from light_model import light

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.page.sessions import compare_videos, framed
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.predictor import Predictor


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(light, ("background", "biceps"), Geometry("pad", 64))


def film(path: Path, count: int, period: int) -> Path:
    """A light square that comes and goes so many times, each in as many frames; ten a second."""
    path.parent.mkdir()
    with_rest = [0] * 4 + [*range(period)] * count + [0] * 4
    writer = VideoWriter(path, Fraction(10))
    for i, phase in enumerate(with_rest):
        image = np.full((96, 128, 3), 40, np.uint8)
        side = round(30 * (1 - np.cos(2 * np.pi * phase / period)))
        image[:side, :side] = 230
        writer.add(Frame(i / 10, image))
    writer.close()
    return path


def test_two_videos_are_compared(predictor: Predictor, tmp_path: Path) -> None:
    a, b = film(tmp_path / "a" / "one.mp4", 4, 12), film(tmp_path / "b" / "<two>.mp4", 3, 20)
    folder = tmp_path / "folder"
    folder.mkdir()
    frames: list[int] = []
    page = compare_videos(predictor, a, b, folder, lambda frame: frames.append(frame.number))
    assert frames == [*range(4 * 12 + 8), *range(3 * 20 + 8)]
    text = page.read_text(encoding="utf-8")
    assert "biceps 4 and 3" in text
    assert "A: one.mp4" in text
    assert "B: &lt;two&gt;.mp4" in text
    assert str(tmp_path) not in text

    found: list[dict[str, str | None]] = []

    class Frames(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag == "iframe"
            found.append(dict(attrs))

    Frames().feed(framed(page))
    assert len(found) == 1
    assert found[0]["srcdoc"] == text
    assert found[0]["sandbox"] is None  # without any right


def test_videos_without_repetitions_are_refused(predictor: Predictor, tmp_path: Path) -> None:
    a, b = film(tmp_path / "a" / "one.mp4", 3, 12), film(tmp_path / "b" / "two.mp4", 0, 12)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UserError, match="no muscle has a whole repetition both in"):
        compare_videos(predictor, a, b, folder, lambda frame: None)
