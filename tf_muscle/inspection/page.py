"""The page of an inspection: one HTML file that needs no network and runs no script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from tf_muscle.errors import LISTED
from tf_muscle.inspection.findings import Finding
from tf_muscle.inspection.measure import SIZE_EDGES, ImageFacts, Survey
from tf_muscle.inspection.pictures import heat_map, thumbnail, typical_images
from tf_muscle.inspection.statistics import file_label
from tf_muscle.report.overlays import class_colors
from tf_muscle.report.photo_sheets import photo_label

PICTURED = 6  # images of a finding that are shown
PARTNERS = 4  # files named beside a photo that looks like them all


def write_page(
    path: Path, survey: Survey, findings: Sequence[Finding], record: dict[str, Any]
) -> None:
    """Writes the page.

    Args:
        path: the HTML file.
        survey: what was measured of the export.
        findings: the gravest first.
        record: the content of inspection.json.
    """
    # A class or a file may have any name: autoescape keeps it from becoming markup.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html.jinja").render(
        record=record,
        findings=[_shown(survey, finding) for finding in findings],
        classes=_classes(survey, record),
        size_labels=[_percent(edge) for edge in SIZE_EDGES],
    )
    path.write_text(html, encoding="utf-8")


def _shown(survey: Survey, finding: Finding) -> dict[str, Any]:
    """A finding with the names and pictures that have room on the page."""
    groups = [[survey.images[index] for index in group] for group in finding.groups]
    every_class = list(range(1, len(survey.export.class_names)))
    pictured: list[dict[str, str]] = []
    sources: set[str] = set()
    for group in groups:
        members, source = group[:2], group[0].example.source_name
        if len(pictured) + len(members) > PICTURED:
            break
        if source in sources:  # another augmented copy of a photo that is shown
            continue
        sources.add(source)
        for image in members:
            pictured.append(_captioned(image, every_class if finding.show_masks else []))
    return {
        "check": finding.check.replace("_", " "),
        "severity": finding.severity,
        "sentence": finding.sentence,
        "files": [
            [*map(file_label, group[: PARTNERS + 1])]
            + ([f"{len(group) - PARTNERS - 1} more"] if len(group) > PARTNERS + 1 else [])
            for group in groups[:LISTED]
        ],
        "more": max(0, len(groups) - LISTED),
        "pictures": pictured,
    }


def _classes(survey: Survey, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows of each class but the background."""
    names = survey.export.class_names
    colors = class_colors(len(names))
    shown = []
    for class_id, name in enumerate(names[1:], start=1):
        one = record["classes"][name]
        counts = one["size_counts"]
        shown.append(
            {
                "name": name,
                "color": "#{:02x}{:02x}{:02x}".format(*colors[class_id]),
                "images": one["images"],
                "median": _percent(one["median_share"]) if one["images"] else None,
                "heat": heat_map(survey.heat[class_id]) if one["images"] else None,
                "peak": f"{survey.heat[class_id].max():.0%}",
                "bars": [(count, round(100 * count / max(*counts, 1), 1)) for count in counts],
                "pictures": [
                    _captioned(image, [class_id]) for image in typical_images(survey, class_id)
                ],
            }
        )
    return shown


def _captioned(image: ImageFacts, class_ids: Sequence[int]) -> dict[str, str]:
    label = file_label(image)
    return {
        "uri": thumbnail(image, class_ids),
        "label": label,
        "caption": f"{image.split}/{photo_label(Path(label).name)}",
    }


def _percent(share: float) -> str:
    """A share of an image in percent, to two digits that count: "0.0032 %"."""
    return f"{100 * share:.2g} %" if share < 1 else "100 %"
