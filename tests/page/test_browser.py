"""The page as a person uses it, in a real Chromium without a window."""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from tests.page.conftest import Served

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 30  # that anything may take
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a webcam
    "--disable-dev-shm-usage",
    "--window-size=1280,1400",
)

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="needs Chromium and its driver: apt-get install -y chromium chromium-driver",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("selenium") is None, reason='needs: pip install -e ".[test]"'
    ),
]


class Page:
    """The page in the browser, with what a person does on it."""

    def __init__(self, driver: "Chrome", url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self) -> None:
        self.driver.get(self.url)
        self.source("#examples img")  # the last to come, so that all is ready to be used

    def find(self, selector: str) -> "WebElement":
        """Waits for an element."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.wait import WebDriverWait

        waiting = WebDriverWait(self.driver, SECONDS)
        return waiting.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))

    def click(self, selector: str) -> None:
        """Waits until an element can be clicked, and clicks it."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.expected_conditions import element_to_be_clickable
        from selenium.webdriver.support.wait import WebDriverWait

        ready = element_to_be_clickable((By.CSS_SELECTOR, selector))
        WebDriverWait(self.driver, SECONDS).until(ready).click()

    def give(self, selector: str, path: Path) -> None:
        """Uploads a file."""
        self.find(f"{selector} input[type=file]").send_keys(str(path))

    def text(self, selector: str, part: str = "") -> str:
        """Waits for a text with something, or a certain part, in it."""
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.wait import WebDriverWait

        def told(_: "Chrome") -> str | None:
            text = self.find(selector).text
            return text if part in text else None

        ignored = [StaleElementReferenceException]
        return WebDriverWait(self.driver, SECONDS, ignored_exceptions=ignored).until(told)

    def source(self, selector: str, other_than: str | None = None) -> str:
        """Waits until an element shows a picture or film, another than before, and is loaded."""
        from selenium.webdriver.support.wait import WebDriverWait

        def loaded(driver: "Chrome") -> str | None:
            return driver.execute_script(
                "const shown = document.querySelector(arguments[0]);"
                "const ready = shown && (shown.naturalWidth || shown.readyState >= 2);"
                "return ready && shown.src != arguments[1] ? shown.src : null;",
                selector,
                other_than,
            )

        return WebDriverWait(self.driver, SECONDS).until(loaded)

    def seek(self, selector: str, seconds: float) -> None:
        """Brings a film to a time and waits until it shows that frame."""
        self.driver.execute_async_script(
            "const [selector, seconds, done] = arguments;"
            "const film = document.querySelector(selector);"
            "film.addEventListener('seeked', () => requestAnimationFrame(() => done()));"
            "film.currentTime = seconds;",
            selector,
            seconds,
        )

    def color(self, selector: str, x: float, y: float) -> list[int]:
        """The RGB of a picture at a share of its width and height."""
        return self.driver.execute_script(
            "const [selector, x, y] = arguments, shown = document.querySelector(selector);"
            "const canvas = document.createElement('canvas');"
            "canvas.width = shown.naturalWidth || shown.videoWidth;"
            "canvas.height = shown.naturalHeight || shown.videoHeight;"
            "const context = canvas.getContext('2d'); context.drawImage(shown, 0, 0);"
            "const [column, row] = [x * canvas.width, y * canvas.height];"
            "return Array.from(context.getImageData(column, row, 1, 1).data.slice(0, 3));",
            selector,
            x,
            y,
        )

    def requests(self) -> set[str]:
        """Every address that the browser has asked for since the last call."""
        events = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }

    def picture(self, name: str) -> None:
        """Keeps a screenshot if SCREENSHOTS names a folder for them."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.driver.get_screenshot_as_file(str(Path(folder) / f"{name}.png"))


@pytest.fixture
def page(served: "Served", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    from selenium import webdriver

    monkeypatch.setenv("SE_OFFLINE", "true")  # Selenium would look for drivers on the network
    monkeypatch.setenv("SE_AVOID_STATS", "true")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield Page(driver, served.url)
    finally:
        driver.quit()


def outside(addresses: set[str], served: "Served") -> set[str]:
    """The addresses that are not the page's own, nor within the browser."""
    own = (served.url, "blob:", "data:", "chrome:", "chrome-untrusted:")
    return {address for address in addresses if not address.startswith(own)}


