import itertools
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml
from train_options import train_config

from tf_muscle.errors import UserError
from tf_muscle.options import DataConfig, OptimizationConfig, RunConfig
from tf_muscle.report import published
from tf_muscle.tuner.options import (
    LEFT_OUT,
    SEARCHED,
    Combination,
    Search,
    combination_of,
    lists_joined,
    parse_search,
)

CONFIGS = Path(__file__).parents[2] / "configs"


def test_default_is_the_documented_grid() -> None:
    combinations = parse_search([]).combinations()
    documented = itertools.product(
        (0.01, 0.0005, 0.001, 0.0001), (4, 8, 16), ("adam", "sgd"), (10, 20, 30)
    )
    assert [tuple(asdict(one).values()) for one in combinations] == list(documented)
    assert len(set(combinations)) == 72


def test_unh_gym_preset_is_that_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = parse_search(["--config", str(CONFIGS / "tuner_unh_gym.yaml")])
    monkeypatch.chdir(tmp_path)
    assert parse_search([]).combinations() == preset.combinations()
    assert parse_search([]).base == preset.base


def test_report_preset_is_the_published_table() -> None:
    combinations = parse_search(["--config", str(CONFIGS / "tuner_report.yaml")]).combinations()
    rows = [tuple(asdict(one).values()) for one in combinations]
    assert rows == [
        (t.learning_rate, t.batch_size, t.optimizer, t.epochs) for t in published.TRIALS
    ]


@pytest.mark.parametrize("preset", ["tuner_unh_gym.yaml", "tuner_report.yaml"])
def test_the_rest_of_a_preset_is_the_published_run(preset: str) -> None:
    published_run = yaml.safe_load((CONFIGS / "unh_gym.yaml").read_text())
    search = yaml.safe_load((CONFIGS / preset).read_text())
    of_the_training = {k: v for k, v in search.items() if k in published_run and k not in SEARCHED}
    assert of_the_training == {k: v for k, v in published_run.items() if k not in SEARCHED}


def test_report_preset_ends_in_the_published_run() -> None:
    """Its last trial is what unh_gym.yaml trains."""
    search = parse_search(["--config", str(CONFIGS / "tuner_report.yaml"), "--data", "mine"])
    preset = ["--config", str(CONFIGS / "unh_gym.yaml"), "--data", "mine"]
    assert search.config(search.combinations()[-1]) == train_config(*preset)


def test_several_values_on_the_command_line() -> None:
    rates = ["--learning_rate", "0.1", "1e-3"]
    others = ["--batch_size", "2", "--optimizer", "sgd", "adamw", "--epochs=3", "--seed", "7"]
    search = parse_search(rates + others)
    assert search.combinations() == [
        Combination(0.1, 2, "sgd", 3),
        Combination(0.1, 2, "adamw", 3),
        Combination(0.001, 2, "sgd", 3),
        Combination(0.001, 2, "adamw", 3),
    ]
    assert search.base.run.seed == 7


