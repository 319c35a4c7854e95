"""What is written beside an exported model: how it is called and how it was tested."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_muscle.data.geometry import Geometry
from tf_muscle.exporting.agreement import LIMITS, Agreement
from tf_muscle.report.tables import markdown_table, preparation

# The package that runs a format.
RUNTIMES = {"saved_model": "tensorflow", "litert": "ai-edge-litert", "onnx": "onnxruntime"}

RESULT = (
    "`class_ids` of the result is uint8 [B, H, W], `probabilities` float32 [B, H, W, K]; "
    "`labels.txt` has the names of the classes, one a line. "
)


def usage(form: str, name: str, geometry: Geometry) -> str | None:
    """How an export is called, in Markdown; None for the SavedModel, whose card says it.

    Args:
        form: "saved_model", "litert" or "onnx".
        name: name of the folder.
        geometry: how the training brought photos to its size.
    """
    size = geometry.size
    if form == "litert":
        return (
            "```python\nfrom ai_edge_litert.interpreter import Interpreter\n\n"
            f'model = Interpreter("{name}/float16.tflite").get_signature_runner()\n'
            "result = model(images=photo)\n```\n\n"
            f"`photo` is one photo, uint8 RGB [1, {size}, {size}, 3]: the model scales the values "
            f"itself. {preparation(geometry)} {RESULT}`examples/litert_client.py` in the project "
            "does all of it. `labels.txt` and `preprocessing.json` are also packed into each file, "
            "which any zip program opens. On phones the same file runs with LiteRT for Android and "
            "iOS."
        )
    if form == "onnx":
        return (
            "```python\nimport onnxruntime\n\n"
            f'model = onnxruntime.InferenceSession("{name}/model.onnx")\n'
            'class_ids, probabilities = model.run(["class_ids", "probabilities"], '
            '{"images": photos})\n```\n\n'
            "`photos` is uint8 RGB [B, H, W, 3]: the model scales the values itself. "
            f"{preparation(geometry)} The properties `image_size`, `resize` and `padding` of the "
            f"file tell it; other sizes are taken, too. {RESULT}"
        )
    return None


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
        data: whose test split it was.
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
