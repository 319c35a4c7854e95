"""How fast is prediction? Latency of one photo and throughput of a batch, by each runtime.

Command: python -m benchmarks.inference [--vs stock smp] [--quick]

predictor is what `tf_muscle.load_predictor` makes of a SavedModel, saved_model its signature called
as TensorFlow's users do, ours the compiled forward pass of the model in training, litert the
float32 file (pip install ".[litert]"), stock and smp the others' models.
"""

from typing import Any

import numpy as np

from benchmarks.options import add_contenders, benchmark_parser, contenders
from benchmarks.rounds import ratio, save, take_turns
from benchmarks.table import print_table


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "3 windows")
    add_contenders(parser, windows=9, window_seconds=3.0)
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--batch_size", nargs="*", type=int, default=[1, 8])
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for batch_size in options.batch_size:
        works = contenders(
            options,
            ["predictor", "saved_model", "ours", "litert"],
            task="predict",
            image_size=options.image_size,
            batch_size=batch_size,
        )
        windows = 3 if options.quick else options.windows
        results = take_turns(works, windows, options.window_seconds)
        for result in results:
            seconds = np.concatenate(result.windows)
            median, lowest, highest = ratio(results[0], result)
            rows.append(
                result.row()
                | {
                    "milliseconds_p50": float(1000 * np.quantile(seconds, 0.5)),
                    "milliseconds_p95": float(1000 * np.quantile(seconds, 0.95)),
                    "predictor_over_it": median,
                    "lowest": lowest,
                    "highest": highest,
                }
            )
        print_table("Inference", rows[-len(results) :])
    save(options.out, "inference", rows)


if __name__ == "__main__":
    main()
