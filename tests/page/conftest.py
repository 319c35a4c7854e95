"""A page that is served by a process of its own, as a user starts it."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.prediction.frames import Frame, VideoWriter

LIGHT_PAGE = Path(__file__).parent / "light_page.py"
# What may be set for other pages and would open this one.
HOSTILE = {
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SHARE": "True",
    "GRADIO_ALLOWED_PATHS": "/",
    "GRADIO_ANALYTICS_ENABLED": "True",
    "GRADIO_RUN_HISTORY": "True",
}


@dataclass(frozen=True)
class Served:
    """A running page.

    Attributes:
        process: of the command.
        port: that it listens on.
        folder: its working directory, with `calls`, `home` and `temporary` in it.
    """

    process: subprocess.Popen
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def calls(self) -> int:
        """How often the model was called."""
        path = self.folder / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def kept(self) -> list[str]:
        """What is on the disk in the page's own folders."""
        places = [self.folder / "home", self.folder / "temporary"]
        return [str(path) for place in places for path in sorted(place.rglob("*"))]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Sends a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_page(folder: Path, *, seconds: float = 0.0) -> Served:
    """Starts a page in a folder and waits until it answers."""
    for name in ("home", "temporary", "model"):
        (folder / name).mkdir()
    (folder / "model/config.yaml").write_text("image_size: 64\n")
    (folder / "model/environment.json").write_text('{"data": {"synthetic": true}}')
    port = free_port()
    environment = {
        **os.environ,
        **HOSTILE,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"),
        "MPLCONFIGDIR": str(folder),
        "SECONDS": str(seconds),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, LIGHT_PAGE, "model", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 120
    while "the page is at" not in (folder / "log").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError((folder / "log").read_text())
        time.sleep(0.1)
    return Served(process, port, folder)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all tests that do not stop it."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip('needs Gradio: pip install -e ".[demo]"')
    page = start_page(tmp_path_factory.mktemp("served"))
    yield page
    page.stop()


@pytest.fixture
def own_page(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts pages that the test stops itself."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip('needs Gradio: pip install -e ".[demo]"')
    started = []

    def start(**options: float) -> Served:
        folder = tmp_path / f"page_{len(started)}"
        folder.mkdir()
        started.append(start_page(folder, **options))
        return started[-1]

    yield start
    for page in started:
        page.process.kill()
        page.process.wait()


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark photo of 320x240 whose upper half is light."""
    image = np.full((240, 320, 3), 40, np.uint8)
    image[:120] = 230
    path = tmp_path_factory.mktemp("photo") / "half.png"
    Image.fromarray(image).save(path)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in which a light square comes and goes twice."""
    path = tmp_path_factory.mktemp("film") / "curl.mp4"
    writer = VideoWriter(path, Fraction(10))
    for i in range(30):
        image = np.full((96, 128, 3), 40, np.uint8)
        side = round(30 * (1 - np.cos(2 * np.pi * i / 15)))
        image[:side, :side] = 230
        writer.add(Frame(i / 10, image))
    writer.close()
    return path
