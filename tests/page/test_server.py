"""The page's server, as somebody asks it who does not use the page."""

import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError

if TYPE_CHECKING:
    from gradio_client import Client

    from tests.page.conftest import Served

httpx = pytest.importorskip("httpx", reason='comes with: pip install -e ".[demo]"')


@pytest.fixture(scope="module")
def client(served: "Served", tmp_path_factory: pytest.TempPathFactory) -> Iterator["Client"]:
    """A visitor, who takes a second to leave."""
    from gradio_client import Client

    got = tmp_path_factory.mktemp("got")
    visitor = Client(served.url, verbose=False, download_files=str(got))
    yield visitor
    visitor.close()


def upload(path: Path) -> Any:
    from gradio_client import handle_file

    return handle_file(str(path))


def ask(served: "Served", payload: object, function: str = "photo") -> str:
    """Calls a function of the page by its plain protocol; everything that it answers."""
    call = f"{served.url}gradio_api/call/{function}"
    started = httpx.post(call, json={"data": [payload, 60] if function == "photo" else [payload]})
    if not started.is_success:
        return started.text
    return httpx.get(f"{call}/{started.json()['event_id']}", timeout=30).text


def test_another_opacity_does_not_run_the_model(
    served: "Served", client: "Client", photo: Path
) -> None:
    before = served.calls
    overlay, table, problem = client.predict(upload(photo), 60, api_name="/photo")
    assert served.calls == before + 1
    assert "50.00 %" in table
    assert not problem["visible"]
    tinted = np.asarray(Image.open(overlay), float)
    clear = np.asarray(Image.open(client.predict(0, api_name="/opacity")), float)
    assert served.calls == before + 1
    inside = np.s_[20:100, 20:300]
    assert clear[inside] == pytest.approx(230, abs=4)
    expected = 0.4 * np.array([230, 230, 230]) + 0.6 * np.array([0x00, 0x72, 0xB2])
    assert tinted[inside].mean(axis=(0, 1)) == pytest.approx(expected, abs=4)


def test_visitors_do_not_see_each_other(served: "Served", client: "Client", photo: Path) -> None:
    from gradio_client import Client

    client.predict(upload(photo), 60, api_name="/photo")
    other = Client(served.url, verbose=False)
    assert other.predict(0, api_name="/opacity") is None
    other.close()


def huge(path: Path) -> Path:
    Image.new("1", (10_000, 5_001)).save(path)
    return path


def svg(path: Path) -> Path:
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    return path


def text(path: Path) -> Path:
    path.write_text("biceps")
    return path


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("huge.png", huge, "huge.png has 10000x5001 pixels, more than 50,000,000"),
        ("drawing.svg", svg, "drawing.svg cannot be read as a photo"),
        ("notes.jpg", text, "notes.jpg cannot be read as a photo"),
    ],
)
def test_what_is_no_photo_is_told_by_name(
    served: "Served", client: "Client", tmp_path: Path, name: str, make: Callable, told: str
) -> None:
    overlay, table, problem = client.predict(upload(make(tmp_path / name)), 60, api_name="/photo")
    assert overlay is None
    assert table == ""
    assert problem["visible"]
    assert told in problem["value"]
    assert str(served.folder) not in problem["value"]


def test_what_is_no_video_is_told_by_name(client: "Client", tmp_path: Path) -> None:
    answer = client.predict(upload(text(tmp_path / "film.mp4")), api_name="/video")
    assert "film.mp4 cannot be read as a video" in answer[-1]["value"]


def test_two_sessions(served: "Served", client: "Client", film: Path, tmp_path: Path) -> None:
    broken = upload(text(tmp_path / "film.mp4"))
    *_, problem = client.predict(upload(film), broken, api_name="/sessions")
    assert "film.mp4 cannot be read as a video" in problem["value"]
    assert str(served.folder) not in problem["value"]
    shown, file, problem = client.predict(upload(film), upload(film), api_name="/sessions")
    assert not problem["visible"]
    assert "srcdoc=" in shown
    page = Path(file["value"] if isinstance(file, dict) else file).read_text(encoding="utf-8")
    assert "biceps 2 and 2" in page
    assert str(served.folder) not in page


def test_a_large_upload_is_refused_and_not_kept(served: "Served") -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
        for _ in range(201):
            yield bytes(1_000_000)
        yield b"\r\n--b--\r\n"

    before = served.kept
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = httpx.post(
        f"{served.url}gradio_api/upload", content=body(), headers=headers, timeout=60
    )
    assert answer.status_code == 413
    assert "maximum allowed size" in answer.text
    assert served.kept == before


def uploaded(served: "Served", name: str, content: bytes) -> Path:
    """Uploads by the plain protocol: where the server put it."""
    answer = httpx.post(f"{served.url}gradio_api/upload", files={"files": (name, content)})
    answer.raise_for_status()
    return Path(answer.json()[0])


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "..\\evil.png", "....//evil"])
def test_an_upload_stays_in_the_folder(served: "Served", name: str) -> None:
    path = uploaded(served, name, b"evil")
    (folder,) = (served.folder / "temporary").iterdir()
    assert path.resolve().is_relative_to(folder)
    assert path.read_bytes() == b"evil"
    assert httpx.get(f"{served.url}gradio_api/file={path}").content == b"evil"


