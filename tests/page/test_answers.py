import re
from pathlib import Path

import numpy as np
import pytest
from light_model import light_of_three
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.page import answers
from tf_muscle.page.answers import mark_photo, mark_video, photo_table, video_table
from tf_muscle.prediction.predictor import Predictor


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(light_of_three, ("background", "biceps", "<calf>"), Geometry("pad", 64))


def cells(table: str) -> list[list[str]]:
    """The text of a table's rows."""
    rows = re.findall("<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(?:<i [^>]*></i>)?(.*?)</t[hd]>", row) for row in rows]


def test_the_numbers_of_a_photo(predictor: Predictor, photo: Path) -> None:
    marked = mark_photo(predictor, photo)
    assert cells(photo_table(marked)) == [
        ["muscle", "active", "area", "mean probability"],
        ["biceps", "yes", "50.00 %", "0.90"],  # 230 of 255
        ["&lt;calf&gt;", "no", "0.00 %", ""],
    ]


def test_opacity_tints_and_nothing_else(predictor: Predictor, photo: Path) -> None:
    marked = mark_photo(predictor, photo)
    clear, opaque = marked.drawn(0.0), marked.drawn(1.0)
    inside = np.s_[10:100, 10:300]  # of the light half, away from its outline
    assert (clear[inside] == 230).all()
    assert (opaque[inside] == (0x00, 0x72, 0xB2)).all()
    assert (clear[130:240, :320] == 40).all()
    assert (opaque[130:240, :320] == 40).all()


def test_large_photos_are_shown_smaller(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (4000, 3000), (230, 230, 230)).save(tmp_path / "large.jpg")
    marked = mark_photo(predictor, tmp_path / "large.jpg")
    assert marked.image.shape == (1200, 1600, 3)
    assert marked.rows[0].area_share == 1.0


def test_too_many_pixels_are_refused(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("1", (10_000, 5_001)).save(tmp_path / "huge.png")
    with pytest.raises(UserError, match="10000x5001 pixels, more than 50,000,000"):
        mark_photo(predictor, tmp_path / "huge.png")


def test_of_several_pictures_the_first_is_marked(predictor: Predictor, tmp_path: Path) -> None:
    pictures = [Image.new("L", (32, 24), level) for level in (255, 0)]
    for name in ("a.gif", "a.webp", "a.tif"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
        marked = mark_photo(predictor, tmp_path / name)
        assert marked.rows[0].area_share == 1.0
        assert "holds several pictures" in str(marked.note)


def test_an_animation_is_a_video(predictor: Predictor, tmp_path: Path) -> None:
    pictures = [Image.new("L", (64, 48), level) for level in (255, 0, 255)]
    path = tmp_path / "a.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=500)
    (tmp_path / "out").mkdir()
    video = mark_video(predictor, path, tmp_path / "out", lambda frame: None)
    np.testing.assert_allclose(video.timeline.seconds, [0, 0.5, 1.0])


def test_a_video_with_its_repetitions(predictor: Predictor, film: Path, tmp_path: Path) -> None:
    seen = []
    video = mark_video(predictor, film, tmp_path, seen.append)
    assert len(seen) == 30
    assert {path.name for path in tmp_path.iterdir()} == {"overlay.mp4", "timeline.png"}
    header, biceps, calf = cells(video_table(video.timeline))
    assert header[1] == "repetitions"
    assert biceps[:2] == ["biceps", "2"]
    assert calf == ["&lt;calf&gt;", "0", "0.00 %", ""]


def test_long_videos_are_refused(
    predictor: Predictor, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_FRAMES", 29)
    seen = []
    with pytest.raises(UserError, match="has more than 29 frames"):
        mark_video(predictor, film, tmp_path, seen.append)
    assert not seen
    assert not list(tmp_path.iterdir())


def test_large_frames_are_refused(
    predictor: Predictor, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_FRAME_PIXELS", 128 * 96 - 1)
    with pytest.raises(UserError, match="frames of 128x96"):
        mark_video(predictor, film, tmp_path, lambda frame: None)
