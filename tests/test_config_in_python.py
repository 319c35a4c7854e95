"""Presets and options as Python gives them, which no parser has looked at."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset
from tf_muscle.config import Config, from_options
from tf_muscle.errors import UserError


def test_a_preset_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    muscles = parse_over_preset(config_parser("train", ""), ["--config", "muscles"], DEFAULT_PRESET)
    assert Config.from_preset("muscles") == from_options(muscles)
    changed = Config.from_preset("muscles.yaml", data=tmp_path, epochs=3)
    assert (changed.data.data, changed.optimization.epochs) == (str(tmp_path), 3)
    changed.save(tmp_path / "config.yaml")
    assert Config.from_preset(tmp_path / "config.yaml") == changed
    (tmp_path / "rate.yaml").write_text("learning_rate: 1e-3\nweight_decay: 2.5E-2\n")
    rates = Config.from_preset("rate.yaml").optimization
    assert (rates.learning_rate, rates.weight_decay) == (0.001, 0.025)
    older = (tmp_path / "config.yaml").read_text() + "unlabeled: null\nframe_step: 8\n"
    (tmp_path / "older.yaml").write_text(older)
    assert Config.from_preset("older.yaml") == changed


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"there is no preset mine\.yaml: .* or muscles, sample or unh_gym$"),
        ("epochs: [", r"the preset mine\.yaml cannot be read \("),
        ("epoch: 3", "epoch is no option; epochs is one"),
        ("- 3", r"the preset mine\.yaml has no options: write lines such as"),
        ("epochs: many", r"--epochs must be a whole number, got 'many'"),
        ("unlabeled: photos", "has unlabeled: photos"),
    ],
)
def test_presets_that_cannot_be_taken(
    content: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("mine.yaml").write_text(content)
    with pytest.raises(UserError, match=told):
        Config.from_preset("mine.yaml")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epochs": "x"}, "--epochs must be a whole number, got 'x'"),
        ({"epochs": True}, "--epochs must be a whole number, got True"),
        ({"batch_size": 2.5}, "--batch_size must be a whole number, got 2.5"),
        ({"learning_rate": "1e-3"}, "--learning_rate must be a number, got '1e-3'"),
        ({"encoder": None}, "--encoder must be text, got None"),
        ({"preview": "no"}, "--preview must be True or False, got 'no'"),
        ({"ignore": "255"}, "--ignore must be a whole number or None, got '255'"),
    ],
)
def test_values_of_another_type_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        Config.of(**options)
    assert str(caught.value) == told


def test_numbers_of_numpy_are_numbers() -> None:
    config = Config.of(epochs=np.int64(3), learning_rate=np.float32(0.5), zoom=1)
    assert (config.optimization.epochs, config.optimization.learning_rate) == (3, 0.5)
