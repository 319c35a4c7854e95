"""The ledger of a prediction whose results go to an object store; see `ledger`.

OUT/.pieces/plan.json         what is predicted, and how
OUT/.pieces/000012/           what a piece adds to files of the whole; told.json is put there last

A worker writes the outputs of its piece to a folder of its own machine and then puts them to their
places. A store shows a file whole or not at all, so that a piece that was lost in the middle is
done again, over its own outputs. There are no locks in a store: two commands at once do the work
twice.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tf_muscle.prediction.addresses import in_full, store_errors, store_of
from tf_muscle.prediction.dataset_folders import join_outlines
from tf_muscle.prediction.ledger import (
    FOLDER,
    OF_THE_WHOLE,
    OUTLINES,
    PLAN,
    TABLE,
    TOLD,
    PieceReport,
    join_tables,
    piece_report,
    planned,
    refuse_other_plan,
)
from tf_muscle.prediction.pieces import Piece
from tf_muscle.roboflow.split_folder import COCO_FILE
from tf_muscle.runs.folder import write_json

AT_A_TIME = 500  # records that are fetched, each of some kilobytes


@dataclass(frozen=True)
class RemoteLedger:
    """The records of the pieces at an address.

    Attributes:
        out: the address of the results folder, without a slash at its end.
    """

    out: str

    @property
    def begun(self) -> bool:
        """Whether there is one.

        Raises:
            UserError: the store cannot be read, or has no such bucket.
        """
        return self._plan in self._files(self.folder)

    @property
    def taken(self) -> bool:
        """Whether the address holds anything else."""
        return not self.begun and bool(self._files(self.out))

    @property
    def folder(self) -> str:
        return f"{self.out}/{FOLDER}"

    @contextmanager
    def opened(self, pieces: Sequence[Piece], options: Mapping[str, object]) -> Iterator[None]:
        """See `Ledger.opened`; other processes are not kept out."""
        plan = planned(pieces, options)
        if not self.begun:
            with store_errors(self.out):
                self._store.pipe_file(self._plan, json.dumps(plan, indent=2).encode())
        (content,) = self._contents([self._plan])
        refuse_other_plan(self.out, plan, content)
        yield

    def done(self, count: int) -> dict[int, PieceReport]:
        """See `Ledger.done`."""
        files = self._files(self.folder)
        numbers = [number for number in range(count) if f"{self._record(number)}/{TOLD}" in files]
        reports = self._contents([f"{self._record(number)}/{TOLD}" for number in numbers])
        return {number: piece_report(one) for number, one in zip(numbers, reports, strict=True)}

    def scratch(self) -> Path:
        """A new folder of this machine for a worker to write a piece's outputs to."""
        return Path(tempfile.mkdtemp(prefix="tf_muscle_"))

    def keep(self, number: int, scratch: Path, report: PieceReport) -> None:
        """Puts the outputs of a piece to their places, and then counts it as done."""
        outputs, parts = {}, {}
        for path in (path for path in scratch.rglob("*") if path.is_file()):
            name = path.relative_to(scratch).as_posix()
            if path.name in OF_THE_WHOLE:
                parts[path] = f"{self._record(number)}/{name}"
            else:
                outputs[path] = f"{self.out}/{name}"
        record = scratch / TOLD
        write_json(record, asdict(report))
        for files in (outputs | parts, {record: f"{self._record(number)}/{TOLD}"}):
            self._put(files)

    def join(self, count: int) -> None:
        """See `Ledger.join`."""
        records = [self._record(number) for number in range(count)]
        with tempfile.TemporaryDirectory(prefix="tf_muscle_") as folder:
            whole = {Path(folder, TABLE): f"{self.out}/{TABLE}"}
            with Path(folder, TABLE).open("wb") as table:
                join_tables(self._contents([f"{record}/{TABLE}" for record in records]), table)
            outlines = [f"{record}/{OUTLINES}" for record in records]
            if outlines[0] in self._files(self.folder):
                file = Path(folder, COCO_FILE)
                write_json(file, join_outlines(map(json.loads, self._contents(outlines))))
                whole[file] = f"{self.out}/{OUTLINES}"
            self._put(whole)
        with store_errors(self.out):
            self._store.rm_file(self._plan)
        try:  # the results are complete, whatever becomes of the records
            self._store.rm(self.folder, recursive=True)
        except Exception as error:  # whatever the store's client raises
            reason = type(error).__name__
            print(f"note: {self.folder} is left behind ({reason}): remove it", file=sys.stderr)

    @property
    def _store(self) -> Any:
        return store_of(self.out)

    @property
    def _plan(self) -> str:
        return f"{self.folder}/{PLAN}"

    def _record(self, number: int) -> str:
        return f"{self.folder}/{number:06d}"

    def _files(self, address: str) -> set[str]:
        """The addresses of all files below one."""
        with store_errors(address):
            paths = self._store.find(address)
        # A name that ends with a slash stands for an empty folder.
        return {in_full(path, self.out) for path in paths if not path.endswith("/")}

    def _contents(self, addresses: Sequence[str]) -> Iterator[bytes]:
        """The contents of small files, many of which are fetched at a time."""
        for start in range(0, len(addresses), AT_A_TIME):
            some = list(addresses[start : start + AT_A_TIME])
            with store_errors(self.out):
                found = self._store.cat(some)
            contents = {in_full(path, self.out): content for path, content in found.items()}
            yield from (contents[address] for address in some)

    def _put(self, files: Mapping[Path, str]) -> None:
        with store_errors(self.out):
            self._store.put([str(path) for path in files], list(files.values()))
