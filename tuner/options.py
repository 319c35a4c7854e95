"""What a search is made of: the options of a training run, and lists of values for four of them.

Needs no TensorFlow.
"""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jsonargparse

from tf_muscle.command import add_cluster, add_options, command_parser, parse_over_preset
from tf_muscle.config import Config, from_options
from tf_muscle.errors import UserError, at_least, plain_name, refuse_other_values

DEFAULT_PRESET = "tuner_unh_gym.yaml"
# Without --max_trials a method that could go on for ever stops here, at KerasTuner's own default.
DRAWN_TRIALS = 10
# Options of a training run that mean nothing in a search.
LEFT_OUT = (
    *("run_name", "preview", "folds", "fold", "groups", "split_groups", "minutes", "log"),
    *("distill", "distill_weight", "distill_temperature"),
)
# Where things lie on this machine, and what is done once: no matter of the search itself.
NOT_OF_THE_SEARCH = (
    "data",  # its fingerprint stands for it
    "data_dir",
    "runs_dir",
    "saved_models_dir",
    "name",
    "retrain",
    "dry_run",
)
# Workers of a cluster are given the same presets, but must not start workers themselves.
ONLY_OF_THE_CHIEF = ("cluster", "worker_gpus")

Optimizer = Literal["adam", "adamw", "sgd"]
OPTIMIZER_NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}


@dataclasses.dataclass(frozen=True)
class Combination:
    """One configuration to try."""

    learning_rate: float
    batch_size: int
    optimizer: Optimizer
    epochs: int


SEARCHED = tuple(field.name for field in dataclasses.fields(Combination))
HYPERBAND_EPOCHS = "tuner/epochs"  # where KerasTuner's Hyperband says how long a trial may train


def drawn_combination(values: Mapping[str, Any]) -> Combination:
    """The combination that was drawn for a KerasTuner trial with these values."""
    return Combination(**{name: values[name] for name in SEARCHED})


def combination_of(values: Mapping[str, Any]) -> Combination:
    """The combination that a KerasTuner trial with these values trains."""
    drawn = drawn_combination(values)
    return dataclasses.replace(drawn, epochs=values.get(HYPERBAND_EPOCHS, drawn.epochs))


