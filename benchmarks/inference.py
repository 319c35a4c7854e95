"""How fast is prediction? Latency of one photo and throughput of a batch, by each runtime.

Command: python -m benchmarks.inference [--vs stock smp] [--quick]

saved_model is what export writes, ours the compiled forward pass of the model in training, litert
the float32 file (pip install ".[litert]"), stock and smp the others' models.
"""

import argparse
import importlib.util
from typing import Any

import numpy as np

from benchmarks.contenders import Work
from benchmarks.rounds import ratio, save, take_turns
from benchmarks.table import print_table


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vs", nargs="*", default=[], choices=["stock", "smp"])
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--batch_size", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--smp_precision", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--decoder", default="upsampling", choices=["upsampling", "transpose"])
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--window_seconds", type=float, default=3.0)
    parser.add_argument("--quick", action="store_true", help="3 windows")
    parser.add_argument("--out", help="JSON file; by default in runs/benchmarks")
    options = parser.parse_args()
    contenders = [("saved_model", options.precision), ("ours", options.precision)]
    if importlib.util.find_spec("ai_edge_litert"):
        contenders.append(("litert", "float32"))
    contenders += [("stock", options.precision)] if "stock" in options.vs else []
    contenders += [("smp", one) for one in options.smp_precision] if "smp" in options.vs else []
    rows: list[dict[str, Any]] = []
    for batch_size in options.batch_size:
        results = take_turns(
            [
                Work(
                    contender=contender,
                    task="predict",
                    image_size=options.image_size,
                    batch_size=batch_size,
                    precision=precision,
                    encoder=options.encoder,
                    decoder=options.decoder,
                )
                for contender, precision in contenders
            ],
            3 if options.quick else options.windows,
            options.window_seconds,
        )
        for result in results:
            seconds = np.concatenate(result.windows)
            median, lowest, highest = ratio(results[0], result)
            rows.append(
                result.row()
                | {
                    "milliseconds_p50": float(1000 * np.quantile(seconds, 0.5)),
                    "milliseconds_p95": float(1000 * np.quantile(seconds, 0.95)),
                    "saved_model_over_it": median,
                    "lowest": lowest,
                    "highest": highest,
                }
            )
        print_table("Inference", rows[-len(results) :])
    save(options.out, "inference", rows)


if __name__ == "__main__":
    main()
