"""How long does a command take to say what it can do? `--help` must not wait for TensorFlow.

Command: python -m benchmarks.startup [--quick]
"""

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.__main__ import COMMANDS

HEAVY = ("tensorflow", "keras", "albumentations", "tensorflow_datasets")
PROBE = "import sys, {module}; print(*(name for name in {heavy} if name in sys.modules))"


def seconds(words: list[str]) -> float:
    """Wall time of a process."""
    start = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "3 times each instead of 9")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for command, module in COMMANDS.items():
        words = [sys.executable, "-m", module, "--help"]
        times = [seconds(words) for _ in range(3 if options.quick else 9)]
        probe = PROBE.format(module=module, heavy=HEAVY)
        loaded = subprocess.run(
            [sys.executable, "-c", probe], check=True, capture_output=True, text=True
        )
        rows.append(
            {
                "command": command,
                "help_seconds": statistics.median(times),
                "slowest": max(times),
                "heavy_imports": loaded.stdout.strip() or "none",
            }
        )
    print_table("--help", rows)
    save(options.out, "startup", rows)


if __name__ == "__main__":
    main()
