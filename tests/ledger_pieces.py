"""A prediction by one process and in pieces, as the tests of both ledgers compare them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from light_model import light_of_three
from rich.console import Console
from rich.progress import Progress

from tf_muscle.data.geometry import Geometry
from tf_muscle.lab.outputs import LabOutputs
from tf_muscle.prediction.into_folder import add_photos, add_videos
from tf_muscle.prediction.ledger import Ledger
from tf_muscle.prediction.output_names import output_names
from tf_muscle.prediction.pieces import divide
from tf_muscle.prediction.predict_pieces import Wanted, predict_pieces
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.remote_ledger import RemoteLedger
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sources import find_sources
from tf_muscle.prediction.time_range import WHOLE

NAMES = ("background", "biceps", "calf")
PREDICTOR = Predictor(light_of_three, NAMES, Geometry("pad", 32), batch_size=4)
PHOTOS, CLIPS, PIECES = 70, 2, 5  # of `clips.write_sources`: three blocks of photos, two videos


def predict_whole(sources: Path, out: Path, output_format: Format) -> None:
    """What one process writes of a folder."""
    found = find_sources([str(sources)])
    console = Console(stderr=True, soft_wrap=True)
    with (
        ResultsFolder(out, NAMES, output_format, names=output_names(found)) as results,
        Progress(console=console, disable=True) as progress,
    ):
        add_photos(results, PREDICTOR, found.photos, progress)
        add_videos(results, PREDICTOR, found.videos, 0.1, progress)


def predict_in_pieces(
    sources: str,
    ledger: Ledger | RemoteLedger,
    output_format: Format,
    predictor: Predictor = PREDICTOR,
) -> int:
    """The same in pieces; gives how many sources could not be read."""
    pieces = divide(find_sources([sources]), predictor.batch_size)
    assert len(pieces) == PIECES
    wanted = Wanted(output_format, None, LabOutputs(), 0.1, WHOLE)
    progress = Progress(console=Console(stderr=True, soft_wrap=True), disable=True)
    with ledger.opened(pieces, vars(wanted)), progress:
        return predict_pieces(pieces, lambda: predictor, wanted, ledger, None, progress)


def stopping_at(call: int) -> Callable[[Any], Any]:
    """The model of `PREDICTOR`; ctrl-C comes in one of its calls, the first being 1."""
    calls = []

    def stops(images: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return light_of_three(images)

    return stops
