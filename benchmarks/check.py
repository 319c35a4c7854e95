"""Has anything become slower? The quick ratios to PyTorch against those of the last release.

Command: make bench-check, or python -m benchmarks.check [--save]

Every ratio is ours to segmentation_models.pytorch's (pip install ".[bench]") in one run, for
what the machine does at the hour changes the times of both. They depend on the processor, so
benchmarks/baseline.json has those of each that was measured. --save records this one's.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.options import benchmark_parser
from benchmarks.rounds import machine
from benchmarks.startup import COMMANDS, seconds

BASELINE = Path(__file__).with_name("baseline.json")
TOLERATED = 0.10  # rounds of a quick run differ by as much


def main() -> int:
    """The command: 1 if a ratio fell, 2 if there is nothing to compare with."""
    parser = benchmark_parser(__doc__, "the form there is")
    parser.add_argument("--save", action="store_true", help="record the ratios as the baseline")
    options = parser.parse_args()
    here = machine()
    name = f"{here['processor']}, {here['instructions']}"
    ratios = measure()
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    if options.save:
        known[name] = {"versions": here["versions"], "ratios": ratios}
        BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(f"recorded for {name} in {BASELINE}")
        return 0
    if name not in known:
        for what, ratio in ratios.items():
            print(f"{what}: {ratio:.2f}")
        print(
            f"no baseline for {name}, only for {'; '.join(known) or 'none'}: make one by --save",
            file=sys.stderr,
        )
        return 2
    fallen = compare(known[name]["ratios"], ratios)
    for line in fallen:
        print(line)
    print(f"{len(fallen)} of {len(ratios)} ratios fell by more than {TOLERATED:.0%}")
    return int(bool(fallen))


def compare(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """A line for each ratio that fell, or is there no more.

    Args:
        before: ratio of speeds, from 0, by what was measured; more is better.
        now: the same.
    """
    lines = []
    for what, ratio in before.items():
        if what not in now:
            lines.append(f"{what}: {ratio:.2f}, not measured any more")
        elif now[what] < (1 - TOLERATED) * ratio:
            lines.append(f"{what}: {ratio:.2f} -> {now[what]:.2f}")
    return lines


def measure() -> dict[str, float]:
    """Speed of ours to that of smp, by what was measured."""
    smp = ["--vs", "smp", "--smp_precision", "float32"]
    ratios = {}
    for size in (256, 96):
        rows = rows_of("train_step", "--image_size", str(size), *smp)
        ratios[f"training step, {size}x{size}, batch 8"] = rows["smp"]["ours_over_it"]
    for batch in (1, 8):
        rows = rows_of("inference", "--batch_size", str(batch), *smp)
        ratios[f"prediction, 256x256, batch {batch}"] = rows["smp"]["predictor_over_it"]
    (epoch,) = rows_of("end_to_end").values()
    ratios["model alone to a real epoch"] = 1 / epoch["ratio"]
    torch = min(seconds([sys.executable, "-c", "import torch"]) for _ in range(3))
    slowest = max(
        min(seconds([sys.executable, "-m", module, "--help"]) for _ in range(3))
        for module in COMMANDS.values()
    )
    ratios["import of torch to the slowest --help"] = torch / slowest
    return ratios


def rows_of(benchmark: str, *words: str) -> dict[str, dict[str, Any]]:
    """Runs a benchmark in its quick form: its rows by contender."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--quick", "--out", str(out)]
        subprocess.run([*command, *words], check=True)
        rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    return {row.get("contender", "ours"): row for row in rows}


if __name__ == "__main__":
    sys.exit(main())