@pytest.mark.parametrize("template", [
    "/etc/passwd", "//etc/passwd", "{up}/../../../../../../../../../../etc/passwd",
    "{up}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "{up}/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "..%5c..%5c..%5cetc/passwd", "/proc/self/environ", "/proc/self/cmdline",
    "{cwd}/calls", "{cwd}/model/environment.json", "{cwd}/log", "calls", "model/config.yaml",
    "{package}/demo.py", "file:///etc/passwd",
])  # fmt: skip
@pytest.mark.parametrize("route", ["gradio_api/file=", "file=", "gradio_api/file/", "static/"])
def test_no_other_file_is_served(served: "Served", route: str, template: str) -> None:
    up = uploaded(served, "x.png", b"x").parent
    package = Path(__file__).parents[2] / "tf_muscle"
    path = template.format(up=up, cwd=served.folder, package=package)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        # Not by httpx, which would tidy the path before it is sent.
        request = f"GET /{route}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert int(answer.split()[1]) in (403, 404, 405), answer[:300]
    for secret in (b"root:", b"GRADIO", b"synthetic", b"image_size"):
        assert secret not in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("function", ["photo", "video", "live"])
@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
@pytest.mark.parametrize("path", ["/etc/passwd", "model/environment.json", "/proc/self/environ"])
def test_no_other_file_is_read(served: "Served", function: str, meta: dict, path: str) -> None:
    answer = ask(served, {"path": path, **meta}, function)
    assert "event: error" in answer
    assert "root:" not in answer
    assert "cannot be read" not in answer  # it was not even opened


@pytest.mark.parametrize("function", ["photo", "video", "live"])
def test_no_address_is_fetched(served: "Served", function: str) -> None:
    url = "http://example.invalid/photo.png"
    payload = {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}
    answer = ask(served, payload, function)
    assert "event: error" in answer
    assert f"{url} is not fetched" in answer


def test_a_gradio_that_fetches_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gradio = pytest.importorskip("gradio", reason='comes with: pip install -e ".[demo]"')
    from tf_muscle.page import server

    monkeypatch.delattr(gradio.processing_utils, server.DOWNLOAD)  # there in the tested version
    page = gradio.Blocks(analytics_enabled=False)
    with pytest.raises(UserError, match=r"cannot keep gradio .* from fetching addresses"):
        server.launch(page, "127.0.0.1", 1, share=False)
    assert not hasattr(gradio.processing_utils, server.DOWNLOAD)


def test_pages_of_gradio_that_are_off(served: "Served") -> None:
    for route in ("monitoring", "gradio_api/runs", "gradio_api/mcp/sse"):
        assert httpx.get(served.url + route).status_code in (403, 404), route
    config = httpx.get(served.url + "config").json()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert not config["is_colab"]


def test_the_page_names_no_other_host_to_load_from(served: "Served") -> None:
    page = httpx.get(served.url).text + httpx.get(f"{served.url}theme.css").text
    loaded = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(https?://[^\"')\s>]+)", page)
    assert [url for url in loaded if not url.startswith(served.url)] == []


def test_only_this_computer_is_let_in(served: "Served") -> None:
    # 127.0.0.2 is this computer, too, on Linux, but another address than the page listens on.
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection(("127.0.0.2", served.port), timeout=2)


def test_another_site_may_not_ask(served: "Served") -> None:
    answer = httpx.get(f"{served.url}config", headers={"Origin": "https://evil.example"})
    assert answer.headers.get("Access-Control-Allow-Origin") in (None, "http://127.0.0.1")


def test_nothing_is_left_on_the_disk(
    own_page: Callable[..., "Served"], photo: Path, film: Path
) -> None:
    from gradio_client import Client

    page = own_page()
    before = {path.name for path in page.folder.iterdir()}
    client = Client(page.url, verbose=False, download_files=False)
    client.predict(upload(photo), 60, api_name="/photo")
    client.predict(upload(film), api_name="/video")
    client.close()
    names = {Path(path).name for path in page.kept}
    assert {"half.png", "curl.mp4", "overlay.mp4", "timeline.png"} <= names
    assert page.stop(signal.SIGINT) == 0
    assert page.kept == []
    assert {path.name for path in page.folder.iterdir()} - before == {"calls"}


def test_a_kill_gives_up_a_video(own_page: Callable[..., "Served"], film: Path) -> None:
    page = own_page(seconds=1.0)
    path = uploaded(page, "curl.mp4", film.read_bytes())
    payload = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    httpx.post(f"{page.url}gradio_api/call/video", json={"data": [payload]}).raise_for_status()
    deadline = time.monotonic() + 30
    while not page.calls and time.monotonic() < deadline:
        time.sleep(0.05)
    assert page.calls == 1
    start = time.monotonic()
    assert page.stop(signal.SIGTERM) == 0
    assert time.monotonic() - start < 10
    assert page.calls <= 2  # of the four that the video takes
    assert page.kept == []
    assert "Traceback" not in (page.folder / "log").read_text()
