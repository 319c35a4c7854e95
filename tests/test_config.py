import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import docstring_parser
import pytest
import yaml
from removed_options import UNUSED, USED
from train_options import train_config

from tf_muscle.config import Config, bundled
from tf_muscle.errors import UserError
from tf_muscle.options import AugmentConfig, DataConfig, ModelConfig, OptimizationConfig, RunConfig

UNH_GYM = Path(__file__).parents[1] / "configs" / "unh_gym.yaml"


# Options that mean something only beside another value of some other option.
OF_ANOTHER_CHOICE = {
    *("momentum", "weight_decay", "warmup", "class_weight_cap"),
    *("distill", "distill_weight", "distill_temperature"),
}


def test_unh_gym_is_the_published_run() -> None:
    """The values of the report and the slides; where they are silent, PyTorch's defaults."""
    config = train_config("--config", str(UNH_GYM))
    assert config.augment == AugmentConfig(
        horizontal_flip=0.5,
        vertical_flip=0.5,
        shear=15.0,
        grayscale=0.25,
        blur=1.2,
        noise=0.0022,
        rotate=0.0,
        zoom=0.0,
        shift=0.0,
        brightness=0.0,
        crop=0,
        augment_again=False,
    )
    assert config.model == ModelConfig(
        encoder="resnet34",
        encoder_weights="imagenet",
        decoder="transpose",
        decoder_filters=256,
        head_kernel=1,
        prior_bias=False,
    )
    assert config.data.image_size == 256
    optimization = dataclasses.asdict(config.optimization)
    assert optimization["distill"] is None
    for name in OF_ANOTHER_CHOICE:
        del optimization[name]
    assert optimization == {
        "epochs": 30,
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "schedule": "step",
        "step_epochs": 5,
        "gamma": 0.5,
        "loss": "cross_entropy",
        "class_weights": "none",
        "ignore_background": False,
        "tie": 0.0,
        "early_stopping": 0,
    }


def test_unh_gym_does_not_lean_on_defaults() -> None:
    """So that a better default of tomorrow leaves the reproduction as it was."""
    preset = yaml.safe_load(UNH_GYM.read_text())
    shaping = (DataConfig, AugmentConfig, ModelConfig, OptimizationConfig)
    names = {field.name for concern in shaping for field in dataclasses.fields(concern)}
    of_the_data = {"data", "ignore", "split_seed", "allow_leakage", "data_dir", "augment_again"}
    of_the_data |= {"folds", "groups", "split_groups"}
    of_the_machine = {"augment_backend"}  # the recipe is the same
    assert set(preset) == names - OF_ANOTHER_CHOICE - of_the_data - of_the_machine


PRESETS = sorted(
    path.name for path in UNH_GYM.parent.glob("*.yaml") if not path.name.startswith("tuner_")
)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_accepted_and_says_what_it_is_for(preset: str) -> None:
    path = UNH_GYM.parent / preset
    by_path = train_config("--config", str(path))
    by_name = train_config("--config", path.stem)
    assert by_path == by_name
    assert path.read_text().startswith("# ")


def test_option_names_are_unique() -> None:
    """A preset is flat: two concerns with one name would share their value."""
    concerns = vars(Config()).values()
    names = [field.name for concern in concerns for field in dataclasses.fields(concern)]
    assert len(names) == len(set(names)) == len(Config().flat())


def test_saved_config_is_a_preset(tmp_path: Path) -> None:
    config = Config(
        data=DataConfig(data="my photos: 2.zip", image_size=96, allow_leakage=True),
        augment=AugmentConfig(noise=1e-5, crop=64),
        optimization=OptimizationConfig(learning_rate=3e-5, class_weights="balanced"),
        run=RunConfig(run_name="über", runs_dir="elsewhere", seed=2**32 - 1),
    )
    config.save(tmp_path / "config.yaml")
    read = train_config("--config", str(tmp_path / "config.yaml"))
    assert read == config


def test_config_of_an_earlier_version(tmp_path: Path) -> None:
    config = Config(optimization=OptimizationConfig(epochs=3))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.flat() | UNUSED))
    assert train_config("--config", str(path)) == config
    path.write_text(yaml.safe_dump(config.flat() | USED))
    refused = rf"--config {path} has unlabeled: \['film 1.mp4', 'a, b'\]"
    with pytest.raises(UserError, match=refused):
        train_config("--config", str(path))


@pytest.mark.parametrize("words", [["--unlabeled", "a", "b"], ["--frame_step=1.0"]])
def test_option_of_an_earlier_version_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match=f"^{words[0]} is no option any more"):
        train_config("--epochs", "3", *words)


