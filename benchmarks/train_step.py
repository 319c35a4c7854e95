"""How fast is a training step? Model only, on random photos that are already in memory.

Command: python -m benchmarks.train_step [--vs stock smp] [--batch_size 8 16] [--quick]

--vs stock runs the unmodified segmentation-models network in stock Keras, --vs smp
segmentation_models.pytorch in channels_last (pip install ".[bench]"), each in a process of its own,
all taking turns. The decoder is the one that repeats pixels, the only one that smp has.
"""

import argparse
from typing import Any

from benchmarks.contenders import Work
from benchmarks.rounds import ratio, save, take_turns
from benchmarks.table import print_table


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vs", nargs="*", default=[], choices=["stock", "smp"])
    parser.add_argument("--image_size", nargs="*", type=int, default=[256])
    parser.add_argument("--batch_size", nargs="*", type=int, default=[8, 16])
    parser.add_argument("--precision", default="auto", help="ours and stock's; auto is training's")
    parser.add_argument(
        "--smp_precision", nargs="*", default=["float32", "bfloat16"], help="each a contender"
    )
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--decoder", default="upsampling", choices=["upsampling", "transpose"])
    parser.add_argument("--optimizer", default="adam", choices=["adam", "sgd"])
    parser.add_argument("--windows", type=int, default=7)
    parser.add_argument("--window_seconds", type=float, default=4.0)
    parser.add_argument("--quick", action="store_true", help="3 windows, the first sizes only")
    parser.add_argument("--out", help="JSON file; by default in runs/benchmarks")
    options = parser.parse_args()
    if options.quick:
        options.windows = 3
        options.image_size, options.batch_size = options.image_size[:1], options.batch_size[:1]
    precision = options.precision
    if precision == "auto":
        from tf_muscle.device import choose_precision

        precision, _ = choose_precision("auto")
    contenders = [("ours", precision)]
    contenders += [("stock", precision)] if "stock" in options.vs else []
    contenders += [("smp", one) for one in options.smp_precision] if "smp" in options.vs else []
    rows: list[dict[str, Any]] = []
    for image_size in options.image_size:
        for batch_size in options.batch_size:
            results = take_turns(
                [
                    Work(
                        contender=contender,
                        image_size=image_size,
                        batch_size=batch_size,
                        precision=its_precision,
                        encoder=options.encoder,
                        decoder=options.decoder,
                        optimizer=options.optimizer,
                    )
                    for contender, its_precision in contenders
                ],
                options.windows,
                options.window_seconds,
            )
            for result in results:
                median, lowest, highest = ratio(results[0], result)
                rows.append(
                    result.row() | {"ours_over_it": median, "lowest": lowest, "highest": highest}
                )
            print_table("Training step", rows[-len(results) :])
    save(options.out, "train_step", rows)


if __name__ == "__main__":
    main()
