"""How an exported model was tested, for the files beside it."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_muscle.exporting.agreement import LIMITS, Agreement
from tf_muscle.report.markdown import markdown_table

# The package that runs a format.
RUNTIMES = {"saved_model": "tensorflow", "litert": "ai-edge-litert", "onnx": "onnxruntime"}


def tested_record(
    form: str,
    measured: Mapping[str, Agreement],
    sizes: Mapping[str, float],
    data: str,
    machine: str,
) -> dict[str, Any]:
    """How an export was tested, as export.json keeps it.

    Args:
        form: "saved_model", "litert" or "onnx".
        measured: type of the weights -> result.
        sizes: type of the weights -> megabytes (10^6 bytes).
        data: name of the export whose test split it was, without the user's folders.
        machine: processor and threads.
    """
    runtime = RUNTIMES[form]
    return {
        "format": form,
        "runtime": f"{runtime} {importlib.metadata.version(runtime)}",
        "machine": machine,
        "data": data,
        "split": "test",
        "types": {
            kind: {
                "size_mb": round(sizes[kind], 3),
                **dataclasses.asdict(result),
                "limit": dataclasses.asdict(LIMITS[kind]),
            }
            for kind, result in measured.items()
        },
    }


def tested_section(record: Mapping[str, Any]) -> str:
    """The part of an export's README.md that tells how it was tested.

    Args:
        record: the content of export.json, see `tested_record`.
    """
    header = (
        "weights", "MB", "pixels as Keras (least)", "of those with muscle", "mIoU (change)",
        "ms a photo, median", "95th percentile",
    )  # fmt: skip
    rows = [
        (
            kind,
            f"{one['size_mb']:.1f}",
            f"{one['agreement']:.4%} ({one['limit']['agreement']:.2%})",
            f"{one['foreground_agreement']:.2%}",
            f"{one['mean_iou']:.4f} ({one['mean_iou_difference']:+.4f})",
            f"{one['latency_ms_median']:.1f}",
            f"{one['latency_ms_p95']:.1f}",
        )
        for kind, one in record["types"].items()
    ]
    count = next(iter(record["types"].values()))["image_count"]
    return (
        "## The same as the Keras model?\n\n"
        f"{markdown_table((header, *rows))}\n\n"
        f"{count} test photos of {record['data']}, one at a time, by {record['runtime']} on "
        f"{record['machine']}. The third column is the share of pixels with the class that the "
        "Keras model gives; the fourth counts only pixels that either of the two marks.\n"
    )


def megabytes(path: Path) -> float:
    """Size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files) / 1e6
