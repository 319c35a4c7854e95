"""`predict` from and to an object store: what a folder gets, whoever is killed.

The slow tests start a server that speaks S3 (moto) and run the command as a process of its own:
pytest -m slow tests/test_predict_store.py
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from clips import write_sources
from one_layer_run import one_layer_run
from stores import named_locally, on_disk, put_folder, stored, without_films

from tf_muscle.command import run_command
from tf_muscle.predict import main
from tf_muscle.prediction import predict_pieces

MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
LONG = 1800.0  # seconds; other work on the machine makes it take long


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run, and photos and clips of which one is damaged; also in fsspec's own store."""
    monkeypatch.chdir(tmp_path)
    one_layer_run(tmp_path / "mine")
    write_sources(tmp_path / "photos", 40, 1)
    put_folder(tmp_path / "photos", "memory://photos")
    yield tmp_path
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def alike(remote: dict[str, bytes], local: dict[str, bytes], address: str) -> bool:
    """Whether all files are equal, but films, of which there are the same ones."""
    remote = named_locally(remote, address, "photos")
    return without_films(remote) == without_films(local) and set(remote) == set(local)


def test_every_way_gives_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--format", "coco"]
    assert run_command(main, ["mine", "photos", "--out", "one", *words]) == 1
    local = on_disk(folder / "one")
    before = set(folder.rglob("*"))
    for source, out in (("memory://photos", "memory://lab/many"), ("photos", "memory://lab/two/")):
        assert run_command(main, ["mine", source, "--out", out, *words]) == 1
        assert alike(stored(out.rstrip("/")), local, source)
    assert set(folder.rglob("*")) == before
    assert run_command(main, ["mine", "memory://photos", "--out", "three", *words]) == 1
    assert alike(on_disk(folder / "three"), local, "memory://photos")
    said = capsys.readouterr()
    assert "written to memory://lab/many\n" in said.out
    assert said.err.count("skipped: photos/001.png cannot be read as a photo") == 2
    assert said.err.count("skipped: memory://photos/001.png cannot be read as a photo") == 2
    assert said.err.count("1 of 41 sources could not be read") == 4
    assert run_command(main, ["mine", "photos", "--out", "memory://lab/many"]) == 2
    assert "memory://lab/many exists and is never overwritten" in capsys.readouterr().err


