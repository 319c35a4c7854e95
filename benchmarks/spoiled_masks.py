"""How many spoiled masks does `review` find? A tenth of the training masks is spoiled on purpose.

Command: python -m benchmarks.spoiled_masks EXPORT --folder DIR [--seeds 0 1 2] [--epochs 14]

EXPORT is "sample" or a folder of Semantic Segmentation Masks; it is copied, never changed. In a
tenth of its training photos a muscle is dropped, two classes are swapped or the mask is moved, in
all augmented copies of a photo alike, since a mistake is made before Roboflow copies it. A training
with folds follows, with the recipe of configs/sample.yaml, and a review of all photos. Printed is
the share of the spoiled masks in the first 20 percent of the list; a list in random order has 20
percent of them there.
"""

import argparse
import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.table import print_table
from tf_muscle.roboflow.archive import export_path
from tf_muscle.roboflow.split_folder import CLASS_LIST, source_name

SPOILED = 0.10  # of the training photos
LOOKED_AT = 0.20  # of the list
KINDS = ("drop", "swap", "move")
NEAREST, FARTHEST = 0.15, 0.35  # how far a mask is moved, in shares of its height and width


def spoil(mask: np.ndarray, kind: str, class_count: int, random: np.random.Generator) -> np.ndarray:
    """A mask with one mistake in it.

    Args:
        mask: class ids, uint8 [H, W], with a muscle in it.
        kind: "drop" leaves one muscle out; "swap" exchanges one with another class, which need not
            be in the mask; "move" shifts all, and what leaves the photo on one side is lost.
        class_count: K.
        random: makes the choices.
    """
    spoiled = mask.copy()
    muscle = random.choice(np.unique(mask[(mask > 0) & (mask < class_count)]))
    if kind == "drop":
        spoiled[mask == muscle] = 0
    elif kind == "swap":
        other = random.choice([one for one in range(1, class_count) if one != muscle])
        spoiled[mask == muscle], spoiled[mask == other] = other, muscle
    else:
        share = random.uniform(NEAREST, FARTHEST, 2) * random.choice([-1, 1], 2)
        down, right = (round(one * length) for one, length in zip(share, mask.shape, strict=True))
        kept = np.roll(mask, (down, right), (0, 1))
        kept[slice(down) if down > 0 else slice(down, None)] = 0
        kept[:, slice(right) if right > 0 else slice(right, None)] = 0
        spoiled = kept
    return spoiled


def spoil_export(export: Path, copy: Path, seed: int) -> dict[str, str]:
    """Copies an export and spoils masks of the copy.

    Returns:
        The kind by the name of each spoiled photo, "train/X.jpg".
    """
    shutil.copytree(export, copy)
    random = np.random.default_rng(seed)
    class_count = len((copy / "train" / CLASS_LIST).read_text().strip().splitlines()) - 1
    by_source = defaultdict(list)
    for path in sorted((copy / "train").glob("*_mask.png")):
        if np.asarray(Image.open(path)).any():
            by_source[source_name(path.name)].append(path)
    photo_count = len(list((copy / "train").glob("*_mask.png")))
    kinds: dict[str, str] = {}
    for number, source in enumerate(random.permutation(sorted(by_source))):
        if len(kinds) >= SPOILED * photo_count:
            break
        kind = KINDS[number % len(KINDS)]
        choices = random.integers(1 << 32)  # the same in each copy
        for path in by_source[source]:
            mask = np.asarray(Image.open(path))
            spoiled = spoil(mask, kind, class_count, np.random.default_rng(choices))
            if (spoiled == mask).all():
                continue
            Image.fromarray(spoiled).save(path)
            kinds[f"train/{path.name.removesuffix('_mask.png')}.jpg"] = kind
    return kinds


def found_first(table: Path, kinds: Mapping[str, str], photo_count: int) -> dict[str, float]:
    """The share of the spoiled photos that are among the first of the list, by kind and of all.

    Args:
        table: doubtful.csv; what is not in it comes behind it, and so never among the first.
        kinds: by the name of each spoiled photo.
        photo_count: of the list.
    """
    first = round(LOOKED_AT * photo_count)
    with table.open(newline="", encoding="utf-8") as file:
        looked_at = {row["photo"] for row in csv.DictReader(file) if int(row["rank"]) <= first}
    shares = {"all": float(np.mean([name in looked_at for name in kinds]))}
    for kind in KINDS:
        shares[kind] = float(np.mean([name in looked_at for name in kinds if kinds[name] == kind]))
    return shares


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", help='folder of an export of masks, or "sample"')
    parser.add_argument("--folder", type=Path, required=True, help="new, for copies and runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--config", default="sample", help="preset of the training")
    options = parser.parse_args()

    from tf_muscle.command import run_command
    from tf_muscle.labelling.review import review
    from tf_muscle.train import main as train

    options.folder.mkdir()
    rows = []
    for seed in options.seeds:
        copy = options.folder / f"spoiled_{seed}"
        kinds = spoil_export(export_path(options.export), copy, seed)
        (options.folder / f"spoiled_{seed}.json").write_text(json.dumps(kinds, indent=2))
        words = {
            "config": options.config,
            "data": copy,
            "folds": options.folds,
            "image_size": options.image_size,
            "epochs": options.epochs,
            "seed": seed,
            "run_name": copy.name,
        } | {name: options.folder / name for name in ("data_dir", "runs_dir", "saved_models_dir")}
        argv = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
        if run_command(train, argv):
            raise SystemExit(f"the training of seed {seed} failed")
        out = options.folder / f"review_{seed}"
        found = review(options.folder / "runs_dir" / copy.name, out)
        shares = found_first(out / "doubtful.csv", kinds, found.reviewed)
        rows.append({"seed": seed, "photos": found.reviewed, "spoiled": len(kinds), **shares})
    print_table(f"Spoiled masks in the first {LOOKED_AT:.0%} (random: {LOOKED_AT:.2f})", rows)


if __name__ == "__main__":
    main()
