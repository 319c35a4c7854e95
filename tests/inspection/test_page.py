import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from page_content import PageContent
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.inspection.inspection import inspect_export, read_as_training_does
from tf_muscle.inspection.measure import survey
from tf_muscle.inspection.page import thumbnail

# All that the template itself writes.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "section"),
    *("div", "span", "figure", "figcaption", "img", "details", "summary", "ul", "li", "code"),
    *("table", "tr", "th", "td"),
}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "class", "style", "src", "alt"}


def written(root: Path, out: Path) -> tuple[PageContent, dict[str, Any]]:
    inspect_export(str(root), out)
    return PageContent(out / "inspection.html"), json.loads((out / "inspection.json").read_text())


def test_thumbnail_shows_the_photo_upright(drawn: Any) -> None:
    """Red above blue for whoever looks at it, stored upside down; the muscle is in the red."""
    photo = np.zeros((60, 40, 3), np.uint8)
    photo[:30, :, 0] = photo[30:, :, 2] = 255
    mask = np.zeros((60, 40), np.uint8)
    mask[5:25, 10:30] = 1
    path = drawn.root / "train" / "person0_jpg.rf.00.jpg"
    drawn.add("train/person0_jpg.rf.00.jpg", photo, mask)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(photo))).save(path, exif=exif, quality=95)
    image = survey(read_as_training_does(drawn.root, 0)[0]).images[0]
    assert image.size == (40, 60)
    uri = thumbnail(image, [1])
    drawn_photo = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    shown = np.asarray(drawn_photo.convert("RGB")).astype(int)
    assert shown.shape == (60, 40, 3)
    assert np.abs(shown[2, 2] - [255, 0, 0]).max() < 40
    assert np.abs(shown[50, 20] - [0, 0, 255]).max() < 40
    assert np.abs(shown[15, 20] - [255, 0, 0]).max() > 60  # tinted


def test_clean_export(drawn: Any, tmp_path: Path) -> None:
    page, record = written(drawn.root, tmp_path / "out")
    assert record["verdict"] == "You can train on this"
    assert "You can train on this" in page.text
    assert "Nothing was found." in page.text
    assert "8 training, 3 validation and\n  3 test images of 2 classes" in page.text
    assert record["splits"]["test"]["pixels"] == {
        "background": 3 * (256**2 - 3000),
        "biceps": 3 * 2400,
        "calf": 3 * 600,
    }
    # By hand: background's share of the pixels over three classes.
    floor = (256**2 - 3000) / 256**2 / 3
    assert record["splits"]["test"]["floor_mean_iou"] == pytest.approx(floor)
    assert f"{floor:.4f}" in page.text
    assert record["classes"]["calf"]["median_share"] == pytest.approx(600 / 256**2)
    assert not record["synthetic"]


def test_page_loads_nothing(drawn: Any, tmp_path: Path) -> None:
    page, _ = written(drawn.root, tmp_path / "out")
    assert set(page.tags) <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES | {"title"}
    sources = [value or "" for name, value in page.attributes if name == "src"]
    assert len(sources) == 2 * (1 + 6)  # a heat map and six photos of each class
    assert all(source.startswith("data:image/") for source in sources)
    text = (tmp_path / "out" / "inspection.html").read_text()
    assert "://" not in text
    assert "default-src 'none'" in text


def test_hostile_names(drawn: Any, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    for path in drawn.root.glob("*/_classes.csv"):
        path.write_text(f'Pixel Value, Class\n0, background\n1, {evil}\n2, " onload=""x"')
    name = '"><img src=x onerror=alert(1)>{{ 7 * 7 }}.jpg'
    drawn.rename("test/person11_jpg.rf.11.jpg", name)
    drawn.add(f"test/{name}", drawn.photo(11), np.zeros_like(drawn.mask()))
    root = drawn.root.rename(tmp_path / "<b>gym & co")
    page, record = written(root, tmp_path / "out")
    assert set(page.tags) <= TAGS
    assert {key for key, _ in page.attributes} <= ATTRIBUTES | {"title"}
    assert evil in page.text
    assert f"test/{name}" in page.text
    assert "<b>gym & co" in page.text
    assert record["class_names"][1] == evil


def test_name_that_is_no_text(drawn: Any, tmp_path: Path) -> None:
    name = b"rest\xff_jpg.rf.99.jpg".decode("utf-8", "surrogateescape")
    try:
        drawn.add(f"test/{name}", drawn.photo(99), np.zeros_like(drawn.mask()))
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(UserError, match=r"not UTF-8 \(2\): test/rest"):
        written(drawn.root, tmp_path / "out")


def test_many_files_are_counted_on_the_page_and_all_in_the_record(
    drawn: Any, tmp_path: Path
) -> None:
    for number in range(13):
        mask = np.zeros_like(drawn.mask())
        drawn.add(f"train/rest{number:02}_jpg.rf.99.jpg", drawn.photo(100 + number), mask)
    page, record = written(drawn.root, tmp_path / "out")
    (finding,) = record["findings"]
    assert finding["files"] == [[f"train/rest{i:02}_jpg.rf.99.jpg"] for i in range(13)]
    assert "and 3 more, in inspection.json" in page.text
    assert "rest09_jpg" in page.text
    assert "rest10_jpg" not in page.text


def test_class_without_images(drawn: Any, tmp_path: Path) -> None:
    mask = drawn.mask()
    mask[mask == 2] = 0
    drawn.set_masks(mask, "train", "valid", "test")
    page, record = written(drawn.root, tmp_path / "out")
    assert "No image holds it." in page.text
    assert record["classes"]["calf"]["median_share"] is None
    assert record["verdict"] == "You can train on this, but look at the warnings first"


def test_thumbnails_stand_upright(tmp_path: Path) -> None:
    """EXIF 6 is shown turned clockwise: what is stored on the left comes to the top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((20, 40, 3), np.uint8)
    stored[:, :20] = 255
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    image: Any = SimpleNamespace(example=SimpleNamespace(image_path=tmp_path / "photo.png"))
    data = base64.b64decode(thumbnail(image, []).partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert shown.shape == (40, 20)
    assert shown[:16].min() > 200 > 50 > shown[24:].max()
