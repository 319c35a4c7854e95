"""Reads an export as training does and writes what stands out: a page, a JSON, another split."""

from pathlib import Path

from tf_muscle.atomic import replacing
from tf_muscle.config import SAMPLE, bundled
from tf_muscle.errors import UserError
from tf_muscle.inspection.checks import find
from tf_muscle.inspection.findings import Evidence
from tf_muscle.inspection.grouping import grouped_split
from tf_muscle.inspection.leakage import find_links
from tf_muscle.inspection.measure import survey
from tf_muscle.inspection.page import write_page
from tf_muscle.inspection.resplit import write_resplit
from tf_muscle.inspection.statistics import inspection_record
from tf_muscle.roboflow.archive import fingerprint, is_bundled_sample, open_export
from tf_muscle.roboflow.reader import check_pixels, read_export
from tf_muscle.roboflow.records import Export
from tf_muscle.runs.folder import write_json


def read_as_training_does(
    root: Path, split_seed: int, ignore: int | None = None
) -> tuple[Export, str | None]:
    """Reads and checks an export with the very functions that training calls.

    Args:
        root: folder of the unpacked export.
        split_seed: int, for the 80/10/10 split of an export that has a train folder only.
        ignore: value of mask pixels that nobody labelled.

    Returns:
        The export, and why training refuses it unless leakage is allowed, None if it does not.

    Raises:
        UserError: training refuses the export for another reason.
    """
    refusal = None
    try:
        export = read_export(root, split_seed=split_seed, ignore=ignore)
    except UserError as error:
        # Leakage is a finding among others; whatever else is wrong is refused here again.
        export = read_export(root, split_seed=split_seed, allow_leakage=True, ignore=ignore)
        refusal = str(error)
    check_pixels(export)
    return export, refusal


def inspect_export(
    data: str,
    out: Path,
    resplit: Path | None = None,
    split_seed: int = 0,
    ignore: int | None = None,
) -> list[tuple[str, str]]:
    """Writes the page and the JSON of an inspection, and on request a copy with another split.

    Args:
        data: folder or .zip of the export, or "sample".
        out: folder to write, in one move; must not exist.
        resplit: folder for the copy; must not exist.
        split_seed: int, for the splits that are missing, as in training, and for the new split.
        ignore: value of mask pixels that nobody labelled.

    Returns:
        (severity, sentence) of each finding, the gravest first.

    Raises:
        UserError: training refuses the export for more than leakage, or a folder exists.
    """
    path = bundled("sample_gym") if data == SAMPLE else Path(data)
    for option, folder in (("out", out), ("resplit", resplit)):
        if folder is not None:
            _refuse_folder(option, folder, path)

    with open_export(path) as root:
        export, refusal = read_as_training_does(root, split_seed, ignore)
        surveyed = survey(export)
        links = find_links(surveyed.images)
        findings = find(Evidence(surveyed, links, refusal))
        mark = fingerprint(path)
        synthetic = is_bundled_sample(mark)
        record = inspection_record(
            surveyed, findings, name=data, fingerprint=mark, synthetic=synthetic
        )
        with replacing(out) as unfinished:
            unfinished.mkdir()
            write_page(unfinished / "inspection.html", surveyed, findings, record)
            write_json(unfinished / "inspection.json", record)
        if resplit is not None:
            splits, left_out = grouped_split(surveyed.images, links, split_seed)
            write_resplit(resplit, export, surveyed.images, splits)
            sizes = ", ".join(f"{len(indices)} {split}" for split, indices in splits.items())
            print(f"Copied to {resplit} with a new split: {sizes}, {len(left_out)} left out.")
    return [(finding.severity, finding.sentence) for finding in findings]


def _refuse_folder(option: str, folder: Path, export: Path) -> None:
    if folder.exists():
        raise UserError(f"--{option} {folder} exists and is never overwritten: choose another")
    if export.resolve() in folder.resolve().parents:
        raise UserError(
            f"--{option} {folder} lies in the export, which is left as it is: choose another"
        )
    nearest = next(path for path in folder.absolute().parents if path.exists())
    if not nearest.is_dir():
        raise UserError(f"--{option} {folder} cannot be made, {nearest} is a file: choose another")
