"""Trainings logged to MLflow: to a file, and to its own server."""

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import fold_options
import pytest
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.options import RunConfig
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tracking.trackers import read_ids, tracked
from tf_muscle.train import main as train
from tf_muscle.training import loop

pytest.importorskip("mlflow", reason="pip install -e .[mlflow]")

from tf_muscle.tracking.mlflow_tracker import import_mlflow

mlflow = import_mlflow()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty store in a file, whose tables take MLflow seconds to make."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def settings(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.chdir(tmp_path)  # where MLflow puts mlruns/


@pytest.mark.slow
def test_a_training_is_recorded_and_goes_on_as_the_same_run(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is interrupted after its epochs, before it is evaluated."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    client = mlflow.MlflowClient()
    words = small_run(small_export, tmp_path, run_name="logged", epochs=2, log="mlflow")
    with monkeypatch.context() as patched:
        patched.setattr(loop, "finish", interrupt)
        assert run_command(train, words) == 130
    run = RunFolder(tmp_path / "runs" / "logged")
    run_id = read_ids(run)["mlflow"]
    assert client.get_run(run_id).info.status == "KILLED"
    assert run_command(train, ["--resume", str(run.path)]) == 0
    assert read_ids(run) == {"mlflow": run_id}

    found = client.get_run(run_id)
    manifest = json.loads(run.manifest.read_text())
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "logged"
    parameters = manifest["config"] | {"data_fingerprint": manifest["data"]["fingerprint"]}
    assert found.data.params == {name: str(value) for name, value in parameters.items()}
    with run.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for column in ("loss", "val_mean_iou", "learning_rate"):
        points = client.get_metric_history(run_id, column)
        assert [(one.step, one.value) for one in points] == [
            (int(row["epoch"]), pytest.approx(float(row[column]))) for row in rows
        ]
    for name, value in manifest["metrics"]["test"].items():
        assert found.data.metrics[f"test/{name}"] == value
    stored = {one.path for one in client.list_artifacts(run_id)}
    assert {"best.keras", "run.json", "report.md", "config.yaml", "figures"} <= stored
    assert len(client.list_artifacts(run_id, "figures")) == len(list(run.figures.iterdir()))
    folder = mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(tmp_path / "back"))
    assert (Path(folder) / "best.keras").read_bytes() == run.model.read_bytes()


def test_a_class_whose_name_mlflow_refuses(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "mine")
    run.figures.mkdir(parents=True)
    run.metrics.write_text(json.dumps({"test": {"iou": {"Bizeps (links)": 0.5, "二头肌": 0.25}}}))
    with tracked(run, Config(run=RunConfig(log=["mlflow"])), "0123") as trackers:
        trackers.log_result()
    metrics = mlflow.MlflowClient().get_run(read_ids(run)["mlflow"]).data.metrics
    assert metrics == {"test/iou/Bizeps _links_": 0.5, "test/iou/二头肌": 0.25}


def test_a_server_that_is_down_is_refused_at_once(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    words = small_run(small_export, tmp_path, run_name="refused", log="mlflow")
    assert run_command(train, words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --log mlflow cannot be used (API request to http://127.0.0.1:9")
    assert not (tmp_path / "runs").exists()


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """MLflow's own server on a free port, its runs and files in a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
        *("--artifacts-destination", str(folder / "files")),
    ]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/health", timeout=2)
                break
            time.sleep(0.5)
        else:
            pytest.fail((folder / "server.log").read_text())
        yield url, server
    finally:
        server.terminate()
        server.wait()
        log.close()


@pytest.mark.slow
def test_folds_on_a_server_that_goes_away_in_the_middle(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "curls")
    words = fold_options.options(small_export, tmp_path, run_name="five", log="mlflow")
    with mlflow_server(tmp_path) as (url, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert run_command(train, words) == 0
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("curls")
        found = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
        assert set(found) == {"five", "five/fold_1", "five/fold_2"}
        assert {one.data.tags["group"] for one in found.values()} == {"five"}
        whole = found["five"]
        for name in ("five/fold_1", "five/fold_2"):
            assert found[name].data.tags["mlflow.parentRunId"] == whole.info.run_id
        metrics = fold_options.metrics_of(RunFolder(tmp_path / "runs" / "five"))
        record = metrics["out_of_fold"]
        assert whole.data.metrics["out_of_fold/mean_iou"] == record["mean_iou"]
        assert {one.path for one in client.list_artifacts(whole.info.run_id)} >= {"report.md"}
    capsys.readouterr()

    (tmp_path / "again").mkdir()
    with mlflow_server(tmp_path / "again") as (url, server):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        began = loop.tracked

        @contextlib.contextmanager
        def tracked_and_left(*args: object) -> Iterator[object]:
            with began(*args) as trackers:  # type: ignore[arg-type]
                server.terminate()
                server.wait()
                yield trackers

        monkeypatch.setattr(loop, "tracked", tracked_and_left)
        words = small_run(small_export, tmp_path, run_name="left", epochs=2, log="mlflow")
        assert run_command(train, words) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "mlflow failed" in line]
    assert len(warnings) == 2, "once for the epochs, once for the result"
    assert (tmp_path / "runs" / "left" / "run.json").is_file()
