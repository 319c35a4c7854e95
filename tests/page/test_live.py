"""A webcam's pictures, answered one by one."""

import base64
import io
import re
import zlib

import numpy as np
import pytest
from light_model import light_of_three
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.page import live
from tf_muscle.page.live import JPEG, LiveSession, decoded, encoded
from tf_muscle.prediction.predictor import Predictor


class Clock:
    """Seconds that a test sets, a hundredth more at each look."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(
        light_of_three, ("background", "biceps", "<calf>"), Geometry("pad", 64), batch_size=8
    )


def square(side: float) -> np.ndarray:
    image = np.full((96, 128, 3), 40, np.uint8)
    image[: round(side), : round(side)] = 230
    return image


def cells(html: str) -> list[str]:
    return re.findall(r"<td>(.*?)</td>", html)


def test_repetitions_rate_and_latency_while_it_runs(predictor: Predictor) -> None:
    clock = Clock()
    session = LiveSession(predictor, clock)
    counts = []
    for number in range(60):  # 10 a second; four times large
        image = square(30 * (1 - np.cos(2 * np.pi * number / 15)))
        drawn = session.mark(image)
        clock.now += 0.08
        counts.append(int(cells(session.numbers)[0]))
        assert drawn.shape[0] > 96
        assert drawn.shape[1] >= 128
    assert counts[-1] == 4
    assert sorted(counts) == counts
    assert counts[3] == 0
    assert "10.0 pictures a second, latency 10 ms" in session.numbers
    assert "&lt;calf&gt;" in session.numbers
    assert cells(session.numbers)[2:] == ["0", "0.00 %"]


def test_the_mask_is_that_of_the_picture_shown(predictor: Predictor) -> None:
    session = LiveSession(predictor, Clock())
    for side in (0, 60, 0, 60):
        drawn = session.mark(square(side))
        assert (drawn[20, 20] != 40).any() == (side > 0)
        assert cells(session.numbers)[1].startswith("0.00" if side == 0 else "29.")


def test_a_pause_another_size_and_many_pictures_begin_anew(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    session = LiveSession(predictor, clock)
    image = square(30)
    assert session.goes_on_with(image)
    session.mark(image)
    assert session.goes_on_with(image)
    assert not session.goes_on_with(image[:50])
    clock.now += 2.5
    assert session.goes_on_with(image)
    clock.now += 0.5
    assert not session.goes_on_with(image)
    monkeypatch.setattr(live, "MAX_FRAMES", 3)
    session = LiveSession(predictor, clock)
    for _ in range(3):
        assert session.goes_on_with(image)
        session.mark(image)
    assert not session.goes_on_with(image)


def test_pictures_come_and_go_as_jpeg() -> None:
    image = np.asarray(Image.linear_gradient("L").convert("RGB"))
    address = encoded(image)
    assert address.startswith(JPEG)
    np.testing.assert_allclose(decoded(address).astype(int), image, atol=6)


def jpeg(content: bytes) -> str:
    return JPEG + base64.b64encode(content).decode()


def png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    return content.getvalue()


def huge() -> bytes:
    """A JPEG of 3001x3000 pixels."""
    content = io.BytesIO()
    Image.new("L", (3001, 3000)).save(content, "JPEG")
    return content.getvalue()


def huge_header() -> bytes:
    """A JPEG of 8x8 pixels whose header says 65535x65535, which Pillow itself refuses."""
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "JPEG")
    size = content.getvalue().index(b"\xff\xc0") + 5  # behind marker, length and bits a sample
    return content.getvalue()[:size] + b"\xff" * 4 + content.getvalue()[size + 4 :]


def cut() -> bytes:
    return base64.b64decode(encoded(square(30)).removeprefix(JPEG))[:400]


@pytest.mark.parametrize(
    "address",
    [
        *("", "None", "http://example.invalid/a.jpg", "file:///etc/passwd", JPEG, JPEG + "!!!"),
        *(jpeg(b""), jpeg(b"hello"), jpeg(zlib.compress(bytes(99))), jpeg(png())),
        *(jpeg(huge()), jpeg(huge_header()), jpeg(cut()), JPEG + "A" * live.MAX_PICTURE),
    ],
    ids=str.__len__,
)
def test_what_is_no_picture_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="no picture of a webcam"):
        decoded(address)
