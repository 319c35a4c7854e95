"""What `python -m tf_muscle.suggest` does: all sources looked at, some chosen, and written."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress

from tf_muscle.atomic import refuse_folder, replacing
from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import in_order, results
from tf_muscle.errors import UserError, printable
from tf_muscle.labelling.candidates import Pool
from tf_muscle.labelling.choosing import CANDIDATES, Choice
from tf_muscle.labelling.labelled import look_at_labelled
from tf_muscle.labelling.looking import Looked, in_worker, load_networks, look_at
from tf_muscle.labelling.suggest_page import write_page
from tf_muscle.labelling.suggested_folder import Format, write_photos, write_table
from tf_muscle.labelling.suggestions import suggest
from tf_muscle.prediction.pieces import Piece, divide
from tf_muscle.prediction.predict_pieces import leave_gpus
from tf_muscle.prediction.sentences import sentence_console
from tf_muscle.prediction.sources import find_sources


def suggest_from_sources(
    model: str,
    words: Sequence[str],
    out: Path,
    *,
    count: int = 40,
    every: float = 0.5,
    output_format: Format = "mask",
    data: str | None = None,
    batch_size: int = 8,
    candidates: float = CANDIDATES,
    cluster: Cluster | None = None,
) -> int:
    """Chooses photos and frames to label next, and writes them with their predicted masks.

    Memory holds a batch of pictures and at most `candidates.MOST` records, however long the videos
    are.

    Args:
        model: a run (its path or name) or a .keras file.
        words: see `find_sources`; no cameras.
        out: folder to write, which must not exist.
        count: pictures to choose, from 1.
        every: seconds from one looked-at frame of a video to the next; 0 for each frame.
        output_format: masks, or COCO's outlines.
        data: export with the labelled photos; by default the one that the run was trained on.
        batch_size: pictures that the model sees at a time.
        candidates: see `choosing.choose`.
        cluster: whose workers look at the sources; None for this process.

    Returns:
        The exit code: 0 if every source was read, 1 if some could not be.

    Raises:
        UserError: an option or a source is wrong, or no picture can be read.
    """
    refuse_folder("out", out)
    sources = find_sources(words)
    if cameras := [source for source in sources.videos if isinstance(source, int)]:
        raise UserError(
            f"camera {cameras[0]} cannot be looked at a second time: record a video, and give that"
        )
    if cluster:
        leave_gpus()
    networks, predictor = load_networks(model, batch_size)
    console = sentence_console()
    if sources.passed_over:
        console.print(sources.passed_over)
    labelled = look_at_labelled(networks, predictor, model, data)
    console.print(labelled.sentence)
    pool = Pool()
    failures = 0
    pieces = divide(sources, batch_size)
    with Progress(console=console) as progress:
        task = progress.add_task("photos and videos", total=len(pieces))

        def in_this_process() -> Callable[[Piece], Looked]:
            return partial(look_at, networks, predictor, every, progress)

        make = partial(in_worker, model, batch_size, every) if cluster else in_this_process
        for looked in in_order(results(pieces, make, cluster)):
            pool.add_all(looked.candidates, looked.seen)
            failures += looked.failures
            for sentence in looked.sentences:
                console.print(sentence)
            progress.advance(task)
    source_count = len(sources.photos) + len(sources.videos)
    kept = pool.kept()
    if not kept:
        raise UserError(
            f"none of the {source_count} sources can be read: give photos or videos that can"
        )
    suggestions, choice = suggest(kept, labelled, count, candidates)
    told = _told(pool.seen, len(kept), choice, count)
    if not suggestions:
        raise UserError(f"nothing is left to label: {told[0]} Give other photos or videos")
    with replacing(out) as unfinished:
        unfinished.mkdir()
        written = write_photos(
            unfinished,
            suggestions,
            predictor,
            output_format,
            lambda sentence: console.print(f"skipped: {sentence}"),
        )
        if not written:
            raise UserError(
                f"none of the {len(suggestions)} chosen pictures could be read a second time: give "
                "the command again, and leave its sources as they are until it is done"
            )
        write_table(unfinished / "suggested.csv", written, predictor.class_names)
        sentences = [labelled.sentence, *told]
        page = unfinished / "index.html"
        write_page(page, written, predictor.class_names, printable(model), sentences)
    for sentence in told:
        print(sentence)
    print(f"{len(written)} to label, written to {out}: look at {out / 'index.html'}")
    if failures:
        unread = f"{failures} of {source_count} sources could not be read"
        print(unread, file=sys.stderr)
    return int(failures > 0 or len(written) < len(suggestions))


def _told(seen: int, kept: int, choice: Choice, count: int) -> list[str]:
    """What was looked at and left out, in sentences."""
    looked = f"{seen:,} pictures were looked at"
    if kept < seen:
        looked += f", of which the {kept:,} most uncertain were compared"
    left_out = {
        "near-copies of a labelled photo": choice.copies_of_labelled,
        "near-copies of a more uncertain one": choice.copies,
        "in a phase of a repetition that a more uncertain one shows": choice.phases,
    }
    reasons = "; ".join(f"{number} {reason}" for reason, number in left_out.items() if number)
    sentences = [f"{looked}. Left out: {reasons}." if reasons else f"{looked}."]
    if len(choice.chosen) < count:
        sentences.append(
            f"{count} were asked for, and there are only {len(choice.chosen)} that are left."
        )
    return sentences
