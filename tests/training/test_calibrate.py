"""`evaluate --calibrate` on a run whose model can be computed by hand, and what uses its result."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.metrics import jaccard_score

from tf_muscle.command import run_command
from tf_muscle.evaluate import main as evaluate
from tf_muscle.predict import main as predict
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.roboflow.archive import fingerprint
from tf_muscle.runs.calibration import Calibration, read_calibration
from tf_muscle.runs.encoder import HubEncoder
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import FoldPhoto, Folds

NAMES = ["background", "biceps", "calf"]
# Of R, G, B in [0, 1]: red light is biceps, green calf. The truth is drawn with logits of a third.
KERNEL = np.array([[0, 12, 0], [0, 0, 12], [0, 0, 0]], np.float32)
BIAS = np.array([6, 0, 0], np.float32)


def write_export(root: Path, *, muscles: bool = True) -> Path:
    """Photos of noise whose masks are drawn with probabilities softmax(logits / 3)."""
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("valid", 8), ("test", 4)):
        folder = root / split
        folder.mkdir(parents=True)
        lines = ["Pixel Value, Class", *(f"{i}, {name}" for i, name in enumerate(NAMES))]
        (folder / "_classes.csv").write_text("\n".join(lines))
        for number in range(count):
            photo = random.integers(0, 256, (48, 48, 3), np.uint8)
            logits = (photo / 255 @ KERNEL + BIAS) / 3
            noise = random.gumbel(size=logits.shape)  # the largest is drawn as softmax says
            mask = (logits + noise).argmax(-1).astype(np.uint8)
            if split == "valid" and not muscles:
                mask[:] = 0
            Image.fromarray(photo).save(folder / f"{split}{number}.png")
            Image.fromarray(mask).save(folder / f"{split}{number}_mask.png")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("calibrated")
    return write_run(root, write_export(root / "export"))


def write_run(root: Path, export: Path, size: int | None = None) -> RunFolder:
    run = RunFolder(root / "runs" / "mine")
    run.path.mkdir(parents=True)
    images = keras.Input((size, size, 3), dtype="uint8")
    layer = keras.layers.Conv2D(3, 1)
    model = keras.Model(images, layer(keras.layers.Rescaling(1 / 255)(images)))
    layer.set_weights([KERNEL[None, None], BIAS])
    model.save(run.model)
    options = {
        "data": str(export), "image_size": 48, "resize": "pad", "encoder": "resnet18",
        "data_dir": str(root / "prepared"),
    }  # fmt: skip
    run.config.write_text(yaml.safe_dump(options))
    data = {"class_names": NAMES, "fingerprint": fingerprint(export)}
    run.environment.write_text(json.dumps({"data": data}))
    return run


@pytest.fixture(scope="module")
def calibrated(run: RunFolder) -> RunFolder:
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 0
    for name, content in before.items():  # run.json has the SHA-256 of some of these
        assert (run.path / name).read_bytes() == content
    return run


def test_the_planted_temperature_is_in_the_run(calibrated: RunFolder) -> None:
    record = json.loads(calibrated.calibration.read_text())
    assert record["temperature"] == pytest.approx(3, rel=0.1)
    assert record["tta"] == "none"  # the model sees each pixel by itself
    chosen_on = record["chosen_on"]
    assert (chosen_on["split"], chosen_on["image_count"]) == ("valid", 8)
    test = record["scores"]["test"]
    errors = [test[when]["calibration_error"]["foreground"] for when in ("before", "after")]
    assert errors[1] < 0.05 < 0.2 < errors[0]


def test_an_encoder_of_one_size_is_calibrated_at_that_size(tmp_path: Path) -> None:
    run = write_run(tmp_path, write_export(tmp_path / "export"), size=48)
    options = yaml.safe_load(run.config.read_text()) | {"encoder": "kerashub:mit"}
    run.config.write_text(yaml.safe_dump(options))
    one = (1.0, 1.0, 1.0)
    run.encoder.write_text(json.dumps(HubEncoder("mit", "{}", one, one, size=48).to_json()))
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 0
    assert json.loads(run.calibration.read_text())["temperature"] == pytest.approx(3, rel=0.1)


def test_photos_that_are_seen_in_windows(tmp_path: Path) -> None:
    """Their resizing smooths the noise, and the planted temperature with it."""
    run = write_run(tmp_path, write_export(tmp_path / "export"))
    run.config.write_text(run.config.read_text() + "aspect: 0.5\n")
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 0
    assert 1 < json.loads(run.calibration.read_text())["temperature"] < 6


def test_the_scores_are_those_of_what_predict_writes(
    calibrated: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(calibrated.calibration.read_text())["scores"]["test"]
    export = Path(yaml.safe_load(calibrated.config.read_text())["data"])
    photos = [str(path) for path in sorted((export / "test").glob("test?.png"))]
    truth = [np.asarray(Image.open(path.replace(".png", "_mask.png"))) for path in photos]
    settings = read_calibration(calibrated.calibration, NAMES).described(NAMES)
    for when, words in (("before", ["--no_calibration"]), ("after", [])):
        out = tmp_path / when
        command = [str(calibrated.path), *photos, "--out", str(out), "--format", "mask", *words]
        assert run_command(predict, command) == 0
        assert (f"masks by {settings}" in capsys.readouterr().err) == (when == "after")
        masks = [np.asarray(Image.open(out / f"train/test{i}_mask.png")) for i in range(4)]
        expected = jaccard_score(
            np.ravel(truth), np.ravel(masks), average=None, labels=range(len(NAMES))
        )
        assert list(record[when]["iou"].values()) == pytest.approx(expected)
        assert record[when]["foreground_mean_iou"] == pytest.approx(expected[1:].mean())


def test_the_page_tells_what_the_file_holds(calibrated: RunFolder) -> None:
    record = json.loads(calibrated.calibration.read_text())
    page = calibrated.calibration.with_suffix(".md").read_text()
    assert page.startswith("# Calibration of mine\n")
    assert f"temperature {record['temperature']:.2f}" in page
    for pair in record["scores"].values():
        for one in pair.values():
            assert f"{one['foreground_mean_iou']:.3f}" in page
            assert f"{one['calibration_error']['classes']['calf']:.3f}" in page
    with Image.open(calibrated.calibration.with_suffix(".png")) as figure:
        assert figure.format == "PNG"


def test_a_calibration_is_never_overwritten(
    calibrated: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = calibrated.calibration.read_bytes()
    assert run_command(evaluate, [str(calibrated.path), "--calibrate"]) == 2
    assert "calibration.json exists and is never overwritten" in capsys.readouterr().err
    assert calibrated.calibration.read_bytes() == before
    assert load_predictor(calibrated).calibration != Calibration()


@pytest.mark.parametrize("words", [["--split", "test"], ["--allow_leakage"], ["--ignore", "255"]])
def test_options_that_would_do_nothing_are_refused(
    words: list[str], run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(evaluate, [str(run.path), "--calibrate", *words]) == 2
    assert f"{words[0]} has no meaning with --calibrate" in capsys.readouterr().err


def test_other_photos_are_refused(
    run: RunFolder, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = RunFolder(shutil.copytree(run.path, tmp_path / "other"))
    other.calibration.unlink(missing_ok=True)
    words = [str(other.path), "--calibrate", "--data", str(small_export)]
    assert run_command(evaluate, words) == 2
    error = capsys.readouterr().err
    assert f"--data {small_export} is not the export that" in error
    assert error.count("\n") == 1
    assert not other.calibration.exists()


def test_validation_photos_without_muscle_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path, write_export(tmp_path / "export", muscles=False))
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 2
    error = capsys.readouterr().err
    assert "have no muscle in their masks" in error
    assert "Traceback" not in error
    assert not run.calibration.exists()


def test_the_photos_of_a_run_that_divided_them_itself(
    calibrated: RunFolder, tmp_path: Path
) -> None:
    """The same photos in train/ alone, of which the run's split.json makes the same splits."""
    export = write_export(tmp_path / "export")
    photos = {}
    for split in ("train", "valid", "test"):
        found = sorted((export / split).glob("*[0-9].png"))
        photos[split] = [f"train/{path.name}" for path in found]
        for path in (export / split).glob(f"{split}[0-9]*") if split != "train" else ():
            path.rename(export / "train" / path.name)
    for split in ("valid", "test"):
        shutil.rmtree(export / split)
    run = write_run(tmp_path, export)
    options = yaml.safe_load(run.config.read_text()) | {"split_groups": True}
    run.config.write_text(yaml.safe_dump(options))
    counts = {split: [1, 1, 1] for split in photos}
    run.split.write_text(json.dumps({"photos": photos, "pixel_counts": counts}))
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 0
    here, there = (json.loads(one.calibration.read_text()) for one in (run, calibrated))
    assert here["chosen_on"]["image_count"] == 8
    assert here["temperature"] == pytest.approx(there["temperature"], abs=1e-6)
    for split in ("valid", "test"):  # the photos' order, and with it the bootstrap's, is another
        for when in ("before", "after"):
            assert here["scores"][split][when]["iou"] == there["scores"][split][when]["iou"]


