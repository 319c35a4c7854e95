import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from one_layer_run import BIAS, KERNEL, NAMES, one_layer, one_layer_run

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.exporting.saved_model import save
from tf_muscle.model.unet import build_unet
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.calibration import Calibration


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_layer_run(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture
def photos() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in ((48, 30), (20, 48))]


def by_hand(image: np.ndarray) -> np.ndarray:
    exponents = np.exp(image / 255 @ KERNEL + BIAS)
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", ["a [1]", "*b?", "é ü", 'it\'s "x"', "back\\slash", "[[]"])
def test_a_saved_model_loads_from_folders_of_any_name(
    name: str, photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name / "model"
    save(one_layer(), NAMES, Geometry("pad", 48), folder)
    monkeypatch.chdir(tmp_path)
    for path in (folder, Path(name, "model")):
        predictor = load_predictor(path)
        assert Path.cwd() == tmp_path
        shown = next(predictor.stream(photos))
        np.testing.assert_allclose(shown, by_hand(photos[0]), atol=1e-5)


def test_a_run_gives_the_probabilities_computed_by_hand(
    run: Path, photos: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_predictor(run)
    assert (predictor.class_names, predictor.geometry.size) == (NAMES, 48)
    for image, probabilities in zip(photos, predictor.stream(photos), strict=True):
        np.testing.assert_allclose(probabilities, by_hand(image), atol=1e-5)
    monkeypatch.chdir(run.parents[1])
    shutil.copytree(run, run.parents[1] / "runs" / "by_name", dirs_exist_ok=True)
    assert load_predictor("by_name").class_names == NAMES


def test_a_file_alone_numbers_its_classes(run: Path, tmp_path: Path) -> None:
    path = shutil.copy(run / "best.keras", tmp_path / "arm.keras")
    predictor = load_predictor(path)
    assert predictor.class_names == ("background", "class 1", "class 2")
    assert predictor.geometry.size == 256
    assert load_predictor(path, image_size=64).geometry.size == 64
    shutil.copy(run / "environment.json", tmp_path)
    shutil.copy(run / "config.yaml", tmp_path)
    beside = load_predictor(path)
    assert (beside.class_names, beside.geometry.size) == (NAMES, 48)


def save_servable(
    folder: Path,
    image_size: int | None,
    resize: str | None = None,
    aspect: float | None = None,
) -> None:
    """A SavedModel with the names that `tf_muscle.export` promises."""
    servable = tf.Module()
    servable.network = one_layer()
    servable.labels = tf.Variable(NAMES, trainable=False)
    if image_size is not None:
        servable.image_size = tf.Variable(image_size, dtype=tf.int32, trainable=False)
    if resize is not None:
        servable.resize = tf.Variable(resize, trainable=False)
    if aspect is not None:
        servable.aspect = tf.Variable(aspect, dtype=tf.float64, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")])
    def images(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(servable.network(images))}

    tf.saved_model.save(servable, str(folder), signatures={"serving_default": images})


def test_a_saved_model_gives_the_same(photos: list[np.ndarray], tmp_path: Path) -> None:
    save_servable(tmp_path / "sized", 48, "pad")
    predictor = load_predictor(tmp_path / "sized")
    assert (predictor.class_names, predictor.geometry.size) == (NAMES, 48)
    for image, probabilities in zip(photos, predictor.stream(photos), strict=True):
        np.testing.assert_allclose(probabilities, by_hand(image), atol=1e-5)
    single = load_predictor(tmp_path / "sized", batch_size=1)
    for image, probabilities in zip(photos, single.stream(photos), strict=True):
        np.testing.assert_allclose(probabilities, by_hand(image), atol=1e-5)
    assert load_predictor(tmp_path / "sized", image_size=64).geometry.size == 64
    save_servable(tmp_path / "older", None)
    assert load_predictor(tmp_path / "older").geometry == Geometry("stretch", 256)
    save_servable(tmp_path / "framed", 48, "pad", 0.6635)
    assert load_predictor(tmp_path / "framed").geometry == Geometry("pad", 48, 0.6635)


def test_the_unet_takes_every_size(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = build_unet(3, encoder="resnet18", fused=False)
    model.save(tmp_path / "unet.keras")
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    predictor = load_predictor(tmp_path / "unet.keras", image_size=56, tta="mirror_scale")
    (probabilities,) = predictor.stream([image])
    assert probabilities.shape == (40, 56, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    plain = load_predictor(tmp_path / "unet.keras", image_size=56)
    (one_pass,) = plain.stream([image])
    single = load_predictor(tmp_path / "unet.keras", image_size=56, batch_size=1)
    np.testing.assert_allclose(next(single.stream([image])), one_pass, atol=1e-5)
    square = np.empty((1, 56, 56, 3), np.uint8)
    square[:] = 124, 116, 104
    square[:, 8:48] = image
    logits = np.asarray(model(square, training=False))[0, 8:48].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(one_pass, expected, atol=1e-4)


def test_a_model_of_one_size_is_asked_for_that_size_only(tmp_path: Path) -> None:
    path = tmp_path / "small.keras"
    one_layer(40).save(path)
    assert load_predictor(path).geometry.size == 40
    for options in ({"image_size": 64}, {"tta": "mirror_scale"}):
        with pytest.raises(UserError, match="takes photos of 40x40 pixels only"):
            load_predictor(path, **options)


def test_what_is_no_model_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("hello")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.yaml").write_text("image_size: 48\nresize: pad\n")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"hello")
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    other.save(tmp_path / "table.keras")
    for name, told in (
        ("absent", "absent is no model"),
        ("text.keras", r"text\.keras cannot be loaded"),
        ("unfinished", r"best\.keras is missing"),
        ("broken", "broken is no SavedModel of tf_muscle"),
        ("table.keras", r"takes \(None, 8\) and gives \(None, 2\)"),
    ):
        with pytest.raises(UserError, match=told) as caught:
            load_predictor(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_code_inside_a_model_file_is_not_run(tmp_path: Path) -> None:
    images = keras.Input((None, None, 3), dtype="uint8")
    outputs = keras.layers.Lambda(lambda x: keras.ops.cast(x, "float32"))(images)
    keras.Model(images, outputs).save(tmp_path / "code.keras")
    with pytest.raises(UserError, match=r"code\.keras cannot be loaded"):
        load_predictor(tmp_path / "code.keras")


def test_a_run_is_used_with_its_calibration(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "calibrated")
    chosen = Calibration(2.0, "mirror", (0.25, 0.75), 0.01)
    (folder / "calibration.json").write_text(json.dumps(chosen.to_json(NAMES)))
    image = np.random.default_rng(0).integers(0, 256, (48, 30, 3), np.uint8)
    exponents = np.exp((image / 255 @ KERNEL + BIAS) / 2)
    for model in (folder, folder / "best.keras"):
        predictor = load_predictor(model)
        assert predictor.calibration == chosen
        (found,) = predictor.stream([image])  # each pixel by itself, so mirroring changes nothing
        np.testing.assert_allclose(found, exponents / exponents.sum(-1, keepdims=True), atol=1e-5)
    (plain,) = load_predictor(folder, calibrated=False).stream([image])
    np.testing.assert_allclose(plain, by_hand(image), atol=1e-5)
    assert load_predictor(folder, calibrated=False).calibration == Calibration()
    overridden = load_predictor(folder, tta="none", threshold=0.4).calibration
    assert overridden == Calibration(2.0, "none", (0.4, 0.4), 0.01)
    (folder / "calibration.json").write_text("{")
    with pytest.raises(UserError, match=r"calibration\.json cannot be read"):
        load_predictor(folder)
    load_predictor(folder, calibrated=False)


def test_an_unknown_augmentation_is_refused(run: Path) -> None:
    with pytest.raises(UserError, match="--tta must be none, mirror or mirror_scale, got True"):
        load_predictor(run, tta=True)


def test_files_of_two_runs_are_refused(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(run, folder)
    one_layer(classes=2).save(folder / "best.keras")
    with pytest.raises(UserError, match=r"names 3 classes .* has 2"):
        load_predictor(folder)
    (folder / "environment.json").write_text("{")
    with pytest.raises(UserError, match=r"environment\.json cannot be read"):
        load_predictor(folder)
