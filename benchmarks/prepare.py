"""How fast is an export prepared? From Roboflow's files to TFDS's records, and opened again.

Command: python -m benchmarks.prepare [--data EXPORT] [--quick]
"""

import tempfile
import time

import tf_muscle
from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "once instead of 3 times")
    parser.add_argument("--data", default="sample")
    options = parser.parse_args()

    from tf_muscle.data.prepare import load_builder

    rows = []
    for _ in range(1 if options.quick else 3):
        with tempfile.TemporaryDirectory() as folder:
            config = tf_muscle.Config.of(data=options.data, data_dir=folder).data
            start = time.perf_counter()
            builder = load_builder(config)
            built = time.perf_counter()
            load_builder(config)
            opened = time.perf_counter()
        photos = sum(split.num_examples for split in builder.info.splits.values())
        rows.append(
            {
                "data": options.data,
                "photos": photos,
                "prepare_seconds": built - start,
                "photos_per_second": photos / (built - start),
                "open_again_seconds": opened - built,
            }
        )
    print_table("Preparing", rows)
    save(options.out, "prepare", rows)


if __name__ == "__main__":
    main()
