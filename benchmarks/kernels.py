"""What are oneDNN's kernels worth on this processor, and bfloat16? Training and prediction.

Command: python -m benchmarks.kernels [--quick]

The same work with TF_ENABLE_ONEDNN_OPTS=1, with 0, and in bfloat16 with 1, each in a process of its
own, all taking turns. tf_muscle/processor.py chooses by what came out.
"""

import dataclasses
from typing import Any

from benchmarks.contenders import Work
from benchmarks.options import benchmark_parser
from benchmarks.rounds import ratio, save, take_turns
from benchmarks.table import print_table

CASES = (("resnet18", 96), ("efficientnet_lite0", 96), ("resnet34", 256))
BATCH = 8


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "3 windows, the smallest network only")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--window_seconds", type=float, default=3.0)
    options = parser.parse_args()
    windows = 3 if options.quick else options.windows
    rows: list[dict[str, Any]] = []
    for encoder, size in CASES[:1] if options.quick else CASES:
        for task in ("train", "predict"):
            work = Work("ours", task, size, BATCH, encoder=encoder, decoder="transpose", onednn="1")
            off = dataclasses.replace(work, onednn="0")
            bfloat16 = dataclasses.replace(work, precision="bfloat16")
            results = take_turns([work, off, bfloat16], windows, options.window_seconds)
            for result in results:
                row = result.row()
                for per_processor_second in (False, True):
                    found = ratio(results[0], result, per_processor_second=per_processor_second)
                    of = "processor" if per_processor_second else "clock"
                    row[f"onednn_over_it_by_{of}"] = "{:.2f} ({:.2f} to {:.2f})".format(*found)
                rows.append(row)
            print_table("Kernels", rows[-len(results) :])
    save(options.out, "kernels", rows)


if __name__ == "__main__":
    main()
