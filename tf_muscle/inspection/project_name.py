"""By what names an export calls its own project."""

import re
from pathlib import Path

from tf_muscle.roboflow.coco_export import read_annotations
from tf_muscle.roboflow.export_layout import split_folders
from tf_muscle.roboflow.readme import README
from tf_muscle.roboflow.records import Export
from tf_muscle.roboflow.split_folder import COCO_FILE

DATASET_README = "README.dataset.txt"

# The first line of README.roboflow.txt, "TQB data-500 - v3 2024-09-06 8:21am", and of
# README.dataset.txt, "# TQB data-500 > 2024-09-06 8:21am".
TITLES = {README: re.compile(r"(.+?) - v?\d"), DATASET_README: re.compile(r"#\s*(.+?) >")}


def project_names(export: Export) -> set[str]:
    """The project's names, `normalised`, as far as the export tells them.

    They stand at the head of the two READMEs and, in a COCO export, in category 0 and in the
    category above all others.
    """
    names = []
    for file, title in TITLES.items():
        lines = _text(export.root / file).split("\n")
        first = next((line for line in lines if line.strip()), "")
        if match := title.match(first.strip()):
            names.append(match[1])
    if export.format == "coco":
        annotations = read_annotations(split_folders(export.root)["train"] / COCO_FILE)
        for category in annotations.categories:
            names.append(category["name"] if category["id"] == 0 else "")
            names.append(str(category.get("supercategory", "")))
    return {normalised(name) for name in names if name not in ("", "none")}


def normalised(name: str) -> str:
    """The letters and digits of a name, since the projects' are written with hyphens at times."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() else ""
