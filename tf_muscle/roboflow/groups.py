"""What `--groups` says: the person, session or video that each photo belongs to."""

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tf_muscle.errors import UserError, listed
from tf_muscle.roboflow.records import Example
from tf_muscle.roboflow.split_folder import source_name


def named_groups(groups: str, examples: Sequence[Example]) -> list[str]:
    """The group of each photo.

    Args:
        groups: the option: the path of a .csv file with two columns, file name and group, where a
            first line is a header if it names no photo; or a regular expression, whose first group,
            or whole match where it has none, is looked for in each file name. A file name in the
            CSV is the export's, or that of the upload, from which Roboflow made it.
        examples: N photos.

    Returns:
        N names.

    Raises:
        UserError: the file or the expression cannot be read, photos are left over, the file names
            photos that the export lacks, or copies of one photo are in two groups.
    """
    if groups.lower().endswith(".csv"):
        found = _by_file(Path(groups).expanduser(), examples)
    else:
        found = _by_pattern(groups, examples)
    by_source = defaultdict(set)
    for example, group in zip(examples, found, strict=True):
        by_source[example.source_name].add(group)
    if torn := [f"{source} ({listed(sorted(n))})" for source, n in by_source.items() if len(n) > 1]:
        raise UserError(
            f"--groups {groups} puts copies of one photo into different groups ({len(torn)}): "
            f"{listed(torn)}; give all copies of a photo one group"
        )
    return found


def _by_pattern(pattern: str, examples: Sequence[Example]) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--groups {pattern} is no regular expression ({error}): mend it, or give the path of "
            "a .csv file"
        ) from error
    matches = [expression.search(example.file_name) for example in examples]
    found = [(match[1 if expression.groups else 0] if match else None) or None for match in matches]
    missed = [e.file_name for e, group in zip(examples, found, strict=True) if group is None]
    if missed:
        raise UserError(
            f"--groups {pattern} finds no group in the names of {len(missed)} of {len(examples)} "
            f"photos ({listed(missed)}): widen the expression, or give a .csv file"
        )
    return [group for group in found if group is not None]


def _by_file(path: Path, examples: Sequence[Example]) -> list[str]:
    rows = _read(path)
    keys = {example.file_name for example in examples} | {e.source_name for e in examples}
    header = rows[:1] if rows and not _named(rows[0][0], keys) else []
    group_of: dict[str, str] = {}
    unknown = []
    for name, group in rows[len(header) :]:
        known = _named(name, keys)
        if not known:
            unknown.append(name)
        for key in known:
            if group_of.setdefault(key, group) != group:
                raise UserError(
                    f"--groups {path} gives {name} two groups, {group_of[key]} and {group}: keep "
                    "one of these lines"
                )
    if unknown:
        raise UserError(
            f"--groups {path} names photos that the export does not have ({len(unknown)}): "
            f"{listed(unknown)}; correct these names or take the lines out"
        )
    found = [group_of.get(e.file_name, group_of.get(e.source_name, "")) for e in examples]
    if missing := [e.file_name for e, group in zip(examples, found, strict=True) if not group]:
        taken = (
            f" (its first line, {','.join(header[0])}, was taken for a header)" if header else ""
        )
        raise UserError(
            f"--groups {path} misses {len(missing)} of {len(examples)} photos{taken}: "
            f"{listed(missing)}; add a line with file name and group for each"
        )
    return found


def _read(path: Path) -> list[tuple[str, str]]:
    """The lines of two columns; empty ones are left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(
            f"--groups {path} cannot be read ({reason}): give a .csv file of two columns, file "
            "name and group, in UTF-8"
        ) from error
    semicolons = ";" in text.partition("\n")[0] and "," not in text.partition("\n")[0]
    lines = csv.reader(text.splitlines(), delimiter=";" if semicolons else ",")
    rows = []
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != 2:
            raise UserError(
                f"--groups {path} has {len(line)} columns in line {lines.line_num}: give two, file "
                "name and group"
            )
        rows.append((line[0].strip(), line[1].strip()))
    return rows


def _named(name: str, known: set[str]) -> set[str]:
    """The images and sources among `known` that a name in the file stands for.

    Roboflow calls the upload "arm.jpg" "arm_jpg", and what it makes of it "arm_jpg.rf.0f3c.jpg".
    """
    if name in known:
        return {name}
    suffix = PurePosixPath(name).suffix
    uploaded = f"{name.removesuffix(suffix)}_{suffix.removeprefix('.')}" if suffix else name
    return known & {source_name(name), source_name(uploaded)}
