"""Model files that are damaged or bring code along: one sentence, and nothing of them is run."""

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from tf_muscle.errors import UserError
from tf_muscle.prediction.model_files import load_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one layer."""
    path = tmp_path_factory.mktemp("models") / "whole.keras"
    images = keras.Input((None, None, 3))
    keras.Model(images, keras.layers.Conv2D(3, 1)(images)).save(path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path, None, other_sizes=False, calibrated=False)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1_000
    return message


def with_layer(whole: Path, path: Path, layer: dict[str, Any]) -> Path:
    """The model with its last layer replaced by another description."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1] |= layer
                content = json.dumps(config).encode()
            target.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch ran"}},
        {"module": "os", "class_name": "system", "config": "touch ran"},
        {"module": "builtins", "class_name": "eval", "config": "open('ran', 'w')"},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {
                "name": "a",
                "function": {"class_name": "__lambda__", "config": {"code": "4wA="}},
            },
        },
        {
            "module": "keras.src.utils.file_utils",
            "class_name": "function",
            "config": "get_file",
            "registered_name": "function",
        },
    ],
)
def test_foreign_code_is_refused(
    layer: dict[str, Any], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cannot be loaded" in refused(with_layer(whole, tmp_path / "code.keras", layer))
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_is_refused_in_one_sentence(whole: Path, tmp_path: Path) -> None:
    dice = random.Random(0)
    content = whole.read_bytes()
    path = tmp_path / "damaged.keras"
    outcomes = []
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 20)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(
            damaged if dice.random() < 0.8 else damaged[: dice.randrange(len(damaged))]
        )
        try:
            load_model(path, None, other_sizes=False, calibrated=False)
            outcomes.append("read")  # bytes that nobody looks at, as a date
        except UserError as error:
            outcomes.append("refused" if str(error).isprintable() else "of several lines")
    assert "of several lines" not in outcomes
    assert outcomes.count("refused") > 30


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04c__builtin__\neval\n.", b"\x89HDF\r\n\x1a\n" * 9]
)
def test_what_is_no_zip_is_refused_and_not_unpickled(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert "cannot be loaded" in refused(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x01", bytes(10_000)])
def test_a_folder_that_is_no_saved_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(content)
    assert "is no SavedModel" in refused(tmp_path)