def test_a_part_of_a_video_in_a_store(folder: Path) -> None:
    (video,) = (path.name for path in (folder / "photos").glob("*.mp4"))
    for source, out in ((f"photos/{video}", "one"), (f"memory://photos/{video}", "two")):
        words = ["mine", source, "--time_range", "0", "0.25", "--out", out]
        assert run_command(main, words) == 0
    assert alike(on_disk(folder / "two"), on_disk(folder / "one"), "memory://photos")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mine", "ftp://host/a.jpg"], "an address ftp://... names an unknown kind of store"),
        (["ftp://host/a.jpg", "photos"], "an address ftp://... names an unknown kind of store"),
        (
            ["mine", "photos", "--out", "ftp://host/x"],
            "an address ftp://... names an unknown kind of store",
        ),
        (["mine", "photos", "--out", "memory://lab/x*"], "--out memory://lab/x* is a glob"),
        (["mine", "photos", "--out", "memory://a:secret@lab/x"], "holds a key or a port"),
        (["memory://a:secret@lab/mine.keras", "photos"], "holds a key or a port"),
        (["memory://lab/best.keras", "photos"], "a model is not read from a store"),
        (["mine", "memory://none"], "memory://none does not exist and matches no file"),
        (["mine", "0", "--out", "memory://lab/x"], "are for files, not for camera 0"),
        (["mine", "0", "memory://photos"], "are for files, not for camera 0"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    words: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(folder.rglob("*")), dict(MemoryFileSystem.store)
    assert run_command(main, words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert sentence in said
    assert said.count("\n") == 1
    assert "secret" not in said
    assert (set(folder.rglob("*")), dict(MemoryFileSystem.store)) == before


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["memory://photos"], "memory://photos/out"),
        (["memory://photos/*"], "memory://photos/out/"),
        (["photos/*", "memory://photos/003.png"], "photos/out"),
    ],
)
def test_results_inside_a_source_are_no_sources(
    words: list[str], out: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(results: object, predictor: object, videos: Sequence[object], *_: object) -> int:
        if videos:
            raise KeyboardInterrupt
        return 0

    words = ["mine", *words, "--format", "both", "--out"]
    assert run_command(main, [*words, "one"]) == 1  # for the damaged photo
    monkeypatch.setattr(predict_pieces, "add_videos", stopped)
    assert run_command(main, [*words, out]) == 130
    assert run_command(main, ["mine", out, "--out", out]) == 2
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    expanded = [] if "://" in out else [out]  # a shell that goes through photos/* finds it now
    assert run_command(main, ["mine", *expanded, *words[1:], out]) == 1
    results = stored(out.rstrip("/")) if "://" in out else on_disk(folder / out)
    assert without_films(results) == without_films(on_disk(folder / "one"))
    assert set(results) == set(on_disk(folder / "one"))


class Server:
    """An S3 server of this machine, with one bucket and the photos in it."""

    def __init__(self, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        moto = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[s3]'")
        pytest.importorskip("s3fs", reason="needs the extra s3")
        self._server = moto.ThreadedMotoServer(port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        address = f"http://{host}:{port}"
        # Its buckets are the process', so that those of the last one are still there.
        urllib.request.urlopen(f"{address}/moto-api/reset", data=b"").close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import fsspec

        self.store = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
        self.store.mkdir("lab")
        put_folder(photos, "s3://lab/photos")

    def records(self, out: str) -> list[str]:
        """What counts pieces as done."""
        return [one for one in self.store.find(f"{out}/.pieces") if one.endswith("/told.json")]

    def close(self) -> None:
        self._server.stop()


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    import fsspec

    fsspec.filesystem("memory").store.clear()
    write_sources(folder / "many", 120, 2, (320, 240))
    (folder / "photos").rename(folder / "few")
    (folder / "many").rename(folder / "photos")
    server = Server(folder / "photos", monkeypatch)
    yield server
    server.close()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tf_muscle.predict", "mine", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [(), ("--cluster", "local")])
def test_a_killed_command_goes_on_where_it_stood(
    cluster: tuple[str, ...], folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cluster:
        pytest.importorskip("ray", reason="needs the extra cluster")
    here = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, here)))  # of the workers, too
    assert run_command(main, ["mine", "photos", "--out", "one", "--format", "both"]) == 1
    out = "s3://lab/results"
    words = ["s3://lab/photos", "--out", out, "--format", "both", *cluster]
    first = command(folder, *words)
    wait_for(lambda: server.records(out), first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = {one: server.store.modified(one) for one in server.records(out)}
    assert 0 < len(done) < 6
    second = command(folder, *words)
    wait_for(lambda: len(server.records(out)) > len(done), second)
    assert {one: server.store.modified(one) for one in done} == done  # not done again
    said = second.communicate(timeout=LONG)[0]
    assert second.returncode == 1, said  # for the damaged photo
    assert "1 of 122 sources could not be read" in said
    assert "a-key" not in said
    assert "a-secret" not in said
    results = stored(out)
    assert alike(results, on_disk(folder / "one"), "s3://lab/photos")
    for content in results.values():
        assert b"a-secret" not in content


@pytest.mark.slow
def test_a_store_that_refuses_is_one_sentence(
    folder: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(*words: str) -> str:
        assert run_command(main, ["mine", *words]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        assert "a-secret" not in said
        return said

    before = set(folder.rglob("*"))
    no_bucket = "The specified bucket does not exist"
    assert no_bucket in refused("s3://no-such-bucket/photos")
    assert no_bucket in refused("photos", "--out", "s3://no-such-bucket/results")
    assert "does not exist and matches no file" in refused("s3://lab/none")
    server.close()
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert "EndpointConnectionError" in refused("s3://lab/photos")
    assert "EndpointConnectionError" in refused("photos", "--out", "s3://lab/results")
    assert set(folder.rglob("*")) == before
