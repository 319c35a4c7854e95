"""How large and how fast are LiteRT files, by type of the weights and threads?

Command: python -m benchmarks.litert [--image_size 256] [--quick]

The networks have random weights: what they see costs nothing. Whether a file still says what the
Keras model says is measured by `tf_muscle.export` on a trained one.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.exporting import litert
from tf_muscle.model.unet import build_unet

CLASSES = 4
NETWORKS = (
    ("efficientnet_lite0", 64),
    ("efficientnet_lite0", 128),
    ("efficientnet_lite0", 256),
    ("resnet34", 256),
)  # encoder, filters of the decoder's first block
TYPES = ("float32", "float16", "dynamic", "int8")


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "10 photos instead of 50, the smallest network only")
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    options = parser.parse_args()
    size = options.image_size
    photos = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    rows: list[dict[str, Any]] = []
    for encoder, filters in NETWORKS[:1] if options.quick else NETWORKS:
        model = build_unet(CLASSES, size, encoder=encoder, decoder_filters=filters, fused=False)
        first = len(rows)
        for kind, content in litert.convert(model, TYPES, photos).items():
            row = {
                "encoder": encoder,
                "decoder_filters": filters,
                "million_weights": model.count_params() / 1e6,
                "weights": kind,
                "megabytes": len(content) / 1e6,
            }
            for threads in options.threads:
                times = milliseconds(content, photos[:1], threads, 10 if options.quick else 50)
                row[f"ms_{threads}_threads"] = statistics.median(times)
                row[f"p95_{threads}_threads"] = float(np.quantile(times, 0.95))
            rows.append(row)
        print_table(f"LiteRT, {size}x{size}", rows[first:])
    save(options.out, "litert", rows)


def milliseconds(content: bytes, photo: np.ndarray, threads: int, count: int) -> list[float]:
    """Times of single photos, after two that are not counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(content)
        predict = litert.load(path, threads)
    times = []
    for _ in range(count + 2):
        start = time.perf_counter()
        predict(photo)
        times.append(1000 * (time.perf_counter() - start))
    return times[2:]


if __name__ == "__main__":
    main()
