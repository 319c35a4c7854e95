"""Which pieces of a prediction are done, kept in the folder that they fill until all are.

OUT/.pieces/plan.json   what is predicted, and how
OUT/.pieces/000012/     what a piece adds to files of the whole: rows, outlines, sentences
OUT/.pieces/unfinished_*  what a worker is at; a worker that was lost leaves it behind

A piece's own outputs get their places in OUT one by one, each whole; then its folder gets its name
here. So a piece that was lost in the middle is done again, over its own outputs, and counts once
however often it was begun.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from tf_muscle.atomic import UNFINISHED, make_folder, only_process, replacing, synced
from tf_muscle.errors import UserError, listed
from tf_muscle.prediction.dataset_folders import join_outlines
from tf_muscle.prediction.pieces import Piece
from tf_muscle.roboflow.split_folder import COCO_FILE
from tf_muscle.runs.folder import write_json

FOLDER = ".pieces"
PLAN = "plan.json"
TOLD = "told.json"
TABLE = "predictions.csv"
OUTLINES = f"train/{COCO_FILE}"
OF_THE_WHOLE = (TABLE, COCO_FILE, TOLD)  # files that every piece has a part of


@dataclass(frozen=True)
class PieceReport:
    """What is to be told of a piece.

    Attributes:
        failures: sources that could not be read.
        sentences: for the user.
    """

    failures: int
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """The records of the pieces in a results folder.

    Attributes:
        out: the results folder.
    """

    out: Path

    @property
    def folder(self) -> Path:
        return self.out / FOLDER

    @property
    def begun(self) -> bool:
        """Whether there is one."""
        return (self.folder / PLAN).is_file()

    @property
    def taken(self) -> bool:
        """Whether OUT holds anything else; a command killed in its first moment leaves a folder."""
        if not self.out.exists() or self.begun:
            return False
        beginning = f"{UNFINISHED}{FOLDER}"
        return not self.out.is_dir() or any(one.name != beginning for one in self.out.iterdir())

    @contextmanager
    def opened(self, pieces: Sequence[Piece], options: Mapping[str, object]) -> Iterator[None]:
        """Begins it, or goes on with what the same command has begun; others are kept out.

        Args:
            pieces: all of them.
            options: which decide what the outputs hold, as text; digests for what files hold.

        Raises:
            UserError: the folder holds something else, or another process is at it.
        """
        plan = planned(pieces, options)
        if not self.begun:
            with replacing(self.folder) as unfinished:
                unfinished.mkdir()
                write_json(unfinished / PLAN, plan)
        refuse_other_plan(self.out, plan, (self.folder / PLAN).read_bytes())
        with only_process(
            self.folder, f"another process is writing {self.out}: wait for it, or end that first"
        ):
            for left in self.folder.glob(f"{UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def done(self, count: int) -> dict[int, PieceReport]:
        """The reports of the pieces that are done, by their numbers below `count`."""
        files = ((number, self._record(number) / TOLD) for number in range(count))
        return {number: piece_report(file.read_bytes()) for number, file in files if file.is_file()}

    def scratch(self) -> Path:
        """A new folder for a worker to write a piece's outputs to, as if it were OUT."""
        return Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.folder))

    def keep(self, number: int, scratch: Path, report: PieceReport) -> None:
        """Moves the outputs of a piece to their places, and then counts it as done."""
        folders = {self.out}
        for path in sorted(scratch.rglob("*")):
            place = self.out / path.relative_to(scratch)
            if path.is_dir():
                make_folder(place)
                folders.add(place)
            elif path.name not in OF_THE_WHOLE:
                synced(path).replace(place)
        write_json(scratch / TOLD, asdict(report))
        for name in (TABLE, OUTLINES):
            if (scratch / name).is_file():
                synced(scratch / name)
        for folder in folders:  # the new names reach the disk before the record that counts them
            synced(folder)
        try:
            scratch.replace(self._record(number))
        except OSError:  # a worker that was given up has done it after all
            if not (self._record(number) / TOLD).is_file():
                raise
        synced(self.folder)

    def join(self, count: int) -> None:
        """Puts the files of the whole together out of those of all pieces, and ends the ledger.

        Args:
            count: of the pieces, all done.
        """
        records = [self._record(number) for number in range(count)]
        with replacing(self.out / TABLE) as unfinished, unfinished.open("wb") as table:
            join_tables(((record / TABLE).read_bytes() for record in records), table)
        outlines = [record / OUTLINES for record in records]
        if outlines[0].is_file():
            parts = (path.read_bytes() for path in outlines)
            write_json(self.out / OUTLINES, join_outlines(map(json.loads, parts)))
        (self.folder / PLAN).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _record(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def planned(pieces: Sequence[Piece], options: Mapping[str, object]) -> dict[str, str]:
    """What decides the outputs, as `Ledger.opened` takes it."""
    return {name: str(value) for name, value in options.items()} | {"sources": _digest(pieces)}


def refuse_other_plan(out: object, plan: Mapping[str, str], content: bytes) -> None:
    """Refuses to go on with what another command has begun.

    Args:
        out: the results folder, as the user calls it.
        plan: of this command.
        content: of the file with that of the other.
    """
    begun = json.loads(content)
    if others := sorted(name for name in plan | begun if plan.get(name) != begun.get(name)):
        raise UserError(
            f"{out} was begun with another choice of {listed(others)}, or with other files of that "
            "name: give the same command as then with the same files, or another --out"
        )


def piece_report(content: bytes) -> PieceReport:
    """The report of a piece out of its file."""
    told = json.loads(content)
    return PieceReport(told["failures"], tuple(told["sentences"]))


def join_tables(parts: Iterable[bytes], table: BinaryIO) -> None:
    """Writes the tables of all pieces as one, under the header of the first."""
    for number, part in enumerate(parts):
        header, _, rows = part.partition(b"\n")
        table.write(rows if number else header + b"\n" + rows)


def _digest(pieces: Sequence[Piece]) -> str:
    """SHA-256 of all sources, their sizes and names; to read a large archive would take hours."""
    digest = hashlib.sha256()
    for piece in pieces:
        for source in (*piece.photos, *piece.videos):
            size = source.stat().st_size if isinstance(source, Path) else source.size
            told = f"{source}\0{size}\0{piece.names[source]}\0"
            digest.update(told.encode(errors="surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()
