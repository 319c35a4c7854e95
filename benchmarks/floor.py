"""Where does a step go, and how far is it from what the processor can do?

Command: python -m benchmarks.floor [--quick]

oneDNN tells of each of its kernels how long it took (ONEDNN_VERBOSE=1) and what it computed, from
which the operations are counted. They are compared with the rate of a large matrix multiplication,
the most that the processor gives. One operation at a time, so that times add up; what is not
oneDNN's (elementwise operations, the optimizer, copies) is the rest of the step. Needs a processor
on which TensorFlow computes with oneDNN.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

import tf_muscle  # noqa: F401  # before TensorFlow, for its kernels
from benchmarks.contenders import Work
from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table

CASES = (
    ("resnet34", 256, 256),
    ("efficientnet_lite0", 256, 256),
    ("efficientnet_lite0", 128, 256),
    ("efficientnet_lite0", 96, 128),
)  # encoder, image size, filters of the decoder's first block
SHAPE = re.compile(
    r"(?:g(?P<groups>\d+))?mb(?P<batch>\d+)_(?:g\d+)?ic(?P<ic>\d+)oc(?P<oc>\d+)"
    r"_ih\d+oh(?P<oh>\d+)kh(?P<kh>\d+)\S*?_iw\d+ow(?P<ow>\d+)kw(?P<kw>\d+)"
)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One run of a kernel.

    Attributes:
        name: what it does, such as "convolution, gradient of the kernels".
        milliseconds: by the clock.
        operations: additions and multiplications; 0 for what moves data only.
    """

    name: str
    milliseconds: float
    operations: float


NAMES = {
    "forward_training": "forward",
    "forward_inference": "forward",
    "backward_data": "gradient of the inputs",
    "backward_weights": "gradient of the kernels",
}


def read_kernels(lines: Iterable[str]) -> list[Kernel]:
    """The kernels that oneDNN ran, from its verbose lines (format v1)."""
    kernels = []
    for line in lines:
        if not line.startswith("onednn_verbose,v1,primitive,exec,"):
            continue
        kind, _, direction, *_, problem, milliseconds = line.strip().split(",")[5:]
        name, operations = kind.replace("_", " "), 0.0
        if kind == "convolution":
            shape = SHAPE.match(problem)
            assert shape, f"another format of oneDNN: {line}"
            n = {key: int(value or 1) for key, value in shape.groupdict().items()}
            each = n["ic"] // n["groups"] * n["kh"] * n["kw"]
            operations = 2.0 * n["batch"] * n["oc"] * n["oh"] * n["ow"] * each
            name = "depthwise convolution" if n["groups"] > 1 else name
        if direction in NAMES and kind != "softmax":
            name = f"{name}, {NAMES[direction]}"
        kernels.append(Kernel(name, float(milliseconds), operations))
    return kernels


def run(work: Work, steps: int, **environment: str) -> tuple[list[str], float]:
    """Runs steps in a process of its own: what it printed, and the mean seconds of its steps."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contenders", json.dumps(dataclasses.asdict(work))],
        input=f"{steps}\n{steps}\n",
        env={**os.environ, "TF_NUM_INTEROP_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    answers = [json.loads(line) for line in lines if line.startswith("{")]
    return lines, sum(answers[-1]["seconds"]) / steps


def matrix_rate(size: int = 2048) -> float:
    """Operations a second of a float32 matrix multiplication, the best of ten."""
    import tensorflow as tf

    a, b = tf.random.normal((2, size, size))
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        tf.linalg.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "3 steps, the smallest network only")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    steps = 3 if options.quick else options.steps
    peak = matrix_rate()
    print(f"matrix multiplication: {peak / 1e9:.0f} billion operations a second")
    rows: list[dict[str, Any]] = []
    for encoder, size, filters in CASES[-1:] if options.quick else CASES:
        for task, batch in (("train", options.batch_size), ("predict", 1)):
            contender = "ours" if task == "train" else "predictor"
            work = Work(contender, task, size, batch, encoder=encoder, decoder="transpose")
            work = dataclasses.replace(work, decoder_filters=filters)
            _, seconds = run(work, steps)
            lines, _ = run(work, steps, ONEDNN_VERBOSE="1")
            kernels = read_kernels(lines)
            first = len(rows)
            for name in sorted({kernel.name for kernel in kernels}):
                same = [kernel for kernel in kernels if kernel.name == name]
                rows.append(row(work, name, same, 2 * steps, peak))
            rows.append(row(work, "all of them", kernels, 2 * steps, peak))
            rows.append({**rows[-1], "kernel": "the step", "milliseconds": 1000 * seconds})
            rows[-1]["share_of_peak"] = rows[-1]["billion_operations"] / seconds / peak * 1e9
            print_table(f"{task}, {encoder}, {size}x{size}, batch {batch}", rows[first:])
    save(options.out, "floor", rows, peak=peak)


def row(work: Work, name: str, kernels: list[Kernel], steps: int, peak: float) -> dict[str, Any]:
    """A row of the table: of one step, on average."""
    milliseconds = sum(kernel.milliseconds for kernel in kernels) / steps
    operations = sum(kernel.operations for kernel in kernels) / steps
    return {
        "task": work.task,
        "encoder": work.encoder,
        "image_size": work.image_size,
        "kernel": name,
        "count": len(kernels) / steps,
        "milliseconds": milliseconds,
        "billion_operations": operations / 1e9,
        "share_of_peak": operations / (milliseconds / 1000) / peak,
    }


if __name__ == "__main__":
    main()
