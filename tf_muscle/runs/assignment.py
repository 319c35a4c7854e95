"""Which photo is in which split of a run that does not follow its export: split.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tf_muscle.errors import UserError
from tf_muscle.runs.folder import PUT_BACK, RunFolder, read_json, read_options


@dataclass(frozen=True)
class Assignment:
    """A division of its own of all photos of an export.

    Attributes:
        photos: split -> the photos in it, each as "train/X.jpg": the folder that it is in, by
            Roboflow's name, and its file name.
        pixel_counts: split -> pixels of each of the K classes in these, as exported.
    """

    photos: Mapping[str, Sequence[str]]
    pixel_counts: Mapping[str, Sequence[int]]

    def to_json(self) -> dict[str, Any]:
        """The object in split.json."""
        return asdict(self)


def read_assignment(run: RunFolder) -> Assignment | None:
    """The division of a fold, or of a run with `--split_groups`; None of a run that has none.

    Raises:
        UserError: split.json is damaged, or gone: the export's own division would score photos that
            the model was trained on.
    """
    if not run.split.is_file():
        options = read_options(run)
        if options.get("fold") or options.get("split_groups"):
            raise UserError(f"{run.split} is missing: {PUT_BACK}")
        return None

    def parse(record: Any) -> Assignment:
        return Assignment(dict(record["photos"]), dict(record["pixel_counts"]))

    return read_json(run.split, parse, PUT_BACK)
