"""`evaluate` and `predict` see a photo alike: the one scores what the other marks."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import jaccard_score
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.evaluate import main as evaluate
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.unet import CORE, HEAD, build_unet
from tf_muscle.predict import main as predict
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.train import main as train

NAMES = ["background", "biceps", "triceps", "calf"]
SHAPES = [(96, 60), (60, 96), (64, 64), (40, 150), (33, 47)]  # height, width


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of five shapes, JPEG and PNG, one of them turned by EXIF."""
    root = tmp_path_factory.mktemp("shapes") / "export"
    random = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        folder = root / split
        folder.mkdir(parents=True)
        lines = ["Pixel Value, Class", *(f"{i}, {name}" for i, name in enumerate(NAMES))]
        (folder / "_classes.csv").write_text("\n".join(lines))
        for number, (height, width) in enumerate(SHAPES):
            small = Image.fromarray(random.integers(0, 256, (7, 7, 3), np.uint8))
            photo = small.resize((width, height), Image.Resampling.BICUBIC)
            ids = Image.fromarray(random.integers(0, 4, (5, 5)).astype(np.uint8))
            mask = ids.resize((width, height), Image.Resampling.NEAREST)
            name, exif = f"{split}{number}", photo.getexif()
            if (
                number == 0
            ):  # stored lying; viewers turn it, and the mask was drawn on what they show
                exif[0x0112] = 6
                photo = photo.transpose(Image.Transpose.ROTATE_90)
            suffix = ".png" if number % 2 else ".jpg"
            photo.save(folder / f"{name}{suffix}", exif=exif, quality=95)
            mask.save(folder / f"{name}_mask.png")
    return root


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that mark all four classes."""
    keras.utils.set_random_seed(1)
    model = build_unet(len(NAMES), encoder="resnet18", fused=False)
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    logits = np.array(model(noise))
    head = model.get_layer(CORE).get_layer(HEAD)
    head.bias.assign(head.bias - logits.mean(axis=(0, 1, 2)))
    path = tmp_path_factory.mktemp("network") / "best.keras"
    model.save(path)
    return path


def test_photos_of_one_shape_fill_the_square(
    small_export: Path, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    """With `aspect: 0` their shape reaches all that a training writes."""
    export = Path(shutil.copytree(small_export, tmp_path / "export"))
    for path in [*export.rglob("*.jpg"), *export.rglob("*.png")]:
        with Image.open(path) as image:
            wide = image.resize((96, 64), Image.Resampling.NEAREST)
        wide.save(path)
    assert run_command(train, small_run(export, tmp_path, run_name="wide", epochs=1, aspect=0)) == 0
    run, exported = tmp_path / "runs" / "wide", tmp_path / "saved_models" / "wide"
    options = yaml.safe_load((run / "config.yaml").read_text())
    assert (options["resize"], options["aspect"]) == ("pad", 1.5)
    expected = Geometry("pad", 32, 1.5)
    for model in (run, run / "best.keras", exported):
        assert load_predictor(model).geometry == expected
    assert "they were 1.5 times as wide as high" in (exported / "README.md").read_text()
    photos = [axes for figure in drawn_figures for axes in figure.axes if axes.images]
    assert [a for a in photos if a.bbox.width / a.bbox.height == pytest.approx(1.5, rel=0.01)]


@pytest.mark.parametrize(("resize", "aspect"), [("pad", 1.0), ("pad", 0.7), ("stretch", 1.0)])
def test_evaluate_and_predict_agree(
    resize: str,
    aspect: float,
    export: Path,
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    run = tmp_path / "runs" / "shapes"
    run.mkdir(parents=True)
    shutil.copy(network, run / "best.keras")
    options = {"data": str(export), "image_size": 64, "resize": resize}
    options |= {"aspect": aspect, "encoder": "resnet18"}
    (run / "config.yaml").write_text(yaml.safe_dump(options))
    environment = {"loss": SegmentationLoss().get_config(), "data": {"class_names": NAMES}}
    (run / "environment.json").write_text(json.dumps(environment))

    assert run_command(evaluate, [str(run)]) == 0
    (evaluated,) = (run / "evaluations").iterdir()
    own_size = json.loads(evaluated.read_text())["own_size"]
    out = tmp_path / "predicted"
    words = [str(run), str(export / "test"), "--out", str(out), "--format", "mask"]
    assert run_command(predict, words) == 0
    truths, marked = [], []
    for path in sorted((export / "test").glob("*_mask.png")):
        truths.append(np.asarray(Image.open(path)).ravel())
        marked.append(np.asarray(Image.open(out / "train" / path.name)).ravel())
    truth, prediction = np.concatenate(truths), np.concatenate(marked)
    assert len(np.unique(prediction)) == len(NAMES)
    iou = jaccard_score(truth, prediction, average=None, labels=range(len(NAMES)))
    assert own_size["mean_iou"] == pytest.approx(iou.mean(), abs=0.002)
    assert own_size["foreground_mean_iou"] == pytest.approx(iou[1:].mean(), abs=0.002)
