import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from light_model import light
from PIL import Image

from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction.photos import Photo, open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import ResultsFolder
from tf_muscle.prediction.stream import predict_photos

NAMES = ("background", "biceps")
opened: list[str] | None = None  # files, while a test looks


def note_opened(event: str, arguments: tuple) -> None:
    if opened is not None and event == "open":
        opened.append(str(arguments[0]))


sys.addaudithook(note_opened)  # nothing removes it


@pytest.mark.parametrize(
    ("name", "orientation", "copied"),
    [
        ("a.jpg", 1, True), ("a.png", 1, True), ("a.jpg", 6, False), ("a.png", 6, False),
        ("a.tif", 1, False), ("a.gif", 1, False),
    ],
)  # fmt: skip
def test_no_photo_is_opened_twice(
    name: str, orientation: int, copied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = orientation
    pages = [Image.new("L", (32, 24), level) for level in (255, 0)]
    options = {"save_all": True, "append_images": pages[1:]} if name[-3:] in ("tif", "gif") else {}
    pages[0].save(path, exif=exif, **options)
    monkeypatch.setattr(sys.modules[__name__], "opened", [])
    predictor = Predictor(light, NAMES, Geometry("pad", 32))
    with ResultsFolder(tmp_path / "out", NAMES, "both") as results:
        for prediction in predict_photos(predictor, [open_photo(path)]):
            results.add_photo(prediction)
    assert opened is not None
    assert opened.count(str(path)) == 1
    written = tmp_path / "out/train" / (name if copied else "a.jpg")
    assert (written.read_bytes() == path.read_bytes()) == copied
    assert prediction.photo.has_more == bool(options)
    assert prediction.class_ids.shape == ((32, 24) if orientation == 6 else (24, 32))


def test_photos_are_taken_a_batch_at_a_time() -> None:
    taken = []

    def photos() -> Iterator[Photo]:
        for i in range(5):
            taken.append(i)
            image = np.full((8, 6 + i, 3), 51 * i, np.uint8)
            yield Photo(Path(f"{i}.jpg"), image, False, None)

    predictor = Predictor(light, NAMES, Geometry("stretch", 16), batch_size=2)
    counts = []
    for i, prediction in enumerate(predict_photos(predictor, photos())):
        counts.append(len(taken))
        assert prediction.photo.path == Path(f"{i}.jpg")
        assert prediction.image is prediction.photo.image
        (biceps,) = prediction.rows
        assert biceps.active == (51 * i > 127)
        assert (prediction.class_ids == biceps.active).all()
        if biceps.active:
            assert biceps.mean_probability == pytest.approx(i / 5, abs=1e-6)
    assert counts == [2, 2, 4, 4, 5]
