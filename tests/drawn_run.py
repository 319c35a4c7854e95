"""A drawn export and a run of two folds, whose network is always right."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tf_muscle.roboflow.archive import fingerprint
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import FoldPhoto, Folds

CLASSES = ("background", "biceps", "<b>calf</b>", "neck")  # no photo shows a neck
HEIGHT, WIDTH, SIZE = 60, 80, 40  # of the photos, and of the network
COUNTS = {"train": 8, "valid": 2, "test": 2}


def true_mask(number: int) -> np.ndarray:
    """A biceps of 20x20 pixels, and in each third photo a calf: uint8 [60, 80]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:30, 10:30] = 1
    if number % 3 == 0:
        mask[30:50, 50:70] = 2
    return mask


@dataclass(frozen=True)
class Drawn:
    """An export, the run that it was trained in, and the means to spoil either."""

    root: Path
    run: RunFolder

    def mask_path(self, name: str) -> Path:
        return self.root / name.replace(".jpg", "_mask.png")

    def set_mask(self, name: str, mask: np.ndarray) -> None:
        Image.fromarray(mask).save(self.mask_path(name))

    def record_data(self, **options: object) -> None:
        """Makes the run one of the export as it is now."""
        data = {"fingerprint": fingerprint(self.root), "class_names": CLASSES, "name": "drawn"}
        for folder in (self.run, self.run.fold_run(1), self.run.fold_run(2)):
            if folder.path.is_dir():
                folder.environment.write_text(json.dumps({"data": data}))
                own = {"data": str(self.root), "image_size": SIZE, "resize": "pad"} | options
                folder.config.write_text(yaml.safe_dump(own))


def draw(folder: Path) -> Drawn:
    """12 photos, and a run of two folds that recognises every muscle."""
    drawn = Drawn(folder / "gym", RunFolder(folder / "run"))
    photos = []
    number = 0
    for split, count in COUNTS.items():
        (drawn.root / split).mkdir(parents=True)
        rows = "".join(f"{i}, {name}\n" for i, name in enumerate(CLASSES))
        (drawn.root / split / "_classes.csv").write_text(f"Pixel Value, Class\n{rows}")
        for _ in range(count):
            name = f"{split}/photo{number:02}.jpg"
            photo = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            Image.fromarray(photo).save(drawn.root / name)
            drawn.set_mask(name, true_mask(number))
            path = drawn.run.out_of_fold / f"{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, probabilities=probabilities_of(number))
            fold = 1 + number % 2
            photos.append(FoldPhoto(path.stem, split, path.stem, fold, (), (0, 0, 0, 0)))
            number += 1
    drawn.run.folds.write_text(json.dumps(Folds(2, "", tuple(photos)).to_json()))
    for fold in (1, 2):
        drawn.run.fold_run(fold).path.mkdir()
        drawn.run.fold_run(fold).model.touch()
    drawn.record_data()
    return drawn


def probabilities_of(number: int) -> np.ndarray:
    """90 percent for the true class; the photo is in the middle of the square: rows 5 to 34."""
    square = np.zeros((SIZE, SIZE), np.uint8)
    square[5:35] = true_mask(number)[::2, ::2]
    return np.where(np.eye(len(CLASSES))[square] > 0, 0.9, 0.1 / 3).astype(np.float16)
