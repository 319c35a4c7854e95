"""What `python -m tf_muscle.predict` does: every source into one folder, and how far it is."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import Any

from rich.progress import Progress

from tf_muscle.cluster.address import Cluster
from tf_muscle.errors import UserError
from tf_muscle.exporting.hub import PREFIX
from tf_muscle.lab.outputs import LabFormat, LabOutputs
from tf_muscle.model.bundled_model import HINT
from tf_muscle.prediction.addresses import RemoteFile, is_address, refuse_unusable
from tf_muscle.prediction.fingerprints import files_digest, model_digest
from tf_muscle.prediction.into_folder import add_photos, add_videos
from tf_muscle.prediction.ledger import Ledger
from tf_muscle.prediction.live_model import live_model
from tf_muscle.prediction.model_files import is_model, no_model
from tf_muscle.prediction.output_names import output_names
from tf_muscle.prediction.pieces import divide
from tf_muscle.prediction.predict_pieces import Wanted, leave_gpus, predict_pieces
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.prediction.remote_ledger import RemoteLedger
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sentences import sentence_console
from tf_muscle.prediction.sources import Source, Sources, find_sources
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.runs.folder import default_name


def predict_words(words: Sequence[str], out: str | None, *args: Any, **options: Any) -> int:
    """`predict_sources` of the words of a command line, the first of which may be the model.

    Args:
        words: the model, unless the first word is a source; then sources.
        out: by default a folder in predictions/, named by the model and the time.
        args: see `predict_sources`, and so for the options.
    """
    model, sources = model_and_sources(words)
    name = "bundled" if model is None else Path(model).resolve().stem
    out = out or str(Path("predictions") / default_name(name))
    return predict_sources(model, sources, out, *args, **options)


def model_and_sources(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Parts the words of a command line; the model is None if the first is a source.

    Raises:
        UserError: there is a model and no source, or the first of several words is neither.
    """
    first, *others = words
    if is_address(first) and not first.startswith(PREFIX):
        refuse_unusable(first)
        if is_model(first):
            raise UserError(
                f"{first}: a model is not read from a store, but from this machine or "
                f"{PREFIX}USER/NAME: copy it here"
            )
        return None, list(words)
    if is_model(first):
        if not others:
            raise UserError(f"nothing to predict on: name photos or videos after the model {first}")
        return first, others
    if others and not Path(first).exists():
        try:
            find_sources([first])
        except UserError as error:
            raise no_model(Path(first)) from error
    return None, list(words)


