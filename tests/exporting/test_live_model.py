"""LiteRT files as models of `predict`, and when a camera is predicted by one."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from without_tensorflow import needs_no_tensorflow

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.exporting.packed import pack
from tf_muscle.prediction import live_model as choosing
from tf_muscle.prediction.live_model import live_model
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.folder import RunFolder

NAMES = ("background", "biceps", "triceps", "calf")
PHOTO = np.random.default_rng(5).integers(0, 256, (30, 40, 3), np.uint8)
CHOSEN = Calibration(2.5, "mirror", (0.3, 0.35, 0.2), 0.001)  # of conftest.py


@pytest.fixture
def place(
    exported: Path, small_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with runs/tiny, saved_models/tiny and the LiteRT files; the current one."""
    shutil.copytree(small_run.path, tmp_path / "runs/tiny")
    shutil.copytree(exported, tmp_path / "saved_models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def packed(source: Path, target: Path, calibration: Calibration) -> Path:
    """The same LiteRT file with another calibration packed into it."""
    content = source.read_bytes()
    with zipfile.ZipFile(source) as file:
        start = min(one.header_offset for one in file.infolist())
        geometry = json.loads(file.read("preprocessing.json"))
    target.write_bytes(content[:start])
    pack(target, NAMES, Geometry.from_record(geometry), calibration)
    return target


def test_a_file_gives_the_keras_models_probabilities(place: Path) -> None:
    folder = Path("saved_models/tiny-litert")
    predictor = load_predictor(folder / "float32.tflite", batch_size=2)
    assert predictor.class_names == NAMES
    expected = load_predictor("runs/tiny")
    assert predictor.geometry == expected.geometry
    for ours, theirs in zip(
        predictor.stream([PHOTO, PHOTO[:, :20], PHOTO]),
        expected.stream([PHOTO, PHOTO[:, :20], PHOTO]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    mirrored = load_predictor(folder / "float32.tflite", tta="mirror").predict(PHOTO)
    theirs = load_predictor("runs/tiny", tta="mirror").predict(PHOTO)
    np.testing.assert_allclose(mirrored.probabilities, theirs.probabilities, atol=1e-3)


def test_a_file_needs_no_tensorflow(place: Path) -> None:
    assert needs_no_tensorflow(
        "import numpy as np; from tf_muscle.prediction.predictor import load_predictor\n"
        "load_predictor('saved_models/tiny-litert/int8.tflite').predict("
        "np.zeros((30, 40, 3), np.uint8))"
    )


def test_the_calibration_in_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path("saved_models/tiny-litert/int8.tflite")
    packed(source, Path("chosen.tflite"), CHOSEN)
    assert load_predictor("chosen.tflite").calibration == CHOSEN
    assert capsys.readouterr().out == ""
    assert load_predictor("chosen.tflite", calibrated=False).calibration == Calibration()
    assert "keeps its temperature of 2.50, inside it" in capsys.readouterr().out
    packed(source, Path("scaled.tflite"), Calibration(tta="mirror_scale"))
    assert load_predictor("scaled.tflite").calibration == Calibration(tta="mirror")
    assert "takes one size" in capsys.readouterr().out


def test_files_that_cannot_be_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path("saved_models/tiny-litert/int8.tflite")
    with zipfile.ZipFile(source) as file:
        start = min(one.header_offset for one in file.infolist())
    Path("bare.tflite").write_bytes(source.read_bytes()[:start])
    Path("text.tflite").write_text("hello")
    Path("empty.tflite").write_bytes(b"")
    damaged = Path("damaged.tflite")
    damaged.write_bytes(b"x" * 1000)
    packed_file = zipfile.ZipFile(source)
    with packed_file, zipfile.ZipFile(damaged, "a") as file:
        for name in packed_file.namelist():
            file.writestr(name, packed_file.read(name))
    for name, told in (
        ("absent.tflite", "absent.tflite is not there"),
        ("bare.tflite", "bare.tflite is no LiteRT file of tf_muscle"),
        ("text.tflite", "text.tflite is no LiteRT file of tf_muscle"),
        ("empty.tflite", "empty.tflite is no LiteRT file of tf_muscle"),
        ("damaged.tflite", "damaged.tflite is no LiteRT file of tf_muscle"),
    ):
        with pytest.raises(UserError, match=told) as caught:
            load_predictor(name)
        assert "\n" not in str(caught.value)
    for options in ({"image_size": 64}, {"tta": "mirror_scale"}):
        with pytest.raises(UserError, match="takes photos of 40x40 pixels only"):
            load_predictor(source, **options)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs ai-edge-litert: .*\[litert\]"):
        load_predictor(source)


@pytest.mark.parametrize("model", ["runs/tiny", "tiny", "saved_models/tiny"])
def test_a_camera_takes_the_int8_file(place: Path, model: str) -> None:
    chosen = live_model(model)
    assert Path(chosen.model).resolve() == place / "saved_models/tiny-litert/int8.tflite"
    assert "int8.tflite, which is faster than" in str(chosen.told)
    assert load_predictor(chosen.model).class_names == NAMES


@pytest.mark.parametrize("model", ["runs/tiny/best.keras", "x.tflite", "absent"])
def test_a_file_is_taken_as_it_is(place: Path, model: str) -> None:
    assert live_model(model) == choosing.LiveModel(model)


def test_when_a_camera_does_without_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "saved_models/tiny-litert/int8.tflite"

    def told(**options: object) -> str:
        chosen = live_model("runs/tiny", **options)
        assert chosen.model == "runs/tiny"
        assert "\n" not in str(chosen.told)
        return str(chosen.told)

    assert "takes photos of 40x40 pixels only" in told(image_size=64)
    assert "--tta mirror_scale two" in told(tta="mirror_scale")
    run = RunFolder(place / "runs/tiny")
    run.calibration.write_text(json.dumps(CHOSEN.to_json(NAMES)))
    assert "another calibration than the run has now" in told()
    packed(file, place / "other", CHOSEN)
    (place / "other").replace(file)
    assert live_model("runs/tiny").model != "runs/tiny"
    assert "--no_calibration asks for none" in told(calibrated=False)
    os.utime(run.model, (file.stat().st_mtime + 5,) * 2)
    assert "it is older than" in told()
    monkeypatch.setattr(choosing, "installed", lambda: False)
    assert "needs ai-edge-litert" in told()
    file.write_text("hello")
    assert "is no LiteRT file" in told()
    shutil.rmtree(file.parent)
    assert live_model("runs/tiny").told is None
