import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from classification_models import weights as library_weights
from classification_models.models.resnet import ResNet34
from keras.src.backend import config as keras_config
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tf_muscle.errors import UserError
from tf_muscle.model.encoder_weights import fold_data_statistics, load_encoder_weights
from tf_muscle.model.unet import CORE
from tf_muscle.runs.environment import EncoderStart

NAME = "resnet34_imagenet_1000_no_top.h5"
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def small_core(seed: int, filters: int = 4) -> keras.Model:
    """A network with the two layers that the loader looks for, and 1,000 times smaller files."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(scale=False, epsilon=2e-5, name="bn_data")(images)
    x = keras.layers.Conv2D(filters, 3, name="conv0")(x)
    x = keras.layers.ReLU(name="relu1")(x)
    return keras.Model(images, keras.layers.Conv2D(2, 1, name="logits")(x), name=CORE)


def encoder_of(core: keras.Model) -> keras.Model:
    return keras.Model(core.input, core.get_layer("relu1").output)


def save_legacy(model: keras.Model, path: Path) -> Path:
    """Writes the format of Keras 2, in which the published weights are."""
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
    return path


def assert_loaded(core: keras.Model, source: keras.Model) -> None:
    """On raw photos the source must give what the core gives on normalized ones."""
    raw = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    expected = np.array(encoder_of(source)(raw))
    actual = np.array(encoder_of(core)((raw / 255 - MEAN) / STD))
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


@pytest.fixture
def pretrained(randomize_normalization: Callable[[keras.Model], None]) -> keras.Model:
    source = small_core(seed=1)
    randomize_normalization(source)
    return source


@pytest.fixture
def weights_file(pretrained: keras.Model, tmp_path: Path) -> Path:
    return save_legacy(encoder_of(pretrained), tmp_path / "mine.h5")


@pytest.mark.parametrize("seed", range(3))
def test_folded_statistics_are_exact(seed: int) -> None:
    """gamma * (x - m) / sqrt(v + e) + beta, in float64, on raw input against folded."""
    rng = np.random.default_rng(seed)
    layer = keras.layers.BatchNormalization(scale=False, epsilon=2e-5)
    layer.build((None, None, None, 3))
    # The second time a variance so small that a forgotten epsilon would show.
    variance = rng.uniform(1000, 6000, 3) if seed else np.full(3, 1e-5)
    mean, beta = rng.uniform(80, 160, 3), rng.normal(size=3)
    layer.set_weights([beta, mean, variance])
    fold_data_statistics(layer)
    raw = rng.uniform(0, 255, (50, 3))
    expected = (raw - mean) / np.sqrt(variance + 2e-5) + beta
    beta, mean, variance = layer.get_weights()
    folded = ((raw / 255 - MEAN) / STD - mean) / np.sqrt(variance.astype(float) + 2e-5) + beta
    scale = np.abs(expected).max()
    np.testing.assert_allclose(folded, expected, atol=(1e-5 if seed else 0.1) * scale)


def test_real_encoder_from_the_librarys_own_file(
    fused_unet: keras.Model,
    randomize_normalization: Callable[[keras.Model], None],
    tmp_path: Path,
) -> None:
    """The file is written by the library's own ResNet34, in its own order of layers."""
    submodules = {name: getattr(keras, name) for name in ("backend", "layers", "models", "utils")}
    source = ResNet34(input_shape=(None, None, 3), include_top=False, weights=None, **submodules)
    randomize_normalization(source)
    path = save_legacy(source, tmp_path / NAME)
    core = fused_unet.get_layer(CORE)
    before = core.get_weights()
    try:
        assert load_encoder_weights(core, "resnet34", str(path)).kind == "file"
        raw = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
        expected = np.array(source(raw))
        actual = np.array(encoder_of(core)((raw / 255 - MEAN) / STD))
        assert expected.shape == (1, 2, 2, 512)
        np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    finally:
        core.set_weights(before)


