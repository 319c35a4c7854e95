"""What do photos without masks give? A few labelled photos alone, and with the others beside them.

Command: python -m benchmarks.unlabeled_photos EXPORT --labeled 40 --seeds 0 1 2 [options of train]

Of the training photos of an export with masks as PNG, as many as --labeled keep their masks; the
seed draws them. The model is trained on these alone, then on these with all others by --unlabeled,
in equally many steps. Other words are options of python -m tf_muscle.train, over
configs/sample.yaml. An epoch is as long as the few photos, which --epochs has to make up for.
"""

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.command import DEFAULT_PRESET, config_parser, parse_over_preset, run_command
from tf_muscle.errors import UserError

ALONE, BESIDE = "labelled alone", "with the others"


def with_few_labels(export: Path, count: int, seed: int, folder: Path) -> tuple[Path, Path]:
    """Copies an export and takes the masks of most training photos away.

    Args:
        export: a folder with train/, valid/ and test/, masks beside the photos.
        count: training photos that keep their masks.
        seed: draws them.
        folder: to write into.

    Returns:
        The export with `count` training photos, and the folder of the other photos.

    Raises:
        UserError: it is no such export, or has too few photos.
    """
    masks = sorted((export / "train").glob("*_mask.png"))
    if len(masks) <= count:
        raise UserError(
            f"{export} has {len(masks)} training photos with a _mask.png: give a folder of "
            f"Semantic Segmentation Masks with more than --labeled, {count}"
        )
    few, others = folder / "export", folder / "others"
    shutil.copytree(export, few)
    others.mkdir()
    for mask in random.Random(seed).sample(masks, len(masks) - count):
        stem = mask.name.removesuffix("_mask.png")
        (photo,) = (path for path in (few / "train").iterdir() if path.stem == stem)
        photo.rename(others / photo.name)
        (few / "train" / mask.name).unlink()
    return few, others


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("export", type=Path)
    parser.add_argument("--labeled", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", help="JSON file; by default in runs/benchmarks")
    options, words = parser.parse_known_args(argv)
    runs = Path(f"runs/benchmarks/unlabeled_photos-{datetime.now():%Y%m%d-%H%M%S}")
    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            few, others = with_few_labels(options.export, options.labeled, seed, Path(folder))
            words_of_both = [*words, "--data", str(few), "--seed", str(seed)]
            for name, more in ((ALONE, []), (BESIDE, ["--unlabeled", str(others)])):
                rows.append(trained(name, seed, [*words_of_both, *more], runs, Path(folder)))
        print_table("Test photos", rows)
    gains = [
        its["test_foreground_mean_iou"] - alone["test_foreground_mean_iou"]
        for alone, its in zip(rows[::2], rows[1::2], strict=True)
    ]
    spread = f", standard deviation {statistics.stdev(gains):.3f}" if len(gains) > 1 else ""
    print(f"difference: {statistics.mean(gains):+.3f} on average{spread}")
    save(options.out, "unlabeled_photos", rows, options=words)
    return 0


def trained(name: str, seed: int, words: Sequence[str], runs: Path, folder: Path) -> dict[str, Any]:
    """Trains one model; its row of the table."""
    from tf_muscle.config import from_options
    from tf_muscle.training.start import train

    places = {"runs_dir": runs, "saved_models_dir": folder / "saved", "data_dir": folder / "tfds"}
    more = [str(word) for key, value in places.items() for word in (f"--{key}", value)]
    config = from_options(
        parse_over_preset(config_parser("train", ""), [*words, *more], DEFAULT_PRESET)
    )
    started = time.time()
    run = train(config, f"{name.replace(' ', '_')}_{seed}")
    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    scores = {
        f"{split}_foreground_mean_iou": metrics[split]["foreground_mean_iou"]
        for split in ("valid", "test")
    }
    return {"seed": seed, "trained on": name, **scores, "minutes": (time.time() - started) / 60}


if __name__ == "__main__":
    raise SystemExit(run_command(main))
