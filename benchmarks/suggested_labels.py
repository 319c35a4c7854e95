"""Does `suggest` save labels? Rounds of suggested photos against rounds of random ones.

Command: python -m benchmarks.suggested_labels EXPORT [--seeds 0 1 2] [--candidates 2] [--quick]

The training photos of an export are the pool. Some of them at random are the start; each round adds
as many more as --count, once those that `suggest` chooses by the model of the round before, once
random ones. Each training is of the same preset and the same number of steps, its first weights by
the seed alone. The score is the foreground mIoU of the export's test photos after the last step.
Several --candidates are arms of their own: 1 takes the most uncertain photos, inf those that are
furthest apart. Other options go to the training.
"""

import csv
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.options import benchmark_parser
from benchmarks.rounds import save
from benchmarks.table import print_table
from tf_muscle.command import config_parser, parse_over_preset
from tf_muscle.config import Config, from_options
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.reader import read_export
from tf_muscle.roboflow.records import Example, Export
from tf_muscle.runs.assignment import Assignment

RECIPE = (
    *("--encoder", "efficientnet_lite0", "--encoder_weights", "imagenet"),
    *("--decoder_filters", "128", "--resize", "stretch", "--epochs", "1"),
)


@dataclass(frozen=True)
class Experiment:
    """What all trainings have in common.

    Attributes:
        export: the photos.
        config: options of the training.
        steps: of a training.
        folder: for the files of all of it.
    """

    export: Export
    config: Config
    steps: int
    folder: Path

    def train(self, photos: Sequence[Example], seed: int) -> tuple[float, Path]:
        """Trains on some photos; gives the test score and the model's file."""
        import keras

        from tf_muscle.data.augment import Augmenter
        from tf_muscle.data.dataset import load_data
        from tf_muscle.data.pipeline import training_batches
        from tf_muscle.exporting.packed import pack
        from tf_muscle.model.compiled import compiled_model
        from tf_muscle.model.unet import CORE, build_unet
        from tf_muscle.training.device import choose_precision, seed_everything
        from tf_muscle.training.evaluation import evaluate_model

        keras.backend.clear_session()
        data = load_data(self.config.data, self.assignment(photos))
        seed_everything(seed, deterministic=False)
        precision = choose_precision(self.config.run.precision).name
        model, _ = compiled_model(self.config, data, precision, self.steps)
        batches = training_batches(
            data.splits["train"],
            self.config.optimization.batch_size,
            seed,
            Augmenter(self.config.augment, seed),
        )
        model.fit(batches, steps_per_epoch=self.steps, shuffle=False, verbose=0)
        scored = evaluate_model(model, data.splits["test"], data.class_names, model.loss)
        saved = build_unet(
            len(data.class_names),
            encoder=self.config.model.encoder,
            decoder=self.config.model.decoder,
            decoder_filters=self.config.model.decoder_filters,
            fused=False,
        )
        saved.get_layer(CORE).set_weights(model.get_layer(CORE).get_weights())
        path = self.folder / "model.keras"
        saved.save(path)
        pack(path, data.class_names, data.geometry)
        return scored.record["foreground_mean_iou"], path

    def assignment(self, photos: Sequence[Example]) -> Assignment:
        """These photos to train on; validation and test are the export's own."""
        splits = {**self.export.splits, "train": photos}
        return Assignment(
            {
                split: [f"{split}/{one.file_name}" for one in examples]
                for split, examples in splits.items()
            },
            {split: class_pixels(self.export, examples) for split, examples in splits.items()},
        )

    def suggested(
        self, model: Path, labelled: Sequence[Example], count: int, candidates: float
    ) -> list[Example]:
        """What `suggest` chooses of the photos that are not labelled."""
        from tf_muscle.labelling.run_suggest import suggest_from_sources

        pool = [one for one in self.export.splits["train"] if one not in labelled]
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            place = Path(name)
            (place / "pool").mkdir()
            for one in pool:
                shutil.copy(one.image_path, place / "pool")
            copy_export(self.export, labelled, place / "labelled")
            suggest_from_sources(
                str(model),
                [str(place / "pool")],
                place / "out",
                count=count,
                data=str(place / "labelled"),
                candidates=candidates,
            )
            with (place / "out" / "suggested.csv").open(encoding="utf-8", newline="") as file:
                chosen = {Path(row["file"]).name for row in csv.DictReader(file)}
        return [one for one in pool if one.image_path.name in chosen]


