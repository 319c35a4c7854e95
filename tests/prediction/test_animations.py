from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.prediction.animations import AnimationFrames

MILLISECONDS = [100, 40, 250, 80]


def pictures(mode: str = "RGB") -> list[Image.Image]:
    """A light square that wanders over black, or over nothing in RGBA; light corners."""
    images = []
    for i in range(4):
        levels = np.zeros((16, 24, len(mode)), np.uint8)
        levels[4:12, 6 * i : 6 * i + 6] = 255
        levels[[0, -1], [0, -1]] = 255
        images.append(Image.fromarray(levels, mode))
    return images


def save(path: Path, images: list[Image.Image], **options: object) -> Path:
    if path.suffix == ".webp":
        options["lossless"] = True
    durations = options.pop("duration", MILLISECONDS)
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=durations, loop=0, **options
    )
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_come_with_their_times(suffix: str, tmp_path: Path) -> None:
    video = AnimationFrames(save(tmp_path / f"a{suffix}", pictures()))
    read = list(video)
    video.close()
    assert [frame.seconds for frame in read] == pytest.approx([0, 0.1, 0.14, 0.39])
    for frame, picture in zip(read, pictures(), strict=True):
        np.testing.assert_array_equal(frame.image, np.asarray(picture))
    assert video.count == (0 if suffix == ".gif" else 4)
    assert video.rate == 10
    assert video.note is None


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_they_are_composed_on_white(suffix: str, tmp_path: Path) -> None:
    images = pictures("RGBA")
    for image in images:  # black squares over nothing
        image.paste((0, 0, 0), (0, 0, 24, 16), image.getchannel("A"))
    options = {"disposal": {".gif": 2, ".png": 1}[suffix]} if suffix != ".webp" else {}
    read = list(AnimationFrames(save(tmp_path / f"a{suffix}", images, **options)))
    for i, frame in enumerate(read):
        expected = np.full((16, 24, 3), 255, np.uint8)
        expected[4:12, 6 * i : 6 * i + 6] = 0
        expected[[0, -1], [0, -1]] = 0
        np.testing.assert_array_equal(frame.image, expected)


def test_too_short_frames_last_as_in_browsers(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gif", pictures(), duration=[0, 10, 20, 30])
    seconds = [frame.seconds for frame in AnimationFrames(path)]
    assert seconds == pytest.approx([0, 0.1, 0.2, 0.22])


def test_the_picture_before_an_apng_is_no_frame(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.png", [Image.new("RGB", (24, 16), "red"), *pictures()], default_image=True
    )
    read = list(AnimationFrames(path))
    assert len(read) == 4
    np.testing.assert_array_equal(read[0].image, np.asarray(pictures()[0]))


def test_a_damaged_file_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    path = save(tmp_path / "a.png", [Image.fromarray(image) for image in noise], duration=100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    video = AnimationFrames(path)
    assert 2 <= len(list(video)) < 6
    assert video.note is not None
    assert "a.png is" in video.note


def test_large_and_other_files_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gif", pictures())
    with pytest.raises(UserError, match="frames of 24x16 pixels, more than 383 or"):
        AnimationFrames(path, max_pixels=383)
    path.write_bytes(b"GIF89a and no more")
    with pytest.raises(UserError, match="cannot be read as a video"):
        AnimationFrames(path)
