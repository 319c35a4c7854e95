"""The numbers of the page and of the JSON beside it, from a survey and its findings."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_muscle.inspection.findings import Finding
from tf_muscle.inspection.measure import SIZE_EDGES, ImageInfo, Survey
from tf_muscle.model.metrics import floor_mean_iou
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.roboflow.split_folder import shown


def file_label(image: ImageInfo) -> str:
    """Names an image as its user finds it, "train/X.jpg", and its split where that is another.

    A name that is no text, as some file systems allow, is written with backslashes.
    """
    name = shown(image.example.image_path).encode("utf-8", "backslashreplace").decode()
    folder = image.example.image_path.parent.name
    return name if folder == image.split else f"{name} (held out for {image.split})"


def split_record(survey: Survey, split: str) -> dict[str, Any]:
    """One split: images, photos, sizes, pixels and images by class, floor mIoU."""
    images = survey.of(split)
    names = survey.export.class_names
    counts = np.array([image.class_pixels for image in images])  # [N, K]
    sizes = Counter(f"{width}x{height}" for width, height in (image.size for image in images))
    return {
        "images": len(images),
        "source_photos": len({image.example.source_name for image in images}),
        "sizes": dict(sizes.most_common()),
        "images_without_foreground": int((counts[:, 1:].sum(axis=1) == 0).sum()),
        "floor_mean_iou": floor_mean_iou(counts.sum(axis=0)),
        "pixels": dict(zip(names, counts.sum(axis=0).tolist(), strict=True)),
        "images_with_class": dict(zip(names, (counts > 0).sum(axis=0).tolist(), strict=True)),
    }


def class_record(survey: Survey, class_id: int) -> dict[str, Any]:
    """One class: how much of an image it covers, and where it lies.

    `median_share` is of the images that hold the class, None if none does; `size_counts` counts
    them between `size_edges`; `heat` is as in `Survey`, [row][column].
    """
    shares = [image.class_shares[class_id] for image in survey.images]
    held = [share for share in shares if share]
    return {
        "images": len(held),
        "median_share": float(np.median(held)) if held else None,
        "size_counts": survey.size_counts[class_id].tolist(),
        "heat": np.round(survey.heat[class_id], 4).tolist(),
    }


def inspection_record(
    survey: Survey, findings: Sequence[Finding], *, name: str, fingerprint: str, synthetic: bool
) -> dict[str, Any]:
    """What inspection.json holds: everything on the page but its pictures, and every file name.

    Args:
        survey: what was measured of the export.
        findings: the gravest first.
        name: the export as its user called it.
        fingerprint: 16 hex digits, of the export's content.
        synthetic: the photos are rendered.
    """
    export = survey.export
    return {
        "export": name.encode("utf-8", "backslashreplace").decode(),
        "fingerprint": fingerprint,
        "synthetic": synthetic,
        "verdict": verdict(findings),
        "format": export.format,
        "class_names": list(export.class_names),
        "baked_augmentation": list(export.baked_augmentation),
        "findings": [
            {
                "check": finding.check,
                "severity": finding.severity,
                "sentence": finding.sentence,
                "files": [list(group) for group in finding.files],
            }
            for finding in findings
        ],
        "splits": {split: split_record(survey, split) for split in SPLITS},
        "size_edges": SIZE_EDGES.tolist(),
        "classes": {
            class_name: class_record(survey, class_id)
            for class_id, class_name in enumerate(export.class_names)
        },
    }


def verdict(findings: Sequence[Finding]) -> str:
    """The whole inspection in one line."""
    counts = Counter(finding.severity for finding in findings)
    if counts["error"]:
        return "Fix these first"
    if counts["warning"]:
        return "You can train on this, but look at the warnings first"
    return "You can train on this"
