"""The ledger of results in an object store: filled, gone on with, refused, as the one on a disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clips import write_sources
from ledger_pieces import (
    CLIPS,
    PHOTOS,
    PIECES,
    PREDICTOR,
    predict_in_pieces,
    predict_whole,
    stopping_at,
)
from stores import named_locally, on_disk, put_folder, stored, without_films

from tf_muscle.errors import UserError
from tf_muscle.prediction import predict_pieces
from tf_muscle.prediction.pieces import divide
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.remote_ledger import RemoteLedger
from tf_muscle.prediction.results_folder import Format
from tf_muscle.prediction.sources import find_sources

memory = pytest.importorskip("fsspec.implementations.memory")
MemoryFileSystem, MemoryFile = memory.MemoryFileSystem, memory.MemoryFile
OUT = "memory://results/day"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources") / "photos", PHOTOS, CLIPS)


@pytest.fixture
def sources(photos: Path) -> Iterator[str]:
    yield put_folder(photos, "memory://photos")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def whole(photos: Path, out: Path, output_format: Format) -> dict[str, bytes]:
    """What one process writes of the files on the disk."""
    predict_whole(photos, out, output_format)
    return on_disk(out)


def in_pieces(sources: str, output_format: Format, predictor: Predictor = PREDICTOR) -> int:
    return predict_in_pieces(sources, RemoteLedger(OUT), output_format, predictor)


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
    with pytest.raises(KeyboardInterrupt):
        in_pieces(sources, "mask", replace(PREDICTOR, forward=stopping_at(12)))
    assert set(RemoteLedger(OUT).done(PIECES)) == {0}
    assert not RemoteLedger(OUT).taken
    predict, done = predict_pieces._predict, []

    def noted(*arguments: object) -> object:
        done.append(arguments[-1][0])  # type: ignore[index]
        return predict(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(predict_pieces, "_predict", noted)
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


def test_records_that_cannot_be_removed_are_a_note(
    photos: Path,
    sources: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "rm", fails)
        assert in_pieces(sources, "mask") == 1
    assert f"note: {OUT}/.pieces is left behind (ConnectionError)" in capsys.readouterr().err
    results = {name: one for name, one in stored(OUT).items() if not name.startswith(".pieces")}
    local = whole(photos, tmp_path / "one", "mask")
    assert without_films(named_locally(results, sources, str(photos))) == without_films(local)


def test_an_empty_folder_of_a_stores_console_is_not_taken(sources: str) -> None:
    """Consoles make a folder as a file without content whose name ends with a slash."""
    MemoryFileSystem.store["/results/day/"] = MemoryFile(MemoryFileSystem(), "/results/day/", b"")
    assert MemoryFileSystem().find("/results/day") == ["/results/day/"]
    assert not RemoteLedger(OUT).taken
