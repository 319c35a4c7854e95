"""All benchmarks, the quick form: `make bench`, or `python -m benchmarks`. Minutes."""

import importlib.util
import subprocess
import sys

BENCHMARKS = (
    "startup", "prepare", "input_pipeline", "end_to_end", "train_step", "inference", "kernels",
    "litert", "video", "live",
)  # fmt: skip
COMPARED = ("train_step", "inference")


def main() -> None:
    """The command; other words go to the comparing benchmarks."""
    others = ["stock"]
    if importlib.util.find_spec("segmentation_models_pytorch"):
        others.append("smp")
    else:
        print('without segmentation_models.pytorch: pip install ".[bench]" adds it')
    for name in BENCHMARKS:
        words = ["--vs", *others] if name in COMPARED else []
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--quick", *words], check=True)


if __name__ == "__main__":
    main()