def test_folds_are_calibrated_on_photos_that_their_models_did_not_see(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    run = RunFolder(tmp_path / "runs" / "two")
    for number in (1, 2):
        written = write_run(tmp_path / f"fold{number}", export)
        shutil.copytree(written.path, run.fold_run(number).path)
    blind = keras.saving.load_model(run.fold_run(2).model)  # marks nothing
    blind.layers[-1].set_weights([0 * KERNEL[None, None], BIAS])
    blind.save(run.fold_run(2).model)
    shutil.copy(run.fold_run(1).config, run.config)
    names = [path for split in ("train", "valid", "test") for path in (export / split).glob("*g")]
    photos = sorted(path for path in names if "mask" not in path.name)
    folds = Folds(
        count=2,
        fingerprint=fingerprint(export),
        photos=tuple(
            FoldPhoto(path.name, path.parent.name, path.name, 1 + i % 2, (2 - i % 2,), (1, 1, 1))
            for i, path in enumerate(photos)
        ),
    )
    run.folds.write_text(json.dumps(folds.to_json()))
    assert run_command(evaluate, [str(run.path), "--calibrate"]) == 0

    record = json.loads(run.calibration.read_text())
    assert record["chosen_on"]["split"] == "out_of_fold"
    assert record["chosen_on"]["image_count"] == 15
    assert record["temperature"] == pytest.approx(3, rel=0.1)  # only fold 1 marks any pixel
    masks, marked = [], []
    for i, path in enumerate(photos):
        masks.append(np.asarray(Image.open(path.with_name(f"{path.stem}_mask.png"))))
        light = np.asarray(Image.open(path)) / 255
        marked.append((light @ KERNEL + BIAS).argmax(-1) if i % 2 == 0 else 0 * masks[-1])
    expected = jaccard_score(np.ravel(masks), np.ravel(marked), average=None, labels=[0, 1, 2])
    before = record["scores"]["out_of_fold"]["before"]
    assert list(before["iou"].values()) == pytest.approx(expected)
    assert "The mean of the folds" in run.calibration.with_suffix(".md").read_text()
    assert load_predictor(run).calibration.temperature == record["temperature"]
    assert load_predictor(run, calibrated=False).calibration == Calibration()
    assert load_predictor(run.fold_run(1)).calibration == Calibration()
