"""How many photos a second does the input pipeline deliver? Decoding, and augmentation.

Command: python -m benchmarks.input_pipeline [--image_size 256] [--batch_size 16] [--quick]

"tensorflow" is timed by itself on this machine's device; in training it is a part of the step.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import tf_muscle
from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table


def rate(deliver: Callable[[], Any], photos: int, seconds: float, windows: int) -> float:
    """Photos a second: the median of several windows."""
    rates = []
    for _ in range(windows):
        delivered, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            deliver()
            delivered += photos
        rates.append(delivered / (time.perf_counter() - start))
    return statistics.median(rates)


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "windows of 2 s instead of 5 s")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--windows", type=int, default=5)
    options = parser.parse_args()

    import tensorflow as tf

    from tf_muscle.data.augment import Augmenter
    from tf_muscle.data.augment_tensorflow import TensorFlowAugmenter
    from tf_muscle.data.geometry import Geometry
    from tf_muscle.data.pipeline import load_split, training_batches
    from tf_muscle.data.prepare import load_builder

    size, count = options.image_size, options.batch_size
    seconds = 2.0 if options.quick else 5.0
    config = tf_muscle.Config.of(data=options.data, image_size=size)
    recipe = config.augment
    builder = load_builder(config.data)
    examples = load_split(builder, "train", Geometry("pad", size))
    photos = int(examples.cardinality())
    start = time.perf_counter()
    for _ in examples:
        pass
    rows = [{"what": "decode and resize (first epoch)"}]
    rows[0]["photos_per_second"] = photos / (time.perf_counter() - start)

    def row(what: str, deliver: Callable[[], Any]) -> None:
        deliver()
        rows.append(
            {"what": what, "photos_per_second": rate(deliver, count, seconds, options.windows)}
        )

    def batches(augmenter: Augmenter | None) -> Iterator:
        data = training_batches(examples, count, 0, augmenter, drop_remainder=True)
        return iter(data)

    plain = batches(None)
    row("from the cache, unchanged", lambda: next(plain))
    augmented = batches(Augmenter(recipe, 0))
    row("with albumentations, the report's recipe", lambda: next(augmented))
    images, masks = next(plain)
    compiled = tf.function(TensorFlowAugmenter(recipe, 0))
    number = iter(range(2**31))
    row(
        "with TensorFlow ops, the report's recipe",
        lambda: compiled(images, masks, tf.constant(next(number)))[0].numpy(),
    )
    print_table(f"Input at {size}x{size}, batches of {count}", rows)
    save(options.out, "input_pipeline", rows, image_size=size, batch_size=count)


if __name__ == "__main__":
    main()
