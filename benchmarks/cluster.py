"""What does a cluster on this machine cost beside a loop in one process?

Command: python -m benchmarks.cluster [--pieces 16] [--rounds 3] [--quick]

Pieces of about a second of prediction (EfficientNet-Lite0, 256 pixels, random weights) go through
`tf_muscle.cluster.pieces.results`: in a loop with one thread and with two, and to one and two
workers of a thread each. Each way is a process of its own, since TensorFlow's threads are fixed
when it is imported; the ways take turns. Loading is left out: time runs from the first piece's
start to the last one's end. "between" is the share of that in which a worker had no piece, which
other programs on the machine do not change much, as they do the pieces a second.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table

WAYS = ("loop, 1 thread", "1 worker, 1 thread", "2 workers, 1 thread", "loop, 2 threads")
SIZE, BATCH = 256, 4


def piece_function(model: Path, batches: int) -> Callable[[int], tuple[int, float, float]]:
    """Loads the model; the function gives its process and when it began and ended."""
    import numpy as np

    from tf_muscle import load_predictor

    predictor = load_predictor(model, image_size=SIZE, batch_size=BATCH)
    images = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8)
    predictor.forward(images)

    def do(piece: int) -> tuple[int, float, float]:
        start = time.time()
        for _ in range(batches):
            predictor.forward(images)
        return os.getpid(), start, time.time()

    return do


def measure(way: str, model: Path, pieces: int, batches: int) -> dict[str, float]:
    """Does the pieces in this process, or in workers that it starts."""
    from tf_muscle.cluster.address import Cluster
    from tf_muscle.cluster.pieces import results

    cluster = Cluster("local") if "worker" in way else None
    make = partial(piece_function, model, batches)
    done = [result for _, result in results(range(pieces), make, cluster)]
    spans = defaultdict(list)
    for process, start, end in done:
        spans[process].append((start, end))
    first = min(start for _, start, _ in done)
    wall = max(end for *_, end in done) - first
    busy = sum(end - start for _, start, end in done)
    # Of a worker from its first piece on: at the end, one of two may have none left.
    there = sum(max(one)[1] - min(one)[0] for one in spans.values())
    return {"rate": pieces / wall, "piece": busy / pieces, "between": 1 - busy / there}


def main() -> None:
    """The command, and each way in a process of its own."""
    if len(sys.argv) > 1 and sys.argv[1] in WAYS:
        way, model, pieces, batches = sys.argv[1:]
        print(json.dumps(measure(way, Path(model), int(pieces), int(batches))))
        return
    parser = benchmark_parser(__doc__, "one round of few pieces")
    parser.add_argument("--pieces", type=int, default=16)
    parser.add_argument("--batches", type=int, default=4, help="of 4 photos, in a piece")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.pieces, options.rounds = 6, 1
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.keras"
        from tf_muscle.model.unet import build_unet

        build_unet(4, encoder="efficientnet_lite0", decoder_filters=128, fused=False).save(model)
        for _ in range(options.rounds):
            for way in WAYS:
                threads = "2" if way.startswith("2") or way.endswith("2 threads") else "1"
                variables = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
                words = [way, str(model), str(options.pieces), str(options.batches)]
                process = subprocess.run(
                    [sys.executable, "-m", "benchmarks.cluster", *words],
                    env=os.environ | variables,
                    stdout=subprocess.PIPE,
                    check=True,
                )
                found[way].append(json.loads(process.stdout.splitlines()[-1]))
    rows = [
        {"way": way}
        | {name: statistics.median(one[name] for one in found[way]) for name in found[way][0]}
        for way in WAYS
    ]
    print_table("pieces a second, seconds of one, share of the time between two", rows)
    save(options.out, "cluster", rows)


if __name__ == "__main__":
    main()
