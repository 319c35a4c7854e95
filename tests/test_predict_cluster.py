"""`predict --cluster`: what workers write is what one process writes, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clips import films, tables, write_sources
from one_layer_run import one_layer_run

from tf_muscle.command import run_command
from tf_muscle.predict import main
from tf_muscle.prediction import run_predict

pytest.importorskip("ray", reason="needs the extra cluster")

LONG = 120.0  # seconds


@pytest.mark.parametrize("output_format", ["both", pytest.param("coco", marks=pytest.mark.slow)])
def test_workers_write_what_one_process_writes(
    output_format: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    one_layer_run(tmp_path / "mine")
    write_sources(tmp_path / "photos", 40, 2)
    words = ["mine", "photos", "--format", output_format]
    assert run_command(main, [*words, "--out", "one"]) == 1
    assert run_command(main, [*words, "--out", "many", "--cluster", "local"]) == 1
    said = capsys.readouterr()
    assert (said.out + said.err).count("skipped: photos/001.png cannot be read") == 2
    assert said.err.count("1 of 42 sources could not be read") == 2
    assert tables(tmp_path / "many") == tables(tmp_path / "one")
    assert films(tmp_path / "many") == films(tmp_path / "one")
    assert run_command(main, [*words, "--out", "many", "--cluster", "local"]) == 2
    assert "many exists and is never overwritten" in capsys.readouterr().err


def test_a_camera_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["0", "--cluster", "local"]) == 2
    assert "are for files, not for camera 0" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["autoo", "no-such-host.invalid:99", "127.0.0.1:9", "auto"])
def test_a_wrong_address_is_refused_first(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    write_sources(tmp_path / "photos", 3, 0)
    before = set(tmp_path.rglob("*"))
    loaded = []
    monkeypatch.setattr(run_predict, "load_predictor", lambda *a, **b: loaded.append(a))
    assert run_command(main, ["photos", "--out", "many", "--cluster", address]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --cluster ")
    assert address in said
    assert said.count("\n") == 1
    assert not loaded
    assert set(tmp_path.rglob("*")) == before


class TwoNodes:
    """A cluster of two nodes on this machine, a core each, as `ray start` twice makes one."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        self._second = self._cluster.add_node(num_cpus=1)
        self.address = self._cluster.address

    def kill_second(self) -> None:
        """Its raylet and its workers, by SIGKILL."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or other programs would make it take long
    here = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, here)))  # of the workers, too
    nodes = TwoNodes()
    yield nodes
    nodes.close()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, "the command ended before it could be disturbed"
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 photos and 6 clips, and what one process makes of them in `one`."""
    monkeypatch.chdir(tmp_path)
    one_layer_run(tmp_path / "mine")
    write_sources(tmp_path / "photos", 200, 6, (640, 480))
    assert run_command(main, ["mine", "photos", "--format", "mask", "--out", "one"]) == 1
    return tmp_path


def started(folder: Path, nodes: TwoNodes) -> subprocess.Popen[bytes]:
    words = ["mine", "photos", "--format", "mask", "--out", "many", "--cluster", nodes.address]
    return subprocess.Popen([sys.executable, "-m", "tf_muscle.predict", *words], cwd=folder)


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(archive: Path, nodes: TwoNodes) -> None:
    command = started(archive, nodes)
    wait_for(lambda: list((archive / "many").glob(".pieces/0*")), command)
    nodes.kill_second()
    assert command.wait(LONG) == 1  # for the damaged photo
    assert tables(archive / "many") == tables(archive / "one")
    assert films(archive / "many") == films(archive / "one")


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_stood(archive: Path, nodes: TwoNodes) -> None:
    out = archive / "many"
    command = started(archive, nodes)
    wait_for(lambda: len(list(out.glob(".pieces/0*"))) >= 2, command)
    command.send_signal(signal.SIGKILL)
    command.wait()
    done = {
        path: path.stat().st_mtime_ns
        for record in out.glob(".pieces/0*")
        for path in outputs_of(record, out)
    }
    assert done
    assert run_command(main, ["mine", "photos", "--out", "many"]) == 2  # without --cluster
    assert started(archive, nodes).wait(LONG) == 1
    assert {path: path.stat().st_mtime_ns for path in done} == done  # not done again
    assert tables(out) == tables(archive / "one")
    assert films(out) == films(archive / "one")


def outputs_of(record: Path, out: Path) -> list[Path]:
    """The masks of the photos in a piece's table."""
    rows = (record / "predictions.csv").read_text().splitlines()[1:]
    names = {row.split(",")[1] for row in rows}
    return [path for name in names for path in out.glob(f"train/{name}_mask.png")]
