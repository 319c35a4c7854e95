"""Reads an export as training does and writes what stands out: a page, a JSON, another split."""

import os
from pathlib import Path

from tf_muscle.atomic import refuse_folder, replacing
from tf_muscle.cluster.address import LOCAL, Cluster
from tf_muscle.errors import UserError
from tf_muscle.inspection.checks import find
from tf_muscle.inspection.findings import Evidence, Finding
from tf_muscle.inspection.grouping import grouped_split
from tf_muscle.inspection.leakage import find_links
from tf_muscle.inspection.measure import survey
from tf_muscle.inspection.page import write_page
from tf_muscle.inspection.resplit import write_resplit
from tf_muscle.inspection.statistics import inspection_record
from tf_muscle.roboflow.archive import export_path, fingerprint, is_bundled_sample, open_export
from tf_muscle.roboflow.groups import named_groups
from tf_muscle.roboflow.reader import check_pixels, read_export
from tf_muscle.roboflow.records import SPLITS, Export
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
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    resplit: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    ignore: int | None = None,
    groups: str | None = None,
    cluster: Cluster | None = None,
) -> list[Finding]:
    """Looks an export over before anything is trained on it.

    Args:
        data: the folder or the .zip that Roboflow served, or "sample" for the bundled photos.
        out: path of a new folder for the page, inspection.html, and all numbers,
            inspection.json; by default nothing is written.
        resplit: path of a new folder for a copy of the export, split so that copies of a photo and
            frames of a video stay together; by default none is made.
        split_seed: int, of the splits that are missing, as in training, and of the new one.
        ignore: int, 1 to 255, the value of mask pixels that nobody labelled, as in training.
        groups: string, the path of a .csv file or a pattern of file names, as in training: what is
            kept together in `resplit`.
        cluster: `tf_muscle.cluster.address.Cluster`, whose workers look at the images; None for
            this process.

    Returns:
        A list of `Finding`, each with `severity` ("error", "warning" or "note"), `sentence` and
        `files`; the gravest first.

    Raises:
        UserError: training refuses the export for more than leakage, a folder exists, or the
            groups cannot be read.

    Examples:
        >>> import tf_muscle
        >>> findings = tf_muscle.inspect_export("muscles.zip", out="inspections/muscles")
        >>> [finding.sentence for finding in findings if finding.severity == "error"]
        []
    """
    path = export_path(data)
    if groups is not None and resplit is None:
        raise UserError(f"--groups {groups} is for --resplit: give both, or leave it out")
    out, resplit = (None if folder is None else Path(folder) for folder in (out, resplit))
    for option, folder in (("out", out), ("resplit", resplit)):
        if folder is not None:
            refuse_folder(option, folder, path)

    if cluster and cluster.address != LOCAL and path.is_file():
        raise UserError(
            f"--cluster {cluster.address} needs the export where all its machines find it: unpack "
            f"{path} into a folder that they share, and give that"
        )
    with open_export(path) as root:
        export, refusal = read_as_training_does(root, split_seed, ignore)
        examples = [example for split in SPLITS for example in export.splits[split]]
        named = None if groups is None else named_groups(groups, examples)
        surveyed = survey(export, cluster)
        links = find_links(surveyed.images)
        findings = find(Evidence(surveyed, links, refusal))
        mark = fingerprint(path)
        synthetic = is_bundled_sample(mark)
        record = inspection_record(
            surveyed, findings, name=os.fspath(data), fingerprint=mark, synthetic=synthetic
        )
        if out is not None:
            with replacing(out) as unfinished:
                unfinished.mkdir()
                write_page(unfinished / "inspection.html", surveyed, findings, record)
                write_json(unfinished / "inspection.json", record)
        if resplit is not None:
            splits, left_out = grouped_split(surveyed.images, links, split_seed, named)
            paths = [image.example.image_path for image in surveyed.images]
            write_resplit(
                resplit, export, {split: [paths[i] for i in ids] for split, ids in splits.items()}
            )
            sizes = ", ".join(f"{len(indices)} {split}" for split, indices in splits.items())
            print(f"Copied to {resplit} with a new split: {sizes}, {len(left_out)} left out.")
    return findings
