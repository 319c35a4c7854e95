"""The encoder's ImageNet weights from a server, from the cache and without a network."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import keras
import pytest
from classification_models import weights as library_weights
from keras.src.backend import config as keras_config
from small_encoder import assert_loaded, assert_weights, small_core

from tf_muscle.errors import UserError
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.runs.environment import EncoderStart

NAME = "resnet34_imagenet_1000_no_top.h5"


class Server(ThreadingHTTPServer):
    """Serves the files of a folder on 127.0.0.1 and lists the requests."""

    def __init__(self, folder: Path):
        self.requests: list[str] = []
        requests = self.requests

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, *_: object) -> None:
                requests.append(self.path)

        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}/{NAME}"


@pytest.fixture
def server(weights_file: Path, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(weights_file, folder / NAME)
    with Server(folder) as served:
        threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        yield served
        served.shutdown()


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
    assert_weights(core, before)


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
    assert_weights(core, before)


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
