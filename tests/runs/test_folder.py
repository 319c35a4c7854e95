import json
from datetime import datetime
from pathlib import Path

import numpy
import pytest

from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.options import DataConfig, RunConfig
from tf_muscle.runs.folder import (
    RunFolder,
    default_name,
    find_data,
    find_run,
    new_run,
    read_json,
    read_options,
    refuse_existing,
    write_json,
)


def config_of(runs_dir: Path) -> Config:
    return Config(run=RunConfig(runs_dir=str(runs_dir)))


def test_new_run_holds_its_options(tmp_path: Path) -> None:
    config = config_of(tmp_path / "deep" / "runs")
    run = new_run(config, "first")
    assert run.path == tmp_path / "deep" / "runs" / "first"
    assert find_run(str(run.path)) == run  # so that it can be resumed from its first moment on
    assert read_options(run) == config.flat()
    names = ("config", "environment", "history", "metrics", "model", "report", "best_weights")
    paths = [getattr(run, name) for name in names]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(run.path) for path in paths)


def test_the_folds_of_a_run_are_in_their_order(tmp_path: Path) -> None:
    run = new_run(config_of(tmp_path), "whole")
    assert run.fold_runs == ()
    for name in ("fold_10", "fold_2", "unfinished_fold_3", "fold_x", "fold_02"):
        new_run(config_of(run.path), name)
    (run.path / "fold_4").mkdir()  # made by a process that was killed before it wrote anything
    assert [fold.path.name for fold in run.fold_runs] == ["fold_2", "fold_10"]
    assert run.fold_run(2) == run.fold_runs[0]


def test_existing_run_is_never_taken(tmp_path: Path) -> None:
    run = new_run(config_of(tmp_path), "first")
    keep = run.path / "notes.txt"
    keep.write_text("mine")
    options = RunConfig(runs_dir=str(tmp_path), saved_models_dir=str(tmp_path / "saved"))
    with pytest.raises(UserError, match=f"--resume {run.path}"):
        refuse_existing(options, "first")
    with pytest.raises(UserError):
        new_run(config_of(tmp_path), "first")
    assert keep.read_text() == "mine"
    refuse_existing(options, "second")
    assert not (tmp_path / "second").exists()


def test_existing_saved_model_is_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "saved" / "first").mkdir(parents=True)
    options = RunConfig(runs_dir=str(tmp_path), saved_models_dir=str(tmp_path / "saved"))
    with pytest.raises(UserError, match="saved/first exists"):
        refuse_existing(options, "first")


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="--runs_dir"):
        new_run(config_of(tmp_path / "runs"), "first")


def test_run_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    run = new_run(config_of(tmp_path / "runs"), "first")
    with pytest.raises(UserError, match="is no run"):
        find_run(str(tmp_path))  # a folder without config.yaml
    assert find_run(str(run.path)) == run
    assert find_run("first", str(tmp_path / "runs")) == run
    with pytest.raises(UserError, match="is no run"):
        find_run("second", str(tmp_path / "runs"))


def test_options_are_read_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    config = Config(data=DataConfig(data="Fotos für alle.zip"))
    config.save(run.config)
    assert read_options(run) == config.flat()


@pytest.mark.parametrize("content", [b"epochs: [", b"- a\n", b"", b"\xff\xfe", b"3"])
def test_unreadable_options(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.yaml cannot be read"):
        read_options(RunFolder(tmp_path))


def test_default_name_is_preset_and_time() -> None:
    preset, _, time = default_name("unh_gym").partition("-")
    assert preset == "unh_gym"
    assert abs((datetime.now() - datetime.strptime(time, "%Y%m%d-%H%M%S")).total_seconds()) < 60


def test_json_is_replaced_in_one_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"Gerät": 1.5})
    assert json.loads(path.read_text(encoding="utf-8")) == {"Gerät": 1.5}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"Gerät": 2.5})
    assert json.loads(path.read_text(encoding="utf-8")) == {"Gerät": 1.5}
    with pytest.raises(TypeError):
        write_json(path, {"not a plain number": numpy.float32(1)})


def test_json_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": float("nan"), "of classes": [0.5, float("inf")], "floor": 0.25})
    told = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert told == {"loss": None, "of classes": [0.5, None], "floor": 0.25}


@pytest.mark.parametrize("name", ["a [1]", "b*", "what?", "back\\slash"])
def test_names_that_tensorflow_takes_for_a_pattern(name: str, tmp_path: Path) -> None:
    options = RunConfig(runs_dir=str(tmp_path / "a [1]"), saved_models_dir=str(tmp_path))
    with pytest.raises(UserError, match="choose another --run_name"):
        refuse_existing(options, name)
    refuse_existing(options, default_name(name))  # of a preset called so
    refuse_existing(options, "a (1) é")


def test_moved_data(tmp_path: Path) -> None:
    assert find_data("sample", "") == "sample"
    assert find_data(str(tmp_path), "") == str(tmp_path)
    with pytest.raises(UserError, match=r"nowhere.*is gone.*--resume runs/x --data NEW"):
        find_data(str(tmp_path / "nowhere"), "--resume runs/x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "list indices"),
        ('{"b": 1}', r"no 'a'"),
        (None, "No such file"),
    ],
)
def test_a_record_that_cannot_be_read(content: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    told = rf"^.*record\.json cannot be read \(.*{reason}.*\): put it back$"
    with pytest.raises(UserError, match=told):
        read_json(path, lambda record: record["a"], "put it back")
    write_json(path, {"a": "ü"})
    assert read_json(path, lambda record: record["a"], "put it back") == "ü"
