import hashlib
from pathlib import Path
from typing import Any

import pytest

from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.options import RunConfig
from tf_muscle.runs.environment import Environment
from tf_muscle.runs.folder import RunFolder, write_json
from tf_muscle.runs.manifest import (
    changed_outputs,
    differences,
    make_manifest,
    read_manifest,
)

ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.9",
    "keras": "3.15.1",
    "git_commit": "0123abc",
    "processor": "Z80, 1 threads",
    "device": "CPU",
    "precision": "float32 (as asked)",
    "encoder_weights": "random",
    "loss": {"kind": "focal"},
    "resumed": ["nothing changed"],
    "data": {
        "name": "sample",
        "fingerprint": "0123456789abcdef",
        "num_examples": {"train": 2},
        "synthetic": True,
        "notes": ["long"],
    },
}
METRICS = {"test": {"loss": 0.5, "mean_iou": 0.25, "image_count": 4, "confusion_matrix": [[1]]}}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run, without what its files are about."""
    run = RunFolder(tmp_path / "runs" / "mine")
    saved_model = tmp_path / "saved_models" / "mine"
    for path in (run.config, run.environment, run.history, run.metrics, run.model, run.report,
                 run.figures / "a.png", run.tensorboard / "events", run.path / "notes.txt",
                 saved_model / "saved_model.pb", saved_model / "variables" / "data"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    config = Config(run=RunConfig(seed=7))
    environment = Environment.from_json(ENVIRONMENT)
    write_json(run.manifest, make_manifest(run, config, environment, METRICS, saved_model))
    return run


def test_manifest_holds_what_a_rerun_needs(run: RunFolder) -> None:
    record = read_manifest(run)
    assert record["data"]["fingerprint"] == "0123456789abcdef"
    assert record["seeds"] == {"seed": 7, "split_seed": 0}
    assert record["config"] == Config(run=RunConfig(seed=7)).flat()
    assert record["versions"] == {"python": "3.11.9", "keras": "3.15.1", "git_commit": "0123abc"}
    assert record["machine"] == {
        "processor": "Z80, 1 threads", "kernels": "unknown", "device": "CPU",
        "precision": "float32",
    }  # fmt: skip
    assert record["metrics"] == {"test": {"loss": 0.5, "mean_iou": 0.25}}
    assert record["resumed"] == ["nothing changed"]
    assert set(record["outputs"]) == {
        "config.yaml", "environment.json", "history.csv", "metrics.json", "best.keras",
        "report.md", "figures/a.png",
    }  # fmt: skip
    assert record["outputs"]["figures/a.png"] == hashlib.sha256(b"a.png").hexdigest()
    assert set(record["saved_model"]["outputs"]) == {"saved_model.pb", "variables/data"}


def test_outputs_that_are_as_they_were(run: RunFolder) -> None:
    (run.path / "evaluations").mkdir()
    (run.path / "evaluations" / "later.json").write_text("{}")
    (run.path / "notes.txt").write_text("not in the manifest")
    assert changed_outputs(run, read_manifest(run)) == []


def test_changed_and_missing_outputs_are_named(run: RunFolder, tmp_path: Path) -> None:
    run.model.write_text("best.kerat")
    (run.figures / "a.png").unlink()
    saved_model = tmp_path / "saved_models" / "mine"
    (saved_model / "saved_model.pb").write_text("")
    assert changed_outputs(run, read_manifest(run)) == [
        f"{run.model} (changed)",
        f"{run.figures / 'a.png'} (missing)",
        f"{saved_model / 'saved_model.pb'} (changed)",
    ]


def test_saved_model_may_be_taken_along(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "saved_models" / "mine").rename(tmp_path / "elsewhere")
    assert changed_outputs(run, read_manifest(run)) == []


def test_incomplete_run_has_no_manifest(run: RunFolder) -> None:
    run.manifest.unlink()
    with pytest.raises(UserError, match=f"--resume {run.path}"):
        read_manifest(run)


@pytest.mark.parametrize("content", ["", "{", "3", "[1]"])
def test_damaged_manifest(content: str, run: RunFolder) -> None:
    run.manifest.write_text(content)
    with pytest.raises(UserError, match=r"run\.json cannot be read"):
        read_manifest(run)


def test_differences_name_both_sides() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [
        "b: 2 -> 3",
        "c: none -> 4",
    ]
    assert differences({"a": "1"}, {}) == ["a: 1 -> none"]