def test_preset_of_a_training_is_a_search_of_one(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("epochs: 3\nlearning_rate: 1e-3\nbatch_size: 2\noptimizer: sgd\ncrop: 32\n")
    search = parse_search(["--config", str(preset), "--epochs", "5", "6"])
    assert search.combinations() == [Combination(0.001, 2, "sgd", n) for n in (5, 6)]
    assert search.base.augment.crop == 32
    assert search.name == "mine"


@pytest.mark.parametrize("line", ["cluster: local", "worker_gpus: 0.5"])
def test_a_cluster_in_a_preset_is_refused(line: str, tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(f"epochs: 3\n{line}\n")
    name = line.split(":")[0]
    with pytest.raises(UserError, match=f"mine.yaml holds {line}, .* give --{name} there, and"):
        parse_search(["--config", str(preset), "--cluster", "auto"])
    assert parse_search(["--cluster", "auto", "--worker_gpus", "0.5"]) == parse_search([])


def test_values_are_joined_up_to_the_next_option() -> None:
    assert lists_joined(["--epochs", "1", "2", "--dry_run", "--epochs", "3", "--epochs=4"]) == [
        "--epochs=[1,2]",
        "--dry_run",
        "--epochs",
        "3",
        "--epochs=4",
    ]


def test_switches_need_no_value() -> None:
    options = parse_search(["--dry_run", "--stop_collapsed", "--name", "x", "--retrain"]).options
    assert (options.dry_run, options.stop_collapsed, options.retrain) == (True, True, True)
    assert not parse_search([]).options.dry_run


def test_max_trials(make_search: Callable[..., Search]) -> None:
    search = make_search(max_trials=5)
    assert search.combinations() == make_search().combinations()[:5]
    assert search.max_trials() == 5
    assert make_search().max_trials() == 72
    assert make_search(method="random").max_trials() == 10
    assert make_search(method="random", max_trials=100).max_trials() == 72
    assert len(make_search(method="bayesian", max_trials=3).combinations()) == 72


def test_hyperband_shares_out_the_largest_number_of_epochs(
    make_search: Callable[..., Search],
) -> None:
    assert make_search(method="hyperband").space()["epochs"] == [30]
    values = {"learning_rate": 0.1, "batch_size": 4, "optimizer": "sgd", "epochs": 30}
    assert combination_of(values | {"tuner/epochs": 4}) == Combination(0.1, 4, "sgd", 4)
    assert combination_of(values | {"tuner/identity": "x"}) == Combination(0.1, 4, "sgd", 30)


def test_trial_config(make_search: Callable[..., Search]) -> None:
    search = make_search()
    config = search.config(Combination(0.5, 3, "adamw", 9), execution=2)
    assert config.data == search.base.data
    assert config.run.seed == search.base.run.seed + 2
    chosen = asdict(config.optimization)
    assert {name: chosen[name] for name in SEARCHED} == {
        "learning_rate": 0.5,
        "batch_size": 3,
        "optimizer": "adamw",
        "epochs": 9,
    }


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--bogus", "1"], "--bogus"),
        (["--epochs", "1", "x"], "epochs"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--optimizer", "lion"], "optimizer"),
        (["--learning_rate", "0.1", "-0.1"], "--learning_rate must be above 0"),
        (["--batch_size", "4", "8", "4"], "--batch_size has a value twice"),
        (["--method", "list"], "--trials and --method list need each other"),
        (["--max_trials", "0"], "--max_trials must be at least 1"),
        (["--executions", "0"], "--executions must be at least 1"),
        (["--name", "a/b"], "--name must be a plain name"),
        (["--run_name", "x"], "run_name"),
        (["--objective", "val_iou_biceps"], "objective"),
    ],
)
def test_mistakes_are_named(argv: list[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_search(argv)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_key_of_a_preset_fails(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("epochs: [1]\nlearning_rates: [0.1]\n")
    with pytest.raises(UserError, match="learning_rates"):
        parse_search(["--config", str(preset)])


def test_identity_is_the_search_not_the_machine(make_search: Callable[..., Search]) -> None:
    first = parse_search(["--data", "a", "--name", "one", "--runs_dir", "here", "--dry_run"])
    second = parse_search(
        ["--data", "b", "--name", "two", "--runs_dir", "there", "--data_dir", "there"]
    )
    assert first.identity("f") == second.identity("f")
    assert first.identity("f") != first.identity("g")
    for other in ("--epochs 10", "--seed 1", "--image_size 64", "--executions 2"):
        assert parse_search(other.split()).identity("f") != first.identity("f")


def test_flat_options_are_a_preset(make_search: Callable[..., Search], tmp_path: Path) -> None:
    search = make_search(trials=[Combination(0.1, 2, "sgd", 1)], method="list", max_trials=1)
    preset = tmp_path / "search.yaml"
    preset.write_text(yaml.safe_dump(search.flat()))
    assert parse_search(["--config", str(preset)]) == Search(
        search.base,
        type(search.options)(**(vars(search.options) | {"name": "study"})),
        "study",
    )


def test_names_belong_to_the_options_of_a_training() -> None:
    assert set(SEARCHED) <= {field.name for field in fields(OptimizationConfig)}
    concerns = (DataConfig, OptimizationConfig, RunConfig)
    assert set(LEFT_OUT) <= {field.name for concern in concerns for field in fields(concern)}
