"""Contenders side by side: each in its own process, taking turns in short windows.

What else the machine does slows all of them alike, so that the ratio holds where the times do not.
"""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.contenders import Work

ENVIRONMENT = dict(os.environ)  # before tf_muscle, once imported, chooses TensorFlow's kernels
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx2")  # the newest first
PACKAGES = (
    "tensorflow",
    "keras",
    "segmentation-models",
    "torch",
    "segmentation-models-pytorch",
    "ai-edge-litert",
)


class Contender:
    """A running process of `benchmarks.contenders`."""

    def __init__(self, work: Work):
        self.work = work
        self.peak_bytes = 0
        self.processor_seconds = 0.0  # of the last steps, all threads together
        environment = dict(ENVIRONMENT)
        if work.onednn != "as chosen":
            environment["TF_ENABLE_ONEDNN_OPTS"] = work.onednn
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contenders", json.dumps(dataclasses.asdict(work))],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def seconds(self, steps: int) -> list[float]:
        """Runs so many steps and returns the seconds of each.

        Raises:
            RuntimeError: the process died, with its last words.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(steps, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            raise RuntimeError(f"{self.work} died:\n{self._errors.read()[-2000:]}")
        record = json.loads(answer)
        self.peak_bytes = record["peak_bytes"]
        self.processor_seconds = record["processor_seconds"]
        return record["seconds"]

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@dataclasses.dataclass(frozen=True)
class Result:
    """One contender's windows."""

    work: Work
    windows: list[list[float]]  # seconds of each step, by window
    processor_seconds: list[float]  # of each window, all threads together
    peak_bytes: int  # of the whole process

    @property
    def images_per_second(self) -> list[float]:
        """Of each window."""
        return [self.work.batch_size * len(one) / sum(one) for one in self.windows]

    @property
    def images_per_processor_second(self) -> list[float]:
        """Of each window: what a busy machine does not change."""
        return [
            self.work.batch_size * len(one) / used
            for one, used in zip(self.windows, self.processor_seconds, strict=True)
        ]

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **dataclasses.asdict(self.work),
            "images_per_second": statistics.median(self.images_per_second),
            "images_per_second_of_windows": self.images_per_second,
            "images_per_processor_second": statistics.median(self.images_per_processor_second),
            "peak_gigabytes": self.peak_bytes / 1e9,
        }


def take_turns(works: Sequence[Work], windows: int, window_seconds: float) -> list[Result]:
    """Times contenders in alternating windows, after two steps of warm-up each.

    Args:
        works: one process each, all alive at once; who waits uses no processor time.
        windows: rounds.
        window_seconds: how long a window lasts at least.
    """
    contenders = [Contender(work) for work in works]
    try:
        for one in contenders:
            one.seconds(2)  # traces, compiles, allocates
        steps = [max(1, round(window_seconds / one.seconds(1)[0])) for one in contenders]
        timed: list[list[list[float]]] = [[] for _ in works]
        used: list[list[float]] = [[] for _ in works]
        for turn in range(windows):
            # Back and forth, so that nobody always comes first.
            order = range(len(works)) if turn % 2 == 0 else reversed(range(len(works)))
            for i in order:
                timed[i].append(contenders[i].seconds(steps[i]))
                used[i].append(contenders[i].processor_seconds)
        return [
            Result(one.work, taken, processor, one.peak_bytes)
            for one, taken, processor in zip(contenders, timed, used, strict=True)
        ]
    finally:
        for one in contenders:
            one.close()


def ratio(
    ours: Result, other: Result, *, per_processor_second: bool = False
) -> tuple[float, float, float]:
    """How many times as fast as the other: median, lowest and highest of the rounds.

    Args:
        ours: compared.
        other: with this one.
        per_processor_second: count the time of the threads, not that of the clock: for a machine
            that others use too, and contenders that keep equally many threads busy.
    """
    mine, its = (
        one.images_per_processor_second if per_processor_second else one.images_per_second
        for one in (ours, other)
    )
    ratios = [first / second for first, second in zip(mine, its, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(names),
        "instructions": next((one for one in INSTRUCTIONS if one in flags), "unknown"),
        "python": platform.python_version(),
        "versions": versions,
    }


def save(out: str | None, name: str, rows: Sequence[dict[str, Any]], **facts: Any) -> Path:
    """Writes a benchmark's JSON, by default to runs/benchmarks/ under the time."""
    path = Path(out or f"runs/benchmarks/{name}-{datetime.now():%Y%m%d-%H%M%S}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"benchmark": name, "machine": machine(), **facts, "rows": list(rows)}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
    return path
