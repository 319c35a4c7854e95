"""What `python -m tf_muscle.train` makes of its options, and those of a run of seconds."""

from pathlib import Path

from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset
from tf_muscle.config import Config, from_options

TINY = ("--image_size", "32", "--batch_size", "4", "--encoder_weights", "none", "--precision",
        "float32", "--encoder", "resnet18", "--decoder_filters", "16",
        "--loss", "cross_entropy", "--minutes", "0")  # fmt: skip


def train_config(*words: str) -> Config:
    """The configuration that the words of a command line give."""
    return from_options(parse_over_preset(config_parser("train", ""), words, DEFAULT_PRESET))


def small_run(export: Path, folder: Path, **more: object) -> list[str]:
    """Words for a run of seconds on the small export, everything below `folder`."""
    places = {
        "data": export,
        "data_dir": folder / "tfds",
        "runs_dir": folder / "runs",
        "saved_models_dir": folder / "saved_models",
    }
    return [
        *TINY,
        *(str(word) for key, value in (places | more).items() for word in (f"--{key}", value)),
    ]
