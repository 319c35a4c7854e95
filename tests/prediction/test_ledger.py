"""The ledger of a prediction, filled in this process: kept, joined, refused, done again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clips import tables, write_sources
from ledger_pieces import (
    CLIPS,
    PHOTOS,
    PIECES,
    PREDICTOR,
    predict_in_pieces,
    predict_whole,
    stopping_at,
)
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.lab.outputs import LabOutputs
from tf_muscle.prediction import predict_pieces
from tf_muscle.prediction.ledger import Ledger
from tf_muscle.prediction.pieces import divide
from tf_muscle.prediction.predict_pieces import Wanted
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import Format
from tf_muscle.prediction.sources import find_sources
from tf_muscle.prediction.time_range import WHOLE


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces are done by the loop of this process, from the last to the first."""
    results = predict_pieces.results

    def backwards(pieces: list, make: object, cluster: object, name: object) -> Iterator:
        return results(pieces[::-1], make, None)

    monkeypatch.setattr(predict_pieces, "results", backwards)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources") / "photos", PHOTOS, CLIPS)


def whole(sources: Path, out: Path, output_format: Format) -> dict[str, bytes]:
    """What one process writes."""
    predict_whole(sources, out, output_format)
    return tables(out)


def in_pieces(
    sources: Path, out: Path, output_format: Format, predictor: Predictor = PREDICTOR
) -> int:
    return predict_in_pieces(str(sources), Ledger(out), output_format, predictor)


@pytest.mark.parametrize("output_format", ["overlay", "mask", "both", "coco"])
def test_pieces_in_any_order_make_the_whole(
    output_format: Format, sources: Path, tmp_path: Path
) -> None:
    assert in_pieces(sources, tmp_path / "many", output_format) == 1
    assert tables(tmp_path / "many") == whole(sources, tmp_path / "one", output_format)
    folders = {path.name for path in (tmp_path / "many").iterdir()}
    assert folders == {path.name for path in (tmp_path / "one").iterdir()}


def test_what_is_done_is_not_done_again(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "many"
    with pytest.raises(KeyboardInterrupt):
        in_pieces(sources, out, "mask", replace(PREDICTOR, forward=stopping_at(12)))
    done = [path for path in (out / ".pieces").iterdir() if path.is_dir()]
    assert 0 < len(done) < PIECES
    assert all((path / "told.json").is_file() for path in done)  # no half of one
    before = {path: path.stat().st_mtime_ns for path in (out / "train").glob("*_mask.png")}
    (out / ".pieces/unfinished_x").mkdir()  # of a worker that was killed
    assert in_pieces(sources, out, "mask") == 1
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert tables(out) == whole(sources, tmp_path / "one", "mask")
    assert "001.png cannot be read" in capsys.readouterr().err


def test_another_command_does_not_go_on_with_it(sources: Path, tmp_path: Path) -> None:
    pieces = divide(find_sources([str(sources)]), 4)
    ledger = Ledger(tmp_path / "out")
    with ledger.opened(pieces, {"smooth": 0.1, "person": None}):
        pass
    with (
        pytest.raises(UserError, match="begun with another choice of smooth, or with other files"),
        ledger.opened(pieces, {"smooth": 0.2, "person": None}),
    ):
        pass
    with (
        pytest.raises(UserError, match="begun with another choice of sources"),
        ledger.opened(pieces[1:], {"smooth": 0.1, "person": None}),
    ):
        pass
    with (
        ledger.opened(pieces, {"smooth": 0.1, "person": None}),
        pytest.raises(UserError, match="another process is writing"),
        ledger.opened(pieces, {"smooth": 0.1, "person": None}),
    ):
        pass


def test_a_photo_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    photo = tmp_path / "photos/a.png"
    photo.parent.mkdir()
    Image.new("RGB", (32, 32)).save(photo)
    pieces = divide(find_sources([str(photo.parent)]), 4)
    ledger = Ledger(tmp_path / "out")
    with ledger.opened(pieces, {}):
        pass
    Image.new("RGB", (64, 48), "red").save(photo)
    with pytest.raises(UserError, match="choice of sources, or"), ledger.opened(pieces, {}):
        pass


def test_a_worker_that_was_given_up_counts_once(sources: Path, tmp_path: Path) -> None:
    pieces = divide(find_sources([str(sources)]), 4)
    ledger = Ledger(tmp_path / "out")
    with ledger.opened(pieces, {}):
        wanted = Wanted("mask", None, LabOutputs(), 0.1, WHOLE)
        for _ in range(2):
            predict_pieces._predict(PREDICTOR, wanted, ledger, (0, pieces[0]))
        assert {path.name for path in ledger.folder.iterdir()} == {"plan.json", "000000", ".lock"}
        assert json.loads((ledger.folder / "000000/told.json").read_text())["failures"] == 1