def is_loss(objective: str) -> bool:
    """Whether less of an objective is better."""
    return objective == "val_loss"


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The search. The grid by default is the one that the original work documents."""

    method: Literal["grid", "list", "random", "bayesian", "hyperband"] = "grid"
    """grid: every combination of the values below, in order; list: those of --trials; random,
    bayesian and hyperband: KerasTuner's, which choose among the values."""
    learning_rate: float | list[float] = dataclasses.field(
        default_factory=lambda: [0.01, 0.0005, 0.001, 0.0001]
    )
    """One or several, as in --learning_rate 0.01 0.001."""
    batch_size: int | list[int] = dataclasses.field(default_factory=lambda: [4, 8, 16])
    optimizer: Optimizer | list[Optimizer] = dataclasses.field(
        default_factory=lambda: ["adam", "sgd"]
    )
    epochs: int | list[int] = dataclasses.field(default_factory=lambda: [10, 20, 30])
    """hyperband shares the largest out among its trials."""
    trials: list[Combination] | None = None
    """Combinations one by one, for --method list."""
    max_trials: int | None = None
    """Stop after so many; by default after all of a grid or list, and after 10 where a method draws
    at random."""
    objective: Literal[
        "val_mean_iou",
        "val_foreground_mean_iou",
        "val_mean_class_accuracy",
        "val_foreground_pixel_accuracy",
        "val_loss",
    ] = "val_mean_iou"
    """Ranks the trials, by its value at the epoch with the best validation mIoU, whose weights any
    training keeps. The report ranks by mIoU."""
    executions: int = 1
    """Trainings of each combination, each with its own seed; their scores are averaged."""
    keep_weights: int = 1
    """Keep the weights of so many of the best trials, about 100 MB each."""
    stop_collapsed: bool = False
    """End a trial after 5 epochs in a row that found no muscle, instead of training it out."""
    retrain: bool = False
    """Train, evaluate and export the best combination when the search is over."""
    dry_run: bool = False
    """Say what the search would cost and stop."""
    name: str | None = None
    """Folder in runs/tuner; the preset's name by default, so that the same command goes on where it
    was stopped. A folder that holds another search is refused."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        for name in SEARCHED:
            values = self.values(name)
            if not values:
                raise UserError(f"--{name} is an empty list: give at least one value")
            if len(set(values)) < len(values):
                raise UserError(f"--{name} has a value twice: {values}")
        if (self.trials is not None) != (self.method == "list"):
            raise UserError("--trials and --method list need each other: give both or neither")
        if self.trials is not None and len(set(self.trials)) < len(self.trials):
            raise UserError("--trials has a combination twice; leave one of them out")
        if self.trials == []:
            raise UserError("--trials is an empty list: give at least one combination")
        if self.max_trials is not None:
            at_least("max_trials", self.max_trials, 1)
        at_least("executions", self.executions, 1)
        at_least("keep_weights", self.keep_weights, 0)
        plain_name("name", self.name or "")

    def values(self, name: str) -> list[Any]:
        """The values of a searched option as a list, also where a single one was given."""
        value = getattr(self, name)
        return value if isinstance(value, list) else [value]


@dataclasses.dataclass(frozen=True)
class Search:
    """Everything that decides a search."""

    base: Config  # of every trial's training; what is in `SEARCHED` comes from its combination
    options: SearchOptions
    name: str  # of its folder

    def __post_init__(self) -> None:
        for combination in self.combinations():
            self.config(combination)  # raises what is wrong before the first trial

    def combinations(self) -> list[Combination]:
        """What grid and list run through, in order, and the others draw from."""
        options = self.options
        if options.trials is not None:
            return options.trials[: options.max_trials]
        values = {name: options.values(name) for name in SEARCHED}
        if options.method == "hyperband":  # gives a trial its epochs itself, at most so many
            values["epochs"] = [max(values["epochs"])]
        grid = [
            Combination(**dict(zip(values, point, strict=True)))
            for point in itertools.product(*values.values())
        ]
        return grid[: options.max_trials] if options.method == "grid" else grid

    def space(self) -> dict[str, list[Any]]:
        """The different values of each searched option."""
        combinations = self.combinations()
        return {
            name: list(dict.fromkeys(getattr(one, name) for one in combinations))
            for name in SEARCHED
        }

    def max_trials(self) -> int | None:
        """Trials at most; None for hyperband, which counts its own."""
        options = self.options
        if options.method in ("grid", "list"):
            return len(self.combinations())
        if options.method == "hyperband":
            return options.max_trials
        return min(options.max_trials or DRAWN_TRIALS, len(self.combinations()))

    def config(self, combination: Combination, execution: int = 0) -> Config:
        """The training run of a combination; each execution, from 0, has its own seed."""
        base = self.base
        return dataclasses.replace(
            base,
            optimization=dataclasses.replace(base.optimization, **dataclasses.asdict(combination)),
            run=dataclasses.replace(base.run, seed=base.run.seed + execution),
        )

    def flat(self) -> dict[str, Any]:
        """All options by their names, as a preset holds them."""
        training = {
            name: value
            for name, value in self.base.flat().items()
            if name not in (*SEARCHED, *LEFT_OUT)
        }
        return training | dataclasses.asdict(self.options) | {"name": self.name}

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """What two processes have to agree on to work at one search."""
        options = {k: v for k, v in self.flat().items() if k not in NOT_OF_THE_SEARCH}
        return options | {"data_fingerprint": data_fingerprint}


def digest(identity: dict[str, Any]) -> str:
    """A short name for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def search_parser() -> jsonargparse.ArgumentParser:
    """A parser with --config, the search's options and those of a training run."""
    parser = command_parser("tuner", "Search for the best hyperparameters of the training.")
    parser.add_argument("--config", action="config", help="Preset: a YAML file of options.")
    add_cluster(parser)  # `on_cluster.take_cluster` reads it
    add_options(parser, SearchOptions)
    for concern in dataclasses.fields(Config):
        add_options(parser, concern.type, skip=(*SEARCHED, *LEFT_OUT))  # type: ignore[arg-type]
    return parser


def parse_search(argv: Sequence[str]) -> Search:
    """Parses options over a preset; without --config, over configs/tuner_unh_gym.yaml.

    Raises:
        UserError: an option is unknown or out of range, or the preset cannot be read.
    """
    options = parse_over_preset(
        search_parser(), lists_joined(argv), DEFAULT_PRESET, ONLY_OF_THE_CHIEF
    )
    if options["trials"] is not None:
        options["trials"] = [Combination(**vars(one)) for one in options["trials"]]
    names = [field.name for field in dataclasses.fields(SearchOptions)]
    preset = options["config"][0] if options["config"] else DEFAULT_PRESET
    return Search(
        base=from_options({k: v for k, v in options.items() if k not in SEARCHED}),
        options=SearchOptions(**{name: options[name] for name in names}),
        name=options["name"] or Path(preset).stem,
    )


def lists_joined(argv: Sequence[str]) -> list[str]:
    """Writes `--epochs 10 20 30` as `--epochs=[10,20,30]`, which is how the parser takes lists."""
    words: list[str] = []
    waiting = list(argv)
    while waiting:
        word = waiting.pop(0)
        values = []
        if word.removeprefix("--") in SEARCHED:
            while waiting and not waiting[0].startswith("--"):
                values.append(waiting.pop(0))
        words.append(f"{word}=[{','.join(values)}]" if len(values) > 1 else word)
        words += values if len(values) == 1 else []
    return words
