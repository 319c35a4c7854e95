"""Does the input pipeline starve the model? A real epoch against the same steps from memory.

Command: python -m benchmarks.end_to_end [--config configs/unh_gym.yaml] [--steps 20] [--quick]

Both run the steps of training with its loss and scores, in turns: once on batches that come from
the files through the augmentation, once on one batch that is already there.
"""

import statistics
import time
from typing import Any

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset
from tf_muscle.config import from_options


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "6 steps of batches of 8")
    parser.add_argument("--config", default="configs/unh_gym.yaml")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--steps", type=int, default=None, help="default: a whole epoch")
    parser.add_argument("--epochs", type=int, default=3)
    options, more = parser.parse_known_args()
    words = ["--config", options.config, "--data", options.data, "--encoder_weights", "none", *more]
    if options.quick:
        words += ["--batch_size", "8"]
        options.steps = 6
    config = from_options(parse_over_preset(config_parser("train", ""), words, DEFAULT_PRESET))

    from tf_muscle.data.augment import Augmenter
    from tf_muscle.data.dataset import load_data
    from tf_muscle.data.pipeline import batches_per_epoch, training_batches
    from tf_muscle.model.compiled import AugmentingModel, compiled_model
    from tf_muscle.training.device import choose_precision

    data = load_data(config.data)
    batch_size = config.optimization.batch_size
    steps = options.steps or batches_per_epoch(data.splits["train"], batch_size)
    precision = choose_precision(config.run.precision).name
    model, _ = compiled_model(config, data, precision, steps)
    augmenter = None if isinstance(model, AugmentingModel) else Augmenter(config.augment, 0)
    fed = training_batches(data.splits["train"], batch_size, 0, augmenter, drop_remainder=True)
    held = fed.take(1).cache().repeat()

    def epoch(batches: Any) -> float:
        start = time.perf_counter()
        model.fit(batches, steps_per_epoch=steps, verbose=0)
        return time.perf_counter() - start

    epoch(held)  # traces
    start = time.perf_counter()
    epoch(fed)  # decodes and fills the cache
    first = time.perf_counter() - start
    from_files, from_memory = [], []
    for _ in range(options.epochs):
        from_memory.append(epoch(held))
        from_files.append(epoch(fed))
    ratios = [a / b for a, b in zip(from_files, from_memory, strict=True)]
    row = {
        "image_size": config.data.image_size,
        "batch_size": batch_size,
        "precision": precision,
        "augment_backend": config.augment.augment_backend,
        "steps": steps,
        "first_epoch_seconds": first,
        "epoch_seconds": statistics.median(from_files),
        "model_only_seconds": statistics.median(from_memory),
        "ratio": statistics.median(ratios),
    }
    print_table("A real epoch against the model alone", [row])
    save(options.out, "end_to_end", [row | {"ratios": ratios}])


if __name__ == "__main__":
    main()