def test_none_leaves_everything() -> None:
    core = small_core(0)
    before = core.get_weights()
    assert load_encoder_weights(core, "resnet34", "none") == EncoderStart("random")
    for weight, kept in zip(core.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_file(pretrained: keras.Model, weights_file: Path) -> None:
    core = small_core(0)
    head = core.get_layer("logits").get_weights()
    loaded = load_encoder_weights(core, "resnet34", str(weights_file))
    digest = hashlib.sha256(weights_file.read_bytes()).hexdigest()
    assert loaded == EncoderStart("file", "mine.h5", f"sha256 {digest[:16]}")
    assert_loaded(core, pretrained)
    np.testing.assert_array_equal(core.get_layer("logits").get_weights()[0], head[0])


def foreign_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["table"] = np.zeros(3)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "other shapes": lambda path: save_legacy(encoder_of(small_core(0, filters=8)), path),
    "other layers": lambda path: save_legacy(small_core(0), path),
    "other hdf5": foreign_hdf5,
    "no hdf5": lambda path: path.write_text("<html>404</html>\n"),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras', before it gives up
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["foreign.h5", "foreign.weights.h5", "foreign.pth"])
def test_foreign_file_is_refused_in_one_sentence(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    FOREIGN[kind](path)
    with pytest.raises(UserError) as caught:
        load_encoder_weights(small_core(0), "resnet34", str(path))
    message = str(caught.value)
    assert message.startswith(f"--encoder_weights {path} does not hold segmentation-models'")
    assert "resnet34" in message
    assert "--encoder_weights none" in message
    assert "\n" not in message


@pytest.mark.parametrize("source", ["missing.h5", "imagnet", "."])
def test_missing_file_names_the_alternatives(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"--encoder_weights {source}: there is no such file; use"):
        load_encoder_weights(small_core(0), "resnet34", source)


class Server:
    """Serves one file on 127.0.0.1 and counts the requests for it."""

    def __init__(self, content: bytes):
        self.requests: list[str] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.requests.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{NAME}"


@pytest.fixture
def server(weights_file: Path) -> Iterator[Server]:
    served = Server(weights_file.read_bytes())
    yield served
    served.http.shutdown()
    served.http.server_close()


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Sets where the library downloads from and what it expects; gives the file's cached place."""
    home = tmp_path / "keras"
    home.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(home))
    # Keras reads it once, when it is imported.
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(home))

    def set_entry(url: str, md5: str) -> Path:
        entry = {"model": "resnet34", "dataset": "imagenet", "classes": 1000, "include_top": False}
        entry |= {"name": NAME, "url": url, "md5": md5}
        monkeypatch.setattr(library_weights, "WEIGHTS_COLLECTION", [entry])
        return home / "models" / NAME

    return set_entry


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34"])
def test_the_library_knows_the_weights_of_both_encoders(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def get_file(name: str, url: str, **options: str) -> str:
        asked.append((name, url, len(options["md5_hash"])))
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(UserError, match="could not be downloaded: no network"):
        load_encoder_weights(small_core(0), encoder, "imagenet")
    ((name, url, digits),) = asked
    assert name == f"{encoder}_imagenet_1000_no_top.h5"
    assert url.startswith("https://")
    assert url.endswith(f"/{name}")
    assert digits == 32


def test_download_is_cached_and_verified(
    pretrained: keras.Model,
    weights_file: Path,
    server: Server,
    publish: Callable[[str, str], Path],
) -> None:
    md5 = hashlib.md5(weights_file.read_bytes()).hexdigest()
    cached = publish(server.url, md5)
    imagenet = EncoderStart("imagenet", NAME, f"md5 {md5}")
    for _ in range(2):
        core = small_core(0)
        assert load_encoder_weights(core, "resnet34", "imagenet") == imagenet
        assert_loaded(core, pretrained)
    assert server.requests == [f"/{NAME}"]  # the second time from the cache
    assert cached.read_bytes() == weights_file.read_bytes()
    cached.write_bytes(b"half a file")  # damaged since: downloaded again
    core = small_core(0)
    assert load_encoder_weights(core, "resnet34", "auto").kind == "imagenet"
    assert_loaded(core, pretrained)
    assert len(server.requests) == 2


def test_wrong_checksum_is_refused(server: Server, publish: Callable[[str, str], Path]) -> None:
    publish(server.url, "0" * 32)
    core = small_core(0)
    before = core.get_weights()
    with pytest.raises(UserError, match=NAME) as caught:
        load_encoder_weights(core, "resnet34", "imagenet")
    assert "0" * 32 in str(caught.value)
    assert "\n" not in str(caught.value)
    for weight, kept in zip(core.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.fixture
def offline(publish: Callable[[str, str], Path]) -> Path:
    """Where the file belongs while nothing answers; port 9 of this machine is closed."""
    return publish(f"http://127.0.0.1:9/{NAME}", "0" * 32)


def test_imagenet_offline_names_file_place_and_alternatives(offline: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_encoder_weights(small_core(0), "resnet34", "imagenet")
    message = str(caught.value)
    assert NAME in message
    assert str(offline) in message
    assert f"http://127.0.0.1:9/{NAME}" in message
    for alternative in ("FILE", "none", "auto"):
        assert f"--encoder_weights {alternative}" in message
    assert "--encoder efficientnet_lite0, whose ImageNet weights need no network" in message
    assert "\n" not in message


def test_auto_offline_goes_on_from_random_weights(offline: Path) -> None:
    core = small_core(0)
    before = core.get_weights()
    reason = f"the ImageNet weights {NAME} could not be downloaded"
    used = load_encoder_weights(core, "resnet34", "auto")
    assert used == EncoderStart("random", reason=reason)
    for weight, kept in zip(core.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_file_put_into_the_cache_by_hand_is_taken(
    pretrained: keras.Model, weights_file: Path, publish: Callable[[str, str], Path]
) -> None:
    """What the offline message advises."""
    content = weights_file.read_bytes()
    place = publish(f"http://127.0.0.1:9/{NAME}", hashlib.md5(content).hexdigest())
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    core = small_core(0)
    assert load_encoder_weights(core, "resnet34", "imagenet").kind == "imagenet"
    assert_loaded(core, pretrained)
