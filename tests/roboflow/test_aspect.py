"""The shape that photos are padded to, from sizes of which the middle is known."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.roboflow.reader import middle_aspect, read_export


def export_of(folder: Path, sizes: list[tuple[int, int]], orientation: int = 1) -> Path:
    """An export with a photo of each (width, height), as viewers show it, in every split."""
    train = folder / "train"
    train.mkdir(parents=True)
    (train / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, biceps")
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, (width, height) in enumerate(sizes):
        mask = np.zeros((height, width), np.uint8)
        mask[:2] = 1
        Image.fromarray(mask).save(train / f"photo{number}_mask.png")
        stored = (width, height) if orientation == 1 else (height, width)
        Image.new("RGB", stored).save(train / f"photo{number}.jpg", exif=exif)
    for split in ("valid", "test"):
        shutil.copytree(train, folder / split)
        for path in (folder / split).glob("photo*"):
            path.rename(path.with_name(f"{split}_{path.name}"))
    return folder


@pytest.mark.parametrize(
    ("sizes", "aspect"),
    [
        ([(276, 416)] * 3, 0.6635),
        ([(192, 108)] * 2, 1.7778),
        ([(160, 90), (90, 160), (160, 90)], 1.0),  # portraits and landscapes
        ([(200, 100), (100, 50), (50, 100)], 1.0),
        ([(160, 120), (160, 90)], 1.5396),  # the root of 4/3 x 16/9
        ([(160, 90)] * 39 + [(90, 160)], 1.7778),  # an odd one does not decide
        ([(1200, 96)] * 2, 10.0),  # the most that --aspect takes
    ],
)
def test_middle(sizes: list[tuple[int, int]], aspect: float, tmp_path: Path) -> None:
    assert middle_aspect(read_export(export_of(tmp_path, sizes))) == aspect


def test_photos_are_taken_as_they_are_shown(tmp_path: Path) -> None:
    turned = export_of(tmp_path, [(60, 90)], orientation=6)
    assert middle_aspect(read_export(turned)) == 0.6667
