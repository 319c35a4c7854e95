"""The page of an inspection: one HTML file that needs no network and runs no script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from tf_muscle.errors import LISTED
from tf_muscle.inspection.findings import Finding
from tf_muscle.inspection.measure import SIZE_EDGES, ImageInfo, Survey
from tf_muscle.inspection.statistics import file_label
from tf_muscle.report.html_page import data_uri, photo_thumbnail, rendered
from tf_muscle.report.overlays import css_colors
from tf_muscle.report.photo_sheets import photo_label
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.pixels import read_mask

PICTURED = 6  # images of a finding that are shown
PARTNERS = 4  # files named beside a photo that looks like them all
SHEET = 6  # photos of a class


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
    html = rendered(
        Path(__file__).with_name("page.html.jinja"),
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
    colors = css_colors(len(names))
    shown = []
    for class_id, name in enumerate(names[1:], start=1):
        one = record["classes"][name]
        counts = one["size_counts"]
        shown.append(
            {
                "name": name,
                "color": colors[class_id],
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


def _captioned(image: ImageInfo, class_ids: Sequence[int]) -> dict[str, str]:
    label = file_label(image)
    return {
        "uri": thumbnail(image, class_ids),
        "label": label,
        "caption": f"{image.split}/{photo_label(Path(label).name)}",
    }


def _percent(share: float) -> str:
    """A share of an image in percent, to two digits that count: "0.0032 %"."""
    return f"{100 * share:.2g} %" if share < 1 else "100 %"


def thumbnail(image: ImageInfo, class_ids: Sequence[int]) -> str:
    """A small photo with the masks of some classes, or of none, drawn on it."""
    photo = decode_photo(image.example.image_path)
    if not class_ids:
        return photo_thumbnail(photo)
    mask = read_mask(image.example)
    return photo_thumbnail(photo, np.where(np.isin(mask, class_ids), mask, 0))


def heat_map(shares: np.ndarray) -> str:
    """Where a class lies: dark where never, bright where in most of its images.

    Args:
        shares: float [rows, columns], see `Survey.heat`; scaled to its own largest value.
    """
    scaled = shares / max(float(shares.max()), 1e-9)
    rgb = (colormaps["inferno"](scaled)[..., :3] * 255).astype(np.uint8)
    return data_uri(Image.fromarray(rgb), "PNG")


def typical_images(survey: Survey, class_id: int) -> list[ImageInfo]:
    """Images of a class from the least of it to the most, at most `SHEET`, each photo once."""
    by_source = {
        image.example.source_name: image for image in survey.images if image.class_pixels[class_id]
    }
    ranked = sorted(by_source.values(), key=lambda one: one.class_shares[class_id])
    places = np.linspace(0, len(ranked) - 1, min(SHEET, len(ranked))).round().astype(int)
    return [ranked[place] for place in places]
