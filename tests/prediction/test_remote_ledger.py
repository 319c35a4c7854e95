"""The ledger of results in an object store: filled, gone on with, refused, as the one on a disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clips import write_sources
from light_model import light_of_three
from rich.console import Console
from rich.progress import Progress
from stores import named_locally, put_folder, stored, without_films

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.lab.outputs import LabOutputs
from tf_muscle.prediction import on_cluster
from tf_muscle.prediction.into_folder import add_photos, add_videos
from tf_muscle.prediction.on_cluster import Wanted, predict_pieces
from tf_muscle.prediction.output_names import output_names
from tf_muscle.prediction.pieces import divide
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.remote_ledger import RemoteLedger
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sources import find_sources
from tf_muscle.prediction.time_range import WHOLE

MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
NAMES = ("background", "biceps", "calf")
PREDICTOR = Predictor(light_of_three, NAMES, Geometry("pad", 32), batch_size=4)
OUT = "memory://results/day"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources") / "photos", 70, 2)


@pytest.fixture
def sources(photos: Path) -> Iterator[str]:
    yield put_folder(photos, "memory://photos")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def whole(photos: Path, out: Path, output_format: Format) -> dict[str, bytes]:
    """What one process writes of the files on the disk."""
    found = find_sources([str(photos)])
    with (
        ResultsFolder(out, NAMES, output_format, names=output_names(found)) as results,
        Progress(console=Console(stderr=True), disable=True) as progress,
    ):
        add_photos(results, PREDICTOR, found.photos, progress)
        add_videos(results, PREDICTOR, found.videos, 0.1, progress)
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def in_pieces(sources: str, output_format: Format, predictor: Predictor = PREDICTOR) -> int:
    pieces = divide(find_sources([sources]), predictor.batch_size)
    assert len(pieces) == 5
    ledger = RemoteLedger(OUT)
    wanted = Wanted(output_format, None, LabOutputs(), 0.1, WHOLE)
    progress = Progress(console=Console(stderr=True, soft_wrap=True), disable=True)
    with ledger.opened(pieces, vars(wanted)), progress:
        return predict_pieces(pieces, lambda: predictor, wanted, ledger, None, progress)


@pytest.mark.parametrize("output_format", ["overlay", "mask", "both", "coco"])
def test_a_store_gets_what_a_disk_gets(
    output_format: Format, photos: Path, sources: str, tmp_path: Path
) -> None:
    assert in_pieces(sources, output_format) == 1
    remote = named_locally(stored(OUT), sources, str(photos))
    local = whole(photos, tmp_path / "one", output_format)
    assert without_films(remote) == without_films(local)
    assert set(remote) == set(local)  # and nothing of the ledger
    assert not RemoteLedger(OUT).begun
    assert RemoteLedger(OUT).taken


def test_what_is_done_is_not_done_again(
    photos: Path, sources: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def stops(images: object) -> object:
        seen.append(1)
        if len(seen) == 12:
            raise KeyboardInterrupt
        return light_of_three(images)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        in_pieces(sources, "mask", replace(PREDICTOR, forward=stops))
    assert set(RemoteLedger(OUT).done(5)) == {0}
    assert not RemoteLedger(OUT).taken
    predict, done = on_cluster._predict, []

    def noted(*arguments: object) -> object:
        done.append(arguments[-1][0])  # type: ignore[index]
        return predict(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(on_cluster, "_predict", noted)
    assert in_pieces(sources, "mask") == 1
    assert done == [1, 2, 3, 4]
    remote = named_locally(stored(OUT), sources, str(photos))
    assert without_films(remote) == without_films(whole(photos, tmp_path / "one", "mask"))


@pytest.mark.parametrize("lost", [1, 2, 9, 10, 11])
def test_a_connection_that_is_lost_in_any_put_leaves_nothing_half(
    lost: int, photos: Path, sources: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece has two: its outputs and parts, then its record; the last is of the whole."""
    put, calls = MemoryFileSystem.put, []

    def losing(store: object, here: list[str], there: list[str]) -> None:
        calls.append(there)
        if len(calls) == lost:
            put(store, here[: len(here) // 2], there[: len(there) // 2])
            raise ConnectionError("away")
        put(store, here, there)

    monkeypatch.setattr(MemoryFileSystem, "put", losing)
    with pytest.raises(UserError, match=r"cannot be used \(ConnectionError: away\)"):
        in_pieces(sources, "coco")
    assert in_pieces(sources, "coco") == 1
    remote = named_locally(stored(OUT), sources, str(photos))
    local = whole(photos, tmp_path / "one", "coco")
    assert without_films(remote) == without_films(local)
    assert set(remote) == set(local)


def test_another_command_does_not_go_on_with_it(sources: str) -> None:
    pieces = divide(find_sources([sources]), 4)
    ledger = RemoteLedger(OUT)
    with ledger.opened(pieces, {"smooth": 0.1}):
        pass
    with (
        pytest.raises(UserError, match="day was begun with another choice of smooth, or"),
        ledger.opened(pieces, {"smooth": 0.2}),
    ):
        pass
    MemoryFileSystem().pipe_file("/photos/000.png", b"of another size")
    changed = divide(find_sources([sources]), 4)
    with (
        pytest.raises(UserError, match="begun with another choice of sources"),
        ledger.opened(changed, {"smooth": 0.1}),
    ):
        pass