def test_a_photo_then_the_slider_then_a_broken_file(
    page: Page, served: "Served", photo: Path, tmp_path: Path
) -> None:
    page.open()
    assert "Which muscles are working?" in page.text("h1")
    assert "rendered" in page.text(".hint")
    page.picture("1_empty")

    page.give("#photo", photo)
    overlay = page.source("#overlay img")
    assert page.text("#photo_numbers", "50.00 %")
    assert "<calf>" in page.text("#photo_numbers")
    page.picture("2_photo")
    before, calls = page.color("#overlay img", 0.5, 0.2), served.calls

    from selenium.webdriver.common.keys import Keys

    page.find("#opacity input[type=range]").send_keys(Keys.HOME)
    overlay = page.source("#overlay img", other_than=overlay)
    page.picture("3_opacity")
    after = page.color("#overlay img", 0.5, 0.2)
    assert before[0] < 130  # 40 percent of 230, the rest blue
    assert after == pytest.approx([230, 230, 230], abs=4)
    assert served.calls == calls

    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:80])
    page.click("#photo button[title='Remove Image']")
    page.give("#photo", tmp_path / "broken.jpg")
    problem = page.text("#photo_problem")
    page.picture("4_broken")
    assert problem.startswith("broken.jpg cannot be read as a photo")
    assert str(served.folder) not in problem

    asked = page.requests()
    assert f"{served.url}gradio_api/upload" in {url.partition("?")[0] for url in asked}
    assert outside(asked, served) == set()


def test_a_video_then_a_broken_one(
    page: Page, served: "Served", film: Path, tmp_path: Path
) -> None:
    page.open()
    page.click("button[role=tab]:nth-of-type(2)")
    page.give("#video", film)
    page.source("#video_overlay video")
    page.source("#timeline img")
    assert "biceps 2" in page.text("#video_numbers").replace("\n", " ")
    page.seek("#video_overlay video", 0.75)  # when the square is largest
    page.picture("5_video")
    red, _, blue = page.color("#video_overlay video", 0.1, 0.1)
    assert blue > red + 40  # tinted, where the film is grey

    page.click("#video button[title='Clear'], #video button[aria-label='Clear']")
    (tmp_path / "broken.mp4").write_bytes(film.read_bytes()[:200])
    page.give("#video", tmp_path / "broken.mp4")
    assert page.text("#video_problem").startswith("broken.mp4 ")
    page.picture("6_broken_video")
    assert outside(page.requests(), served) == set()


def test_two_sessions(page: Page, served: "Served", film: Path) -> None:
    page.open()
    page.click("button[role=tab]:nth-of-type(3)")
    page.click("#compare")
    assert page.text("#sessions_problem") == "Give a video for each of the two sessions."
    for letter in "AB":
        page.give(f"#session_{letter}", film)
        page.source(f"#session_{letter} video")
    page.click("#compare")
    page.driver.switch_to.frame(page.find("#comparison iframe"))
    assert page.text("h2", "biceps")
    page.source(".curves img")
    assert "+0.00 s" in page.text("table")
    page.driver.switch_to.default_content()
    assert page.find("#comparison_file").is_displayed()
    page.driver.execute_script("document.querySelector('#comparison').scrollIntoView();")
    page.picture("9_two_sessions")
    assert outside(page.requests(), served) == set()


def test_a_webcam_is_marked_while_it_runs(page: Page, served: "Served") -> None:
    page.open()
    page.click("button[role=tab]:nth-of-type(4)")
    page.click("#webcam .upload-container > div button, #webcam .access-wrap, #webcam .wrap button")
    calls, kept = served.calls, served.kept
    page.click("#webcam .button-wrap button")
    first = page.source("#live_overlay img")
    page.source("#live_overlay img", other_than=first)
    told = page.text("#live_numbers", "pictures a second, latency")
    assert "biceps 0" in told.replace("\n", " ")
    page.picture("10_live")
    page.click("#webcam .button-wrap button")
    assert served.calls >= calls + 2
    assert served.kept == kept  # no picture is written
    assert outside(page.requests(), served) == set()


def test_what_is_no_photo_at_all_is_refused(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("biceps")
    page.open()
    page.give("#photo", tmp_path / "notes.txt")
    assert "notes.txt" in page.text("[data-testid=toast-body]", "image/*")
    page.picture("7_no_photo")


def test_an_example_on_a_phone_in_the_dark(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    page.url += "?__theme=dark"
    page.open()
    page.click("#examples button img")
    page.source("#overlay img")
    assert page.text("#photo_numbers")
    page.picture("8_phone")
    width = page.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390  # nothing has to be scrolled sideways
