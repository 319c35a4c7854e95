"""A finished run with the smallest network and random weights, in a second or two."""

import json
from pathlib import Path

import keras
import numpy as np
import yaml

from tf_muscle.data.prepare import load_builder
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.score_records import summarize
from tf_muscle.model.unet import CORE, HEAD, build_unet
from tf_muscle.options import DataConfig
from tf_muscle.runs.folder import RunFolder
from tf_muscle.training.divide import divide_into_folds, survey_photos


def tiny_run(
    path: Path, export: Path, data_dir: Path, *, size: int, seed: int = 0, decided: float = 0.0,
    decoder_filters: int = 16,
) -> RunFolder:  # fmt: skip
    """Makes a run whose network marks a part of each photo.

    Args:
        path: of its folder, to make.
        export: that it says it was trained on.
        data_dir: for the prepared photos.
        size: in pixels, of the photos.
        seed: of the weights.
        decided: how far the background's logit is above the others, in standard deviations: at 3,
            the class of nearly every pixel is clear, as a trained network's is.
        decoder_filters: of the decoder's first block.
    """
    run = RunFolder(path)
    run.path.mkdir(parents=True)
    data = DataConfig(data=str(export), allow_leakage=True, data_dir=str(data_dir))
    metadata = load_builder(data).info.metadata
    class_names = list(metadata["class_names"])
    keras.utils.set_random_seed(seed)
    model = build_unet(
        len(class_names), encoder="resnet18", decoder_filters=decoder_filters, fused=False
    )
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (4, size, size, 3), np.uint8)
    spread = float(np.array(model(noise)).std())
    model.get_layer(CORE).get_layer(HEAD).bias.assign([decided * spread, 0, 0, 0])
    model.save(run.model)
    options = {
        "data": str(export), "image_size": size, "resize": "pad", "aspect": 0.8, "split_seed": 0,
        "allow_leakage": True, "data_dir": str(data_dir), "encoder": "resnet18",
        "decoder": "transpose", "decoder_filters": decoder_filters,
    }  # fmt: skip
    run.config.write_text(yaml.safe_dump(options))
    environment = {
        "encoder_weights": "random",
        "loss": SegmentationLoss().get_config(),
        "data": {"name": export.name, "synthetic": True, **dict(metadata)},
    }
    run.environment.write_text(json.dumps(environment))
    confusions = random.integers(1, 100, (4, len(class_names), len(class_names)))
    record = summarize(confusions, np.ones(4), class_names)
    run.metrics.write_text(json.dumps(dict.fromkeys(("train", "valid", "test"), record)))
    return run


def tiny_folds(
    path: Path, export: Path, data_dir: Path, *, size: int, decided: float = 0.0
) -> RunFolder:
    """Makes a run of two folds, divided as `train --folds 2` does; arguments as of `tiny_run`."""
    run = RunFolder(path)
    data = DataConfig(data=str(export), folds=2, data_dir=str(data_dir))
    folds = divide_into_folds(survey_photos(data), data)
    for number in (1, 2):
        place = run.fold_run(number).path
        fold = tiny_run(place, export, data_dir, size=size, seed=number, decided=decided)
        options = yaml.safe_load(fold.config.read_text()) | {"folds": 2, "fold": number}
        fold.config.write_text(yaml.safe_dump(options))
        fold.split.write_text(json.dumps(folds.assignment(number).to_json()))
    run.config.write_text(yaml.safe_dump(options | {"fold": None}))
    run.folds.write_text(json.dumps(folds.to_json()))
    record = json.loads(fold.metrics.read_text())["test"]
    run.metrics.write_text(json.dumps({"out_of_fold": record}))
    return run
