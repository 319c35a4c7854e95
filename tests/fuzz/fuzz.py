"""Feeds hostile exports, photos and videos to the readers: python tests/fuzz/fuzz.py --inputs 5000.

It prints a table of the inputs, by what became of them, and ends with code 1 at the first promise
that is broken, with the smallest input that hypothesis finds for it. TensorFlow is not imported.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hostile_bytes import file_names
from hostile_exports import Export, exports
from hostile_pictures import pictures
from hostile_videos import videos
from hostile_zips import zips
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from promises import (
    assert_nothing_outside,
    check_export,
    check_film,
    check_photo,
    ends_well,
    fresh_folder,
)

# Each with its share of the inputs; a video takes the longest.
SHARES = {"folders": 0.36, "zips": 0.24, "photos": 0.3, "videos": 0.1}
INPUTS: dict[str, st.SearchStrategy[Any]] = {
    "folders": exports(),
    "zips": zips(),
    "photos": st.tuples(file_names, st.sampled_from([".jpg", ".png", ".webp", ""]), pictures()),
    "videos": st.tuples(file_names, st.sampled_from([".mp4", ".avi", ".mkv"]), videos()),
}


def read(target: str, content: Any, folder: Path) -> None:
    """Writes an input into a folder and reads it."""
    if target == "folders":
        assert isinstance(content, Export)
        content.write(folder / "muscles")
        check_export(folder / "muscles")
    elif target == "zips":
        (folder / "muscles.zip").write_bytes(content)
        check_export(folder / "muscles.zip")
    else:
        stem, suffix, data = content
        path = folder / f"{stem}{suffix}"
        path.write_bytes(data)
        (check_photo if target == "photos" else check_film)(path, folder / "out")


def fuzz(target: str, inputs: int, number: int) -> tuple[Counter[str], float, int]:
    """Reads inputs; gives their outcomes, and the seconds and bytes that the worst one took."""
    outcomes: Counter[str] = Counter()
    seconds = [0.0]
    memory = [0]
    with tempfile.TemporaryDirectory(prefix="fuzz_") as work:

        @seed(number)
        @settings(
            max_examples=inputs,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(INPUTS[target])
        def one(content: Any) -> None:
            folder = fresh_folder(Path(work))
            start = time.process_time()
            outcome, taken = ends_well(lambda: read(target, content, folder))
            memory.append(taken)
            seconds.append(time.process_time() - start)
            assert_nothing_outside(Path(work))
            outcomes[outcome] += 1

        one()
    return outcomes, max(seconds), max(memory)


def main() -> int:
    """Runs all targets; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--targets", nargs="*", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    # Far above the promise, so that what breaks it breaks nothing else on this machine.
    resource.setrlimit(resource.RLIMIT_AS, (6 * 10**9, resource.RLIM_INFINITY))
    print(f"seed {options.seed}")
    print("| input | count | read | refused | slowest, s | memory, MB |\n|---|---|---|---|---|---|")
    together = 0
    for target in options.targets:
        inputs = round(options.inputs * SHARES[target])
        outcomes, slowest, memory = fuzz(target, inputs, options.seed)
        together += outcomes.total()
        print(
            f"| {target} | {outcomes.total()} | {outcomes['read']} | {outcomes['refused']} | "
            f"{slowest:.1f} | {memory / 1e6:.0f} |",
            flush=True,
        )
    print(f"{together} inputs, no promise broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
