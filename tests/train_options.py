"""What `python -m tf_muscle.train` makes of its options."""

from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset
from tf_muscle.config import Config, from_options


def train_config(*words: str) -> Config:
    """The configuration that the words of a command line give."""
    return from_options(parse_over_preset(config_parser("train", ""), words, DEFAULT_PRESET))
