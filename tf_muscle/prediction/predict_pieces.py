"""Predictions in pieces, by a loop or the workers of a cluster: outputs are those of the whole."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.progress import Progress

from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import results
from tf_muscle.lab.outputs import LabOutputs
from tf_muscle.prediction.into_folder import add_photos, add_videos
from tf_muscle.prediction.ledger import Ledger, PieceReport
from tf_muscle.prediction.pieces import Piece
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.remote_ledger import RemoteLedger
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sentences import KeptSentences
from tf_muscle.prediction.time_range import TimeRange
from tf_muscle.tensorflow_log import has_gpu


@dataclass(frozen=True)
class Wanted:
    """How the outputs are made.

    Attributes:
        output_format: see `ResultsFolder`, and so for `person` and `lab`.
        smooth: see `VideoPredictions`, and so for `time_range`.
    """

    output_format: Format
    person: int | None
    lab: LabOutputs
    smooth: float
    time_range: TimeRange


def leave_gpus() -> None:
    """Keeps the memory of this machine's GPUs for workers on it; before a model is loaded."""
    if has_gpu():
        import tensorflow as tf  # the model needs it anyway

        tf.config.set_visible_devices([], "GPU")


def predict_pieces(
    pieces: Sequence[Piece],
    load: Callable[[], Predictor],
    wanted: Wanted,
    ledger: Ledger | RemoteLedger,
    cluster: Cluster | None,
    progress: Progress,
) -> int:
    """Does the pieces that are not done, and puts the files of the whole together.

    Args:
        pieces: all of them.
        load: gives the model; called in each worker.
        wanted: the outputs.
        ledger: which is opened.
        cluster: the workers; None for a loop in this process.
        progress: for a bar, and sentences for the user.

    Returns:
        How many sources could not be read.

    Raises:
        UserError: see `cluster.pieces.results`.
    """
    task = progress.add_task("pieces", total=len(pieces))
    failures = 0
    told: set[str] = set()

    def add(report: PieceReport) -> None:
        nonlocal failures
        failures += report.failures
        for sentence in report.sentences:
            if sentence not in told:  # what holds for several pieces is said once
                progress.console.print(sentence)
        told.update(report.sentences)
        progress.advance(task)

    done = ledger.done(len(pieces))
    for report in done.values():
        add(report)
    numbered = [(number, pieces[number]) for number in range(len(pieces)) if number not in done]
    make = partial(_worker, load, wanted, ledger)
    for _, report in results(numbered, make, cluster, lambda numbered: str(numbered[1])):
        add(report)
    ledger.join(len(pieces))
    return failures


def _worker(
    load: Callable[[], Predictor], wanted: Wanted, ledger: Ledger | RemoteLedger
) -> Callable[[tuple[int, Piece]], PieceReport]:
    return partial(_predict, load(), wanted, ledger)


def _predict(
    predictor: Predictor,
    wanted: Wanted,
    ledger: Ledger | RemoteLedger,
    numbered: tuple[int, Piece],
) -> PieceReport:
    """Predicts a piece."""
    number, piece = numbered
    sentences = KeptSentences()
    progress = sentences.progress
    scratch = ledger.scratch()
    try:
        with ResultsFolder(
            scratch,
            predictor.class_names,
            wanted.output_format,
            person=wanted.person,
            lab=wanted.lab,
            names=piece.names,
            tell=progress.console.print,
        ) as folder:
            failures = add_photos(folder, predictor, piece.photos, progress)
            failures += add_videos(
                folder, predictor, piece.videos, wanted.smooth, progress, wanted.time_range
            )
        report = PieceReport(failures, sentences.kept)
        ledger.keep(number, scratch, report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report