@pytest.mark.parametrize(
    ("concern", "name", "value"),
    [
        (DataConfig, "image_size", 31),
        (AugmentConfig, "horizontal_flip", 1.5),
        (AugmentConfig, "vertical_flip", -0.1),
        (AugmentConfig, "grayscale", float("nan")),
        (AugmentConfig, "noise", 2),
        (AugmentConfig, "shear", 90.0),
        (AugmentConfig, "rotate", 181.0),
        (AugmentConfig, "blur", -1.0),
        (AugmentConfig, "zoom", -0.1),
        (AugmentConfig, "shift", 1.5),
        (AugmentConfig, "brightness", 2.0),
        (AugmentConfig, "geometry_probability", 1.1),
        (AugmentConfig, "color_probability", -0.1),
        (AugmentConfig, "crop", 16),
        (AugmentConfig, "crop", -64),
        (OptimizationConfig, "epochs", 0),
        (OptimizationConfig, "batch_size", 0),
        (OptimizationConfig, "step_epochs", 0),
        (OptimizationConfig, "early_stopping", -1),
        (OptimizationConfig, "weight_decay", -0.1),
        (OptimizationConfig, "beta_1", 1.1),
        (OptimizationConfig, "beta_2", -0.1),
        (OptimizationConfig, "momentum", 2.0),
        (OptimizationConfig, "gamma", 1.5),
        (OptimizationConfig, "warmup", 1.5),
        (OptimizationConfig, "class_weight_cap", 0.5),
        (OptimizationConfig, "learning_rate", 0.0),
        (OptimizationConfig, "learning_rate", float("nan")),
        (OptimizationConfig, "learning_rate", float("inf")),
        (RunConfig, "seed", -1),
        (RunConfig, "seed", 2**32),
        (RunConfig, "run_name", "a/b"),
        (RunConfig, "run_name", ".."),
        (RunConfig, "run_name", "unfinished_mine"),
    ],
)
def test_value_out_of_range_is_refused_by_name(concern: Any, name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^--{name} must .*{value}"):
        concern(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("schedule", "cosine", "step, one_cycle, constant"),
        ("optimizer", "rmsprop", "adam, adamw, sgd"),
        ("resize", "fill", "auto, pad, stretch"),
        ("augment_backend", "torch", "albumentations, tensorflow"),
        ("head_kernel", 2, "1, 3"),
        ("precision", "float64", "auto, float32, bfloat16, float16"),
    ],
)
def test_a_choice_that_there_is_not_is_refused(name: str, value: object, choices: str) -> None:
    """By Python, too, and of a config.yaml that somebody has changed."""
    with pytest.raises(UserError, match=f"^--{name} must be one of {choices}, got {value}$"):
        Config.of(**{name: value})


def test_crop_larger_than_the_photos_is_refused() -> None:
    with pytest.raises(UserError, match="--crop must be at most --image_size, 128, got 160"):
        Config(data=DataConfig(image_size=128), augment=AugmentConfig(crop=160))
    assert Config(data=DataConfig(image_size=128), augment=AugmentConfig(crop=128)).augment.crop


def test_every_option_is_told_in_a_sentence_of_its_own() -> None:
    texts = {
        text.arg_name: text.description or ""
        for concern in vars(Config()).values()
        for text in docstring_parser.parse_from_object(type(concern)).params
    }
    assert set(texts) == set(Config().flat())
    assert len(set(texts.values())) == len(texts)
    for name, text in texts.items():
        assert text[0].isupper(), name
        assert text.endswith("."), name
        assert len(text.split()) > 4, name


def test_bundled_folders_are_found() -> None:
    assert (bundled("configs") / "unh_gym.yaml").read_text() == UNH_GYM.read_text()
    assert (bundled("sample_gym") / "train").is_dir()
    with pytest.raises(UserError, match="no_such_folder"):
        bundled("no_such_folder")


def test_settings_and_scores_import_no_tensorflow() -> None:
    """So that --help answers at once, and that a mistyped option does."""
    script = (
        "import sys\n"
        "import tf_muscle.command, tf_muscle.config, tf_muscle.model.metrics, tf_muscle.train\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", ["vgg16", "kerashub:", "resnet_vd_34_imagenet"])
def test_an_encoder_that_there_is_not(name: str) -> None:
    told = f"resnet34, resnet18, efficientnet_lite0 or kerashub:PRESET, got {name}"
    with pytest.raises(UserError, match=f"--encoder must be {re.escape(told)}$"):
        Config.of(encoder=name)
    assert Config.of(encoder="kerashub:any").model.encoder == "kerashub:any"
