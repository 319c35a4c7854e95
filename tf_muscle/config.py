"""What a run is made of: all options of `options.py`, from a preset and the command line.

A preset is a flat YAML file (configs/*.yaml); the command line overrides it; an unknown key fails.
Needs no TensorFlow.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tf_muscle.errors import UserError, one_line
from tf_muscle.options import AugmentConfig, DataConfig, ModelConfig, OptimizationConfig, RunConfig

PACKAGE = Path(__file__).resolve().parent
# Options of earlier versions, which config.yaml and run.json of their runs still hold. Where
# `unlabeled` is empty, the others decided nothing.
REMOVED = (
    *("unlabeled", "unlabeled_batch", "unlabeled_weight", "unlabeled_ramp"),
    *("confidence", "teacher_decay", "frame_step"),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a training run.

    The defaults are the published recipe. `Config.of` takes options by their names alone, and each
    is described where it stands in `options.py`, and by `python -m tf_muscle.train --help`.

    Args:
        data: `DataConfig`: the photos, the size that the model trains at.
        augment: `AugmentConfig`: random changes to the training photos.
        model: `ModelConfig`: encoder, decoder and the weights that they start from.
        optimization: `OptimizationConfig`: loss, optimizer, epochs, batch size.
        run: `RunConfig`: where the run goes, its seed and precision.

    Raises:
        UserError: options contradict each other.

    Examples:
        >>> import tf_muscle
        >>> config = tf_muscle.Config.of(data="muscles.zip", epochs=10, learning_rate=1e-3)
        >>> config.optimization.epochs
        10
        >>> config.optimization.batch_size
        16
        >>> config = tf_muscle.Config.from_preset("muscles", data="muscles.zip")
        >>> config.optimization.epochs
        40
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.augment.crop > self.data.image_size:
            raise UserError(
                f"--crop must be at most --image_size, {self.data.image_size}, "
                f"got {self.augment.crop}"
            )
        if self.data.folds and self.run.minutes:
            raise UserError(
                "--minutes is for one training, and each fold would get other epochs: give "
                f"--minutes 0 and --epochs with --folds {self.data.folds}"
            )
        if self.run.fold is not None and not 1 <= self.run.fold <= self.data.folds:
            raise UserError(
                f"--fold must lie between 1 and --folds, {self.data.folds}, got {self.run.fold}"
            )

    @classmethod
    def of(cls, **options: Any) -> "Config":
        """Builds a configuration from options by their names, as `--help` and presets have them.

        Args:
            **options: fields of the five concerns; what is left out keeps its default.

        Raises:
            UserError: there is no such option, or a value is out of its range.
        """
        names = list(cls().flat())
        for name in options:
            if name not in names:
                alike = difflib.get_close_matches(name, names, 1)
                meant = f"; {alike[0]} is one" if alike else ""
                raise UserError(f"{name} is no option{meant}: see python -m tf_muscle.train --help")
        paths = {k: os.fspath(v) for k, v in options.items() if isinstance(v, os.PathLike)}
        return from_options(options | paths)

    @classmethod
    def from_preset(cls, preset: str | os.PathLike[str], **options: Any) -> "Config":
        """Builds a configuration from a preset, as `--config` does.

        Args:
            preset: name of one that comes with the package ("muscles", "sample", "unh_gym"), or
                path of a YAML file, such as the config.yaml of a run.
            **options: as in `Config.of`; they win over the preset's.

        Raises:
            UserError: there is no such preset, or it cannot be read; an option as in `Config.of`.
        """
        path = Path(preset_path(os.fspath(preset)))
        try:
            found = yaml.load(path.read_text(encoding="utf-8"), PresetLoader) or {}
        except FileNotFoundError as error:
            raise UserError(
                f"there is no preset {path}: give the path of a YAML file, or muscles, sample or "
                "unh_gym"
            ) from error
        except (OSError, UnicodeError, yaml.YAMLError) as error:
            raise UserError(f"the preset {path} cannot be read ({one_line(error)})") from error
        if not isinstance(found, dict):
            raise UserError(f"the preset {path} has no options: write lines such as epochs: 40")
        refuse_removed(found, path)
        kept = {str(name): value for name, value in found.items() if name not in REMOVED}
        return cls.of(**(kept | options))

    def flat(self) -> dict[str, Any]:
        """All options by their names, as a preset and config.yaml hold them."""
        return {
            name: value
            for concern in dataclasses.fields(self)
            for name, value in dataclasses.asdict(getattr(self, concern.name)).items()
        }

    def save(self, path: Path) -> None:
        """Writes the options as YAML that `--config` reads."""
        path.write_text(yaml.safe_dump(self.flat(), sort_keys=False), encoding="utf-8")


def from_options(options: dict[str, Any]) -> Config:
    """Builds the configuration from flat options; every field has to be there or keeps its default.

    Raises:
        UserError: a value is out of its range.
    """
    concerns = {}
    for concern in dataclasses.fields(Config):
        kind: Any = concern.type
        known = {field.name for field in dataclasses.fields(kind)}
        concerns[concern.name] = kind(**{k: v for k, v in options.items() if k in known})
    return Config(**concerns)


def refuse_removed(options: Mapping[str, Any], source: str | os.PathLike[str]) -> None:
    """Refuses to train by options that this version lacks; a model trained by them can be used.

    Args:
        options: flat, as an earlier version may have written them.
        source: that they are from.

    Raises:
        UserError: photos without masks were learned from.
    """
    if options.get("unlabeled"):
        raise UserError(
            f"{os.fspath(source)} has unlabeled: {options['unlabeled']}, an option that was taken "
            "out since it did not pay: start a new run without it, or use the commit that "
            "docs/recipe.md names"
        )


class PresetLoader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as `--config` does; YAML 1.1 wants 1.0e-3."""


PresetLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def preset_path(name: str) -> str:
    """The path of a preset; a bundled one is found by its name alone: unh_gym or unh_gym.yaml."""
    path = bundled("configs") / f"{name.removesuffix('.yaml')}.yaml"
    bare = Path(name).name == name and not Path(name).exists()
    return str(path) if bare and path.is_file() else name


def bundled(name: str) -> Path:
    """A folder that ships with the project: "configs" or "sample_gym".

    The wheel holds it inside the package, a checkout beside or below its top folder.
    """
    for path in (PACKAGE / name, PACKAGE.parent / name, PACKAGE.parent / "datasets" / name):
        if path.is_dir():
            return path
    raise UserError(f"the bundled folder {name} is missing; install tf_muscle again")