def predict_sources(
    model: str | None,
    words: Sequence[str],
    out: str | Path,
    output_format: Format,
    *,
    smooth: float,
    person: int | None = None,
    time_range: Sequence[float] | None = None,
    lab_formats: Sequence[LabFormat] | None = None,
    sync: Sequence[str] | None = None,
    emg_channel: Sequence[str] | None = None,
    emg_rate: float | None = None,
    cluster: Cluster | None = None,
    **options: Any,
) -> int:
    """Predicts photos, videos and cameras.

    Args:
        model: see `load_predictor`.
        words: see `find_sources`.
        out: folder to write, or its address in a store; absent or empty, or begun by the same
            command in pieces.
        output_format: see `ResultsFolder`.
        smooth: see `VideoPredictions`.
        person: see `Timeline`.
        time_range: see `TimeRange`.
        lab_formats: see `LabOutputs.of`, and so for the next three.
        sync: an EMG file, seconds, or both.
        emg_channel: "MUSCLE=CHANNEL" each.
        emg_rate: samples a second.
        cluster: whose workers do the work, see `on_cluster`; None for this process.
        options: the other ones of `load_predictor`.

    Returns:
        The exit code: 0 if every source was read, 1 if some could not be.

    Raises:
        UserError: before any work, an option or a source is wrong.
        KeyboardInterrupt: ctrl-C; what was predicted until then is complete.
    """
    ledger = ledger_at(out)
    sources = find_outside(out, words) if ledger.begun else find_sources(words)
    part = TimeRange(*time_range) if time_range else WHOLE
    if time_range:
        refuse_unless_one_file("time_range", sources)
    if sync:
        refuse_unless_one_file("sync", sources)
    if lab_formats and not sources.videos:
        raise UserError("--lab_formats is for videos, got photos only: leave it out")
    remote = isinstance(ledger, RemoteLedger) or any(
        isinstance(one, RemoteFile) for one in (*sources.photos, *sources.videos)
    )
    in_pieces = remote or cluster is not None  # so that a lost connection loses a piece at most
    pieces = divide(sources, options["batch_size"]) if in_pieces else []
    refuse_taken(ledger, in_pieces)
    console = sentence_console()
    if not sources.photos and all(isinstance(one, int) for one in sources.videos):
        options["batch_size"] = 1  # a camera's frames come one at a time
        asked = {name: options.get(name) for name in ("image_size", "tta")}
        chosen = live_model(model, **asked, calibrated=options.get("calibrated", True))
        model = chosen.model
        if chosen.told:
            console.print(chosen.told)
    if cluster:
        leave_gpus()
    predictor = load_predictor(model, **options)
    if model is None:
        console.print(f"No model is given: {HINT}")
    lab = LabOutputs.of(
        predictor.class_names[1:],
        formats=lab_formats or (),
        sync=sync or (),
        emg_channel=emg_channel or (),
        emg_rate=emg_rate,
    )
    if sources.passed_over:
        console.print(sources.passed_over)
    if predictor.settings:
        console.print(predictor.settings)
    wanted = Wanted(output_format, person, lab, smooth, part)
    if in_pieces:
        plan = vars(wanted) | options
        plan |= {
            "model": model_digest(model),
            "classes": predictor.class_names,
            "geometry": predictor.geometry,
            "calibration": predictor.calibration,
            "lab": (lab.formats, lab.lag),
            "sync": lab.emg and files_digest([lab.emg]),
            "emg_channel": [(one.muscle, one.name) for one in lab.channels],
            "emg_rate": emg_rate,
        }
        with ledger.opened(pieces, plan), Progress(console=console) as progress:
            load = partial(load_predictor, model, **options) if cluster else lambda: predictor
            try:
                failures = predict_pieces(pieces, load, wanted, ledger, cluster, progress)
            except (KeyboardInterrupt, UserError):
                console.print(f"the same command with --out {out} goes on from here")
                raise
    else:
        with (
            ResultsFolder(
                Path(out),
                predictor.class_names,
                output_format,
                person=person,
                lab=lab,
                names=output_names(sources),
                tell=console.print,
            ) as results,
            Progress(console=console) as progress,
        ):
            failures = add_photos(results, predictor, sources.photos, progress)
            failures += add_videos(results, predictor, sources.videos, smooth, progress, part)
    print(f"written to {out}")
    if failures:
        count = len(sources.photos) + len(sources.videos)
        print(f"{failures} of {count} sources could not be read", file=sys.stderr)
    return int(failures > 0)


def refuse_unless_one_file(option: str, sources: Sources) -> None:
    """Refuses an option that is for one video if there is none, a camera, or another number."""
    files = [one for one in sources.videos if not isinstance(one, int)]
    if len(files) != 1 or len(sources.videos) != 1:
        cameras = len(sources.videos) - len(files)
        raise UserError(
            f"--{option} is for one video file, got {len(files)} and {cameras} cameras: give one"
        )


def ledger_at(out: str | Path) -> Ledger | RemoteLedger:
    """The ledger of a results folder, or of an address.

    Raises:
        UserError: it is the address of a glob or cannot be used.
    """
    if isinstance(out, Path) or not is_address(out):
        return Ledger(Path(out))
    refuse_unusable(out)
    if has_magic(out):
        raise UserError(f"--out {out} is a glob: choose a name without *, ? and [")
    return RemoteLedger(out.rstrip("/"))


def find_outside(out: str | Path, words: Sequence[str]) -> Sources:
    """`find_sources` without what lies in a results folder, which the command itself has put there.

    Raises:
        UserError: all sources lie in it; as `find_sources`.
    """
    address, folder = f"{str(out).rstrip('/')}/", Path(out).resolve()

    def inside(source: Source) -> bool:
        if isinstance(source, RemoteFile):
            return source.address.startswith(address)
        return isinstance(source, Path) and source.resolve().is_relative_to(folder)

    # A shell that goes through `photos/*` again finds photos/OUT, too.
    outside = [word for word in words if is_address(word) or not inside(Path(word))]
    sources = find_sources(outside) if outside else Sources((), (), None)
    photos = tuple(one for one in sources.photos if not inside(one))
    videos = tuple(one for one in sources.videos if not inside(one))
    if not photos and not videos:
        raise UserError(f"--out {out} holds all sources: choose another --out")
    return replace(sources, photos=photos, videos=videos)


def refuse_taken(ledger: Ledger | RemoteLedger, in_pieces: bool) -> None:
    """Refuses a results folder that holds anything but what a command in pieces has begun."""
    if ledger.taken:
        raise UserError(f"{ledger.out} exists and is never overwritten: choose another --out")
    if not in_pieces and ledger.begun:
        raise UserError(
            f"{ledger.out} was begun with --cluster or from a store and is not complete: give the "
            "same command as then, or choose another --out"
        )
