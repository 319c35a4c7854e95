"""A clean export of drawn photos; a test spoils one thing and looks at what is found."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.inspection.checks import find
from tf_muscle.inspection.findings import Evidence, Finding
from tf_muscle.inspection.inspection import read_as_training_does
from tf_muscle.inspection.leakage import find_links
from tf_muscle.inspection.measure import Survey, survey

SIZE = 256
CLASSES = "Pixel Value, Class\n0, background\n1, biceps\n2, calf"
COUNTS = {"train": 8, "valid": 3, "test": 3}
SHARED = Path(__file__).parents[3] / "shared"


@dataclass(frozen=True)
class DrawnExport:
    """An export on disk, and the means to spoil it."""

    root: Path

    @staticmethod
    def photo(seed: int) -> np.ndarray:
        """Soft blobs, RGB, uint8 [256, 256, 3], of which no two seeds look the same."""
        small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
        return np.asarray(Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.BICUBIC))

    @staticmethod
    def mask() -> np.ndarray:
        """A biceps of 60x40 pixels and a calf of 20x30: uint8 [256, 256]."""
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[40:100, 50:90] = 1
        mask[150:170, 200:230] = 2
        return mask

    def add(self, file: str, photo: np.ndarray, mask: np.ndarray) -> None:
        """Adds "train/X.jpg" with its mask."""
        path = self.root / file
        Image.fromarray(photo).save(path, quality=95)
        Image.fromarray(mask).save(path.with_name(f"{path.stem}_mask.png"))

    def rename(self, file: str, name: str) -> None:
        """Gives a photo and its mask another name in the same split."""
        path = self.root / file
        path.rename(path.with_name(name))
        mask = path.with_name(f"{path.stem}_mask.png")
        mask.rename(path.with_name(f"{Path(name).stem}_mask.png"))

    def set_masks(self, mask: np.ndarray, *splits: str) -> None:
        """Gives all photos of some splits one mask."""
        for split in splits:
            for path in (self.root / split).glob("*_mask.png"):
                Image.fromarray(mask).save(path)


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "gym"
    export = DrawnExport(root)
    seed = 0
    for split, count in COUNTS.items():
        (root / split).mkdir(parents=True)
        (root / split / "_classes.csv").write_text(CLASSES)
        for _ in range(count):
            name = f"person{seed}_jpg.rf.{seed:02}.jpg"
            export.add(f"{split}/{name}", export.photo(seed), export.mask())
            seed += 1
    return root


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> DrawnExport:
    """8 train, 3 valid and 3 test photos, both classes in each."""
    return DrawnExport(Path(shutil.copytree(drawn_once, tmp_path / "gym")))


@pytest.fixture
def surveyed() -> Callable[[Path], Survey]:
    """Surveys an export that training accepts."""
    return lambda root: survey(read_as_training_does(root, 0)[0])


@pytest.fixture
def found() -> Callable[..., dict[str, Finding]]:
    """The findings in an export, by check."""

    def inspect(root: Path, **options: int) -> dict[str, Finding]:
        export, refusal = read_as_training_does(root, 0, **options)
        looked_at = survey(export)
        findings = find(Evidence(looked_at, find_links(looked_at.images), refusal))
        return {finding.check: finding for finding in findings}

    return inspect


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Finds a file in the folder `shared` beside the checkout."""

    def locate(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {name} in the folder shared beside the checkout")
        return path

    return locate
