"""Small exports that are in order; a test damages one thing and looks at what is said about it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.inspection.inspection import read_as_training_does
from tf_muscle.roboflow.reader import check_pixels, open_export, read_export

WIDTH, HEIGHT = 12, 8
NAMES = {
    "train": ["arm_jpg.rf.01.jpg", "arm_jpg.rf.02.jpg", "calf (1)_jpg.rf.03.jpg", "über.PNG"],
    "valid": ["back_jpg.rf.04.jpg"],
    "test": ["chest_jpg.rf.05.jpg"],
}
SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture
def mask_export(tmp_path: Path) -> Path:
    """Classes background, biceps and calf; every mask has two pixels of biceps."""
    root = tmp_path / "muscles"
    for split, names in NAMES.items():
        folder = root / split
        folder.mkdir(parents=True)
        (folder / "_classes.csv").write_text(
            "Pixel Value, Class\n0, background\n1, biceps\n2, calf"
        )
        for name in names:
            write_image(folder / name)
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[1, 2:4] = 1
            Image.fromarray(mask).save(folder / f"{Path(name).stem}_mask.png")
    return root


@pytest.fixture
def coco_export(tmp_path: Path) -> Path:
    """The same photos, each with a biceps of 2x2 pixels; category 0 is Roboflow's placeholder."""
    root = tmp_path / "muscles"
    for split, names in NAMES.items():
        folder = root / split
        folder.mkdir(parents=True)
        for name in names:
            write_image(folder / name)
        document = {
            "categories": [
                {"id": 0, "name": "muscles", "supercategory": "none"},
                {"id": 1, "name": "biceps", "supercategory": "muscles"},
                {"id": 2, "name": "calf", "supercategory": "muscles"},
            ],
            "images": [
                {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}
                for number, name in enumerate(names)
            ],
            "annotations": [
                {
                    "id": number,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [2, 1, 2, 2],
                    "segmentation": [[2, 1, 4, 1, 4, 3, 2, 3]],
                    "iscrowd": 0,
                }
                for number in range(len(names))
            ],
        }
        (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return root


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Gives the message with which an export is refused, and checks that it is one sentence."""

    def read(path: Path, **options: bool) -> str:
        with pytest.raises(UserError) as caught, open_export(path) as root:
            check_pixels(read_export(root, **options))
        message = str(caught.value)
        assert _found_by_inspect(path) == message
        assert message.endswith(".")
        assert ". " not in message
        assert "\n" not in message
        return message

    return read


@pytest.fixture
def real_export() -> Callable[[str], Path]:
    """Finds a real export in the folder `shared` beside the checkout."""

    def find(name: str) -> Path:
        path = SHARED / "exports" / name
        if not path.exists():
            pytest.skip(f"needs the real export {name} in the folder shared beside the checkout")
        return path

    return find


def _found_by_inspect(path: Path) -> str | None:
    """What `tf_muscle.inspect` says of an export: the same as training, in the same words."""
    try:
        with open_export(path) as root:
            return read_as_training_does(root, 0)[1]
    except UserError as error:
        return str(error)


def write_image(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)