def class_pixels(export: Export, examples: Sequence[Example]) -> list[int]:
    """Pixels of each class in the masks."""
    counts = np.zeros(256, np.int64)
    for one in examples:
        counts += np.bincount(read_mask(one).ravel(), minlength=256)
    return counts[: len(export.class_names)].tolist()


def copy_export(export: Export, examples: Sequence[Example], place: Path) -> None:
    """Copies some training photos with their masks."""
    train = export.root / "train"
    (place / "train").mkdir(parents=True)
    shutil.copy(train / "_classes.csv", place / "train")
    for one in examples:
        shutil.copy(one.image_path, place / "train")
        shutil.copy(one.mask, place / "train")


def curves(
    experiment: Experiment, seed: int, start: int, count: int, rounds: int, arms: Sequence[float]
) -> list[dict[str, Any]]:
    """Scores of all arms with one start."""
    pool = experiment.export.splits["train"]
    order = np.random.default_rng(seed).permutation(len(pool))
    first = [pool[i] for i in order[:start]]
    rows: list[dict[str, Any]] = []

    def score(arm: str, photos: Sequence[Example]) -> Path:
        foreground, model = experiment.train(photos, seed)
        rows.append(
            {"seed": seed, "arm": arm, "photos": len(photos), "foreground_miou": foreground}
        )
        print(f"seed {seed}, {arm}, {len(photos)} photos: {foreground:.4f}", flush=True)
        return model

    start_model = score("start", first).rename(experiment.folder / "start.keras")
    for candidates in arms:
        labelled, model = first, start_model
        for _ in range(rounds):
            labelled = labelled + experiment.suggested(model, labelled, count, candidates)
            model = score(f"suggest {candidates:g}", labelled)
    for number in range(1, rounds + 1):
        score("random", [pool[i] for i in order[: start + number * count]])
    score("all", pool)
    return rows


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, "one seed, one round, 30 steps")
    parser.add_argument("export", help="folder with train, valid and test; masks, not COCO")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--start", type=int, default=40, help="photos at random")
    parser.add_argument("--count", type=int, default=40, help="photos that a round adds")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    parser.add_argument("--candidates", nargs="+", type=float, default=[2.0])
    parser.add_argument("--config", default="configs/muscles.yaml")
    parser.add_argument("--image_size", type=int, default=64)
    options, more = parser.parse_known_args()
    if options.quick:
        options.seeds, options.rounds, options.steps = options.seeds[:1], 1, 30
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        words = [*RECIPE, "--image_size", str(options.image_size), "--data", options.export]
        words += ["--data_dir", folder, *more]
        parser = config_parser("train", "")
        config = from_options(parse_over_preset(parser, words, options.config))
        experiment = Experiment(read_export(options.export), config, options.steps, Path(folder))
        for seed in options.seeds:
            rows += curves(
                experiment,
                seed,
                options.start,
                options.count,
                options.rounds,
                options.candidates,
            )
    print_table("Foreground mIoU of the test photos", rows)
    found = defaultdict(list)
    for row in rows:
        found[row["arm"], row["photos"]].append(row["foreground_miou"])
    means = [
        {"arm": arm, "photos": photos, "seeds": len(scores), "mean": statistics.mean(scores)}
        for (arm, photos), scores in found.items()
    ]
    print_table("Means over the seeds", means)
    save(options.out, "suggested_labels", rows, means=means)


if __name__ == "__main__":
    main()
