"""A training logged to Weights & Biases in offline mode."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.options import RunConfig
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tracking.trackers import read_ids, refuse_unreachable, tracked
from tf_muscle.train import main as train

wandb = pytest.importorskip("wandb", reason="pip install -e .[wandb]")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home"))


def records(run: RunFolder) -> bytes:
    """What the run's offline files hold: Protocol Buffers, in which texts stand as they are."""
    return b"".join(path.read_bytes() for path in sorted(run.path.rglob("run-*.wandb")))


@pytest.mark.slow
def test_a_training_is_recorded_in_its_folder(small_export: Path, tmp_path: Path) -> None:
    words = small_run(small_export, tmp_path, run_name="logged", epochs=1, log="wandb")
    assert run_command(train, words) == 0
    run = RunFolder(tmp_path / "runs" / "logged")
    assert not run.tensorboard.exists()
    written = records(run)
    fingerprint = json.loads(run.manifest.read_text())["data"]["fingerprint"]
    for text in (
        fingerprint, "data_fingerprint", "val_mean_iou", "test/mean_iou", "best.keras", "run.json",
        "figures/learning_curves", read_ids(run)["wandb"],
    ):  # fmt: skip
        assert text.encode() in written, text
    pictures = {path.name.rsplit("_", 2)[0] for path in run.path.rglob("media/images/figures/*")}
    assert pictures == {path.stem for path in run.figures.iterdir()}


def test_a_resumed_run_keeps_its_id(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "mine")
    run.path.mkdir()
    config = Config(run=RunConfig(log=["wandb"]))
    for epoch in (0, 1):
        with tracked(run, config, "0123") as trackers:
            trackers.log_epoch(epoch, {"loss": 1.0})
    folders = [path.name for path in (run.path / "wandb").glob("offline-run-*")]
    assert folders
    # W&B counts up a folder of the same second: offline-run-TIME-ID-1.
    assert all(f"-{read_ids(run)['wandb']}" in name for name in folders)


def test_without_a_key_it_is_refused(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wandb.teardown()
    words = small_run(small_export, tmp_path, run_name="refused", log="wandb")
    assert run_command(train, words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --log wandb cannot be used (No API key configured")
    assert not (tmp_path / "runs").exists()
    wandb.teardown()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B's client as if its server were there and took this user."""
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    wandb.teardown()
    yield
    wandb.teardown()


def test_a_run_that_the_server_does_not_know_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: None
) -> None:
    asked = []

    def find(path: str) -> None:
        asked.append(path)
        if path != "curls/known":
            raise ValueError(f"Could not find run <Run {path} (not found)>")

    monkeypatch.setattr(wandb, "Api", lambda **_: SimpleNamespace(run=find))
    monkeypatch.setenv("WANDB_PROJECT", "curls")
    run = RunFolder(tmp_path / "mine")
    refuse_unreachable(["wandb"], run)
    run.path.mkdir()
    run.trackers.write_text('{"wandb": "known"}')
    refuse_unreachable(["wandb"], run)
    run.trackers.write_text('{"wandb": "gone"}')
    with pytest.raises(UserError, match=r"^--log wandb cannot be used \(Could not find run .*gone"):
        refuse_unreachable(["wandb"], run)
    assert asked == ["curls/known", "curls/gone"]
