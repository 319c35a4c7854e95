"""How fast is a training step? Model only, on random photos that are already in memory.

Command: python -m benchmarks.train_step [--vs stock smp] [--batch_size 8 16] [--quick]

--vs stock runs the unmodified segmentation-models network in stock Keras, --vs smp
segmentation_models.pytorch in channels_last (pip install ".[bench]"), each in a process of its own,
all taking turns. The decoder is the one that repeats pixels, the only one that smp has.
"""

from typing import Any

from benchmarks.options import add_contenders, benchmark_parser, contenders
from benchmarks.rounds import ratio, save, take_turns
from benchmarks.table import print_table


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "3 windows, the first sizes only")
    add_contenders(parser, windows=7, window_seconds=4.0)
    parser.add_argument("--image_size", nargs="*", type=int, default=[256])
    parser.add_argument("--batch_size", nargs="*", type=int, default=[8, 16])
    parser.add_argument("--optimizer", default="adam", choices=["adam", "sgd"])
    options = parser.parse_args()
    if options.quick:
        options.windows = 3
        options.image_size, options.batch_size = options.image_size[:1], options.batch_size[:1]
    rows: list[dict[str, Any]] = []
    for image_size in options.image_size:
        for batch_size in options.batch_size:
            works = contenders(
                options,
                ["ours"],
                image_size=image_size,
                batch_size=batch_size,
                optimizer=options.optimizer,
            )
            results = take_turns(works, options.windows, options.window_seconds)
            for result in results:
                median, lowest, highest = ratio(results[0], result)
                rows.append(
                    result.row() | {"ours_over_it": median, "lowest": lowest, "highest": highest}
                )
            print_table("Training step", rows[-len(results) :])
    save(options.out, "train_step", rows)


if __name__ == "__main__":
    main()
