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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

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
OF_THE_WHOLE = (TABLE, COCO_FILE, TOLD)  # files that every piece has a part of


@dataclass(frozen=True)
class Told:
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
    def beginnings(self) -> tuple[str, ...]:
        """What a command that was killed in its first moment may have left in OUT."""
        return (f"{UNFINISHED}{FOLDER}",)

    @contextmanager
    def opened(self, pieces: Sequence[Piece], options: Mapping[str, object]) -> Iterator[None]:
        """Begins it, or goes on with what the same command has begun; others are kept out.

        Args:
            pieces: all of them.
            options: which decide what the outputs hold, as text; digests for what files hold.

        Raises:
            UserError: the folder holds something else, or another process is at it.
        """
        plan = {name: str(value) for name, value in options.items()}
        plan["sources"] = _digest(pieces)
        if not self.begun:
            with replacing(self.folder) as unfinished:
                unfinished.mkdir()
                write_json(unfinished / PLAN, plan)
        begun = json.loads((self.folder / PLAN).read_text(encoding="utf-8"))
        if others := sorted(name for name in plan | begun if plan.get(name) != begun.get(name)):
            raise UserError(
                f"{self.out} was begun with another choice of {listed(others)}, or with other "
                "files of that name: give the same command as then with the same files, or another "
                "--out"
            )
        with only_process(
            self.folder, f"another process is writing {self.out}: wait for it, or end that first"
        ):
            for left in self.folder.glob(f"{UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def told(self, number: int) -> Told | None:
        """What is told of a piece that is done; None for others."""
        file = self._record(number) / TOLD
        if not file.is_file():
            return None
        told = json.loads(file.read_text(encoding="utf-8"))
        return Told(told["failures"], tuple(told["sentences"]))

    def scratch(self) -> Path:
        """A new folder for a worker to write a piece's outputs to, as if it were OUT."""
        return Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.folder))

    def keep(self, number: int, scratch: Path, told: Told) -> None:
        """Moves the outputs of a piece to their places, and then counts it as done."""
        folders = {self.out}
        for path in sorted(scratch.rglob("*")):
            place = self.out / path.relative_to(scratch)
            if path.is_dir():
                make_folder(place)
                folders.add(place)
            elif path.name not in OF_THE_WHOLE:
                synced(path).replace(place)
        write_json(scratch / TOLD, asdict(told))
        for name in (TABLE, f"train/{COCO_FILE}"):
            if (scratch / name).is_file():
                synced(scratch / name)
        for folder in folders:  # the new names reach the disk before the record that counts them
            synced(folder)
        try:
            scratch.replace(self._record(number))
        except OSError:  # a worker that was given up has done it after all
            if self.told(number) is None:
                raise
        synced(self.folder)

    def join(self, count: int) -> None:
        """Puts the files of the whole together out of those of all pieces, and ends the ledger.

        Args:
            count: of the pieces, all done.
        """
        records = [self._record(number) for number in range(count)]
        with replacing(self.out / TABLE) as unfinished, unfinished.open("wb") as table:
            for number, record in enumerate(records):
                header, _, rows = (record / TABLE).read_bytes().partition(b"\n")
                table.write(rows if number else header + b"\n" + rows)
        outlines = [record / "train" / COCO_FILE for record in records]
        if outlines[0].is_file():
            documents = (json.loads(path.read_text(encoding="utf-8")) for path in outlines)
            write_json(self.out / "train" / COCO_FILE, join_outlines(documents))
        (self.folder / PLAN).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _record(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def _digest(pieces: Sequence[Piece]) -> str:
    """SHA-256 of all sources, their sizes and names; to read a large archive would take hours."""
    digest = hashlib.sha256()
    for piece in pieces:
        for source in (*piece.photos, *piece.videos):
            told = f"{source}\0{source.stat().st_size}\0{piece.names[source]}\0"
            digest.update(told.encode(errors="surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()
