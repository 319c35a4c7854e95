"""Do two processes that share each batch train as one does? Weights and moving statistics compared.

Command: python -m benchmarks.two_processes [--steps 20] [--quick] [options of train]

The sample's network at 64 pixels trains on the same batches of 8 photos, not augmented, by
processes of one thread each, and each way is compared with the first:

- one: one process
- keras: one process with Keras' own batch normalization in place of the fused kernel, by the same
  mathematics: it shows what rounding does
- shared: two processes of 4 photos, with `benchmarks.shared_batches`
- gradients: two processes of 4 photos that share their gradients alone

"busy seconds" are the processor time of a step in one process.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset
from tf_muscle.config import from_options

BATCH = 8
RATES = {"sgd": "0.01", "adamw": "0.001"}
WAYS = ("one", "keras", "shared", "gradients")
TWO = ("shared", "gradients")
KINDS = ("weights", "moving_mean", "moving_variance")


def train(way: str, optimizer: str, steps: int, more: Sequence[str]) -> dict[str, Any]:
    """Trains in this process, which may be one of two; gives all weights by name, and facts."""
    words = ["--image_size", "64", "--epochs", "1", "--batch_size", str(BATCH), *more]
    words += ["--optimizer", optimizer, "--learning_rate", RATES[optimizer]]
    config = from_options(parse_over_preset(config_parser("train", ""), words, DEFAULT_PRESET))

    import keras

    from benchmarks import shared_batches as sharing
    from tf_muscle.data.dataset import load_data
    from tf_muscle.data.pipeline import training_batches
    from tf_muscle.model.compiled import compiled_model
    from tf_muscle.model.optimizers import optimizer as rule_of

    if way in TWO:
        sharing.join()
    data = load_data(config.data)
    keras.utils.set_random_seed(0)  # only now: what prepares the photos draws too
    model, _ = compiled_model(config, data, "float32", steps)
    loss = model.loss
    rule = rule_of(config.optimization, steps)  # the model's own is built for it
    norms = {"keras": keras.layers.BatchNormalization, "shared": sharing.SharedBatchNormalization}
    model = sharing.copy_of(model, norms.get(way))
    batches = training_batches(data.splits["train"], BATCH, 0, None, drop_remainder=True)
    if way in TWO:
        own = slice(sharing.RANK * BATCH // 2, (sharing.RANK + 1) * BATCH // 2)
        batches = batches.map(lambda images, masks: (images[own], masks[own]))
        rule = sharing.summing(rule, 1.0 if way == "shared" else 0.5)
    if way == "shared":
        model = sharing.SharedModel(model.input, model.output)
    model.compile(optimizer=rule, loss=loss)
    clock: list[tuple[float, float]] = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: clock.append((time.time(), time.process_time()))
    )
    logs = model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[watch])
    seconds, busy = (np.array(clock[-1]) - clock[0]) / (steps - 1)  # the first one traces
    facts = {"loss": logs.history["loss"][0], "step_seconds": seconds, "busy_seconds": busy}
    return {"facts": json.dumps(facts)} | {one.path: one.numpy() for one in model.weights}


def worker(folder: Path, way: str, steps: int, more: Sequence[str]) -> None:
    """Trains by each optimizer, one after the other, into files."""
    for optimizer in RATES:
        np.savez(folder / f"{optimizer}.npz", **train(way, optimizer, steps, more))


def start(way: str, folder: Path, words: Sequence[str]) -> None:
    """Has one process or two train, each with a folder of its own, and waits for them."""
    listening = [socket.create_server(("localhost", 0)) for _ in range(2 if way in TWO else 1)]
    workers = [f"localhost:{one.getsockname()[1]}" for one in listening]
    variables = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    processes = []
    for rank, one in enumerate(listening):
        one.close()
        if way in TWO:
            task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
            variables["TF_CONFIG"] = json.dumps(task)
        (own := folder / f"{way}{rank}").mkdir()
        command = [sys.executable, "-m", "benchmarks.two_processes", "worker", str(own), way]
        processes.append(subprocess.Popen([*command, *words], env=os.environ | variables))
    if any([process.wait() for process in processes]):  # noqa: C419  # waits for both
        sys.exit(f"a process of {way} failed, see above")


def differences(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest one of the weights and of both moving statistics."""
    largest = dict.fromkeys(KINDS, 0.0)
    for name in a.keys() - {"facts"}:
        kind = next((one for one in KINDS if name.endswith(one)), "weights")
        largest[kind] = max(largest[kind], float(np.abs(a[name] - b[name]).max(initial=0)))
    return largest


def main() -> None:
    """The command, and each process of it."""
    if sys.argv[1:2] == ["worker"]:
        worker(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5:])
        return
    parser = benchmark_parser(__doc__, "3 steps")
    parser.add_argument("--steps", type=int, default=20)
    options, more = parser.parse_known_args()
    steps = 3 if options.quick else options.steps
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for way in WAYS:
            start(way, Path(name), [str(steps), *more])
        for optimizer in RATES:
            files = Path(name).glob(f"*/{optimizer}.npz")
            found = {path.parent.name: dict(np.load(path)) for path in files}
            for way in WAYS:
                chief = found[f"{way}0"]
                row = {"optimizer": optimizer, "way": way}
                row |= differences(found["one0"], chief)
                other = differences(chief, found.get(f"{way}1", chief))
                row |= {"between_the_two": max(other.values())}
                rows.append(row | json.loads(str(chief["facts"])))
    print_table("Largest differences from one process", rows)
    save(options.out, "two_processes", rows)


if __name__ == "__main__":
    main()
