"""`evaluate --calibrate`: how a run's probabilities become masks, measured on its own photos."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, tee
from typing import Any

import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.config import from_options
from tf_muscle.data.marking import tempered
from tf_muscle.data.pipeline import load_names, load_photos
from tf_muscle.data.prepare import load_divided
from tf_muscle.errors import UserError
from tf_muscle.model.calibrating import choose, fit_temperature
from tf_muscle.model.metrics import confusion_matrix
from tf_muscle.model.reliability import Reliability, reliability, total
from tf_muscle.model.score_records import summarize
from tf_muscle.options import DataConfig
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.report import calibration_page
from tf_muscle.report.plots import SPLIT_COLORS, reliability_diagram
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.roboflow.records import VOID
from tf_muscle.roboflow_segmentation import Builder
from tf_muscle.runs.assignment import Assignment, read_assignment
from tf_muscle.runs.calibration import Calibration, Tta
from tf_muscle.runs.encoder import HubEncoder, encoder_of
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import (
    RunFolder,
    find_data,
    find_run,
    read_options,
    refuse_other_export,
    write_json,
)
from tf_muscle.runs.folds import read_folds, trained_runs

PHOTOS = 200  # that decide, spread evenly; their probabilities are in memory
TTA: tuple[Tta, ...] = ("mirror", "mirror_scale")  # tried against none
ONE_SIZE: tuple[Tta, ...] = ("mirror",)  # of them, where the network takes photos of one size only


@dataclass(frozen=True)
class HeldOut:
    """A model and photos that it was not trained on, at their own sizes.

    Attributes:
        predictor: the plain model.
        builder: of the export, prepared.
        split: whose photos.
        assignment: which photos are in which split; None for the export's own division.
    """

    predictor: Predictor
    builder: Builder
    split: str
    assignment: Assignment | None

    def __len__(self) -> int:
        return len(load_names(self.builder, self.split, self.assignment))

    def photos(self, every: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each `every`-th photo, uint8 [H, W, 3], and its mask, uint8 [H, W]."""
        return load_photos(self.builder, self.split, every, self.assignment)

    def calibrated(self, calibration: Calibration) -> Predictor:
        """The model with the settings of a calibration."""
        forward = self.predictor.forward
        return dataclasses.replace(
            self.predictor,
            forward=lambda images: tempered(forward(images), calibration.temperature),
            calibration=calibration,
        )


def calibrate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    batch_size: int = 16,
) -> Calibration:
    """Chooses the settings of prediction on the validation photos and scores them on the test's.

    Those of a run with folds are chosen and scored on all photos, each as the model sees it that
    was not trained on it. Written are calibration.md, calibration.png and, last, calibration.json,
    in the run's folder.

    Args:
        run: a finished run: its `RunFolder`, its path, or its name in runs/.
        data: where the run's export lies now, if it was moved.
        batch_size: photos at a time; it does not change the result.

    Returns:
        The calibration.

    Raises:
        UserError: there is no such run, it is not finished or calibrated already, its export is
            gone or another one, or the photos that decide have no muscle in their masks.
    """
    run = find_run(run)
    if run.calibration.exists():
        raise UserError(
            f"{run.calibration} exists and is never overwritten: move it away to calibrate again"
        )
    reading = _own_export(run, data)
    deciding, scored = _held_out(run, reading, batch_size)
    predictor = deciding[0].predictor
    every = -(-sum(map(len, deciding)) // PHOTOS)
    masks = []
    for _, mask in chain.from_iterable(one.photos(every) for one in deciding):
        masks.append(predictor.geometry.seen_mask(mask))
    kind = "annotated" if run.fold_runs else "validation"
    if not any(((mask > 0) & (mask != VOID)).any() for mask in masks):
        raise UserError(
            f"the {kind} photos of {run.path} have no muscle in their masks, so nothing can be "
            "calibrated on them: annotate some and train again"
        )

    def predicted(calibration: Calibration) -> list[np.ndarray]:
        maps: list[np.ndarray] = []
        for one in deciding:
            photos = (image for image, _ in one.photos(every))
            maps += one.calibrated(calibration).stream(photos, in_square=True)
        return maps

    plain = predicted(Calibration())
    temperature = fit_temperature(plain, masks)
    by_tta: dict[Tta, list[np.ndarray]] = {"none": [tempered(one, temperature) for one in plain]}
    tried = ONE_SIZE if _takes_one_size(run) else TTA
    by_tta |= {tta: predicted(Calibration(temperature, tta)) for tta in tried}
    calibration, steps = choose(by_tta, masks, temperature)

    scores: dict[str, dict[str, dict[str, Any]]] = {}
    curves: dict[str, Reliability] = {}
    for split, parts in scored.items():
        scores[split] = {}
        for when, settings in (("before", Calibration()), ("after", calibration)):
            record, curves[when] = _scored(parts, settings)
            scores[split][when] = record
    environment = read_environment(trained_runs(run)[0])
    figure = run.calibration.with_suffix(".png")
    with replacing(figure) as unfinished:
        reliability_diagram(
            curves,  # of what was scored last, the test photos or all
            {"before": SPLIT_COLORS["train"], "after": SPLIT_COLORS["test"]},
            unfinished,
            synthetic=environment.synthetic,
        )
    calibration_page.write_calibration_page(
        run.calibration.with_suffix(".md"),
        calibration,
        steps,
        scores,
        predictor.class_names,
        chosen_on=len(masks),
        figure=figure.name,
        synthetic=environment.synthetic,
    )
    chosen_on = {
        "data": reading.data,
        "fingerprint": environment.info.fingerprint,
        "split": next(iter(scored)),
        "image_count": len(masks),
    }
    record = calibration.to_json(predictor.class_names) | {
        "chosen_on": chosen_on,
        "steps": {name: dataclasses.asdict(step) for name, step in steps.items()},
        "scores": scores,
    }
    write_json(run.calibration, record)
    print(f"chosen on {len(masks)} {kind} photos: {calibration.described(predictor.class_names)}")
    split = list(scores)[-1]
    _tell(run, split, scores[split])
    return calibration


def _held_out(
    run: RunFolder, reading: DataConfig, batch_size: int
) -> tuple[list[HeldOut], dict[str, list[HeldOut]]]:
    """The photos that decide, and those that are scored: of each split, or of all folds."""
    trained = trained_runs(run)

    def held_out(one: RunFolder, split: str, assignment: Assignment | None) -> HeldOut:
        predictor = load_predictor(one, batch_size=batch_size, calibrated=False)
        return HeldOut(predictor, load_divided(reading, assignment), split, assignment)

    if run.fold_runs:
        folds = read_folds(run)
        parts = [
            held_out(one, "test", folds.assignment(number))
            for number, one in enumerate(trained, start=1)
        ]
        return parts, {"out_of_fold": parts}
    assignment = read_assignment(run)
    splits = {split: [held_out(run, split, assignment)] for split in ("valid", "test")}
    return splits["valid"], splits


def _takes_one_size(run: RunFolder) -> bool:
    name = from_options(read_options(run)).model.encoder
    encoder = encoder_of(trained_runs(run)[0], name)
    return isinstance(encoder, HubEncoder) and encoder.size is not None


def _own_export(run: RunFolder, data: str | os.PathLike[str] | None) -> DataConfig:
    """The export that the run was trained on, where it lies now, read as then."""
    reading = from_options(read_options(run)).data
    again = f"python -m tf_muscle.evaluate {run.path} --calibrate"
    place = os.fspath(data) if data else find_data(reading.data, again)
    then = read_environment(trained_runs(run)[0]).info.fingerprint
    refuse_other_export(run, place, fingerprint(export_path(place)), then)
    return dataclasses.replace(reading, data=place)


def _scored(
    parts: Iterable[HeldOut], calibration: Calibration
) -> tuple[dict[str, Any], Reliability]:
    """Scores and reliability of photos at their own sizes, as `predict` marks them."""
    confusions, reliabilities = [], []
    for part in parts:
        predictor = part.calibrated(calibration)
        ours, seen = tee(part.photos())
        predicted = predictor.stream(image for image, _ in seen)
        for (_, mask), probabilities in zip(ours, predicted, strict=True):
            class_ids = predictor.class_ids(probabilities)
            confusions.append(confusion_matrix(mask, class_ids, len(predictor.class_names)))
            reliabilities.append(reliability(mask, probabilities))
    record = summarize(np.stack(confusions), np.zeros(len(confusions)), predictor.class_names)
    curve = total(reliabilities)
    means = ("mean_iou", "foreground_mean_iou")
    kept = {name: record[name] for name in (*means, "iou")}
    kept["intervals"] = {name: record["intervals"][name] for name in means}
    return kept | {"calibration_error": curve.record(predictor.class_names)}, curve


def _tell(run: RunFolder, split: str, scores: Mapping[str, Mapping[str, Any]]) -> None:
    before, after = scores["before"], scores["after"]
    photos = f"{calibration_page.PHOTOS[split]} photos"
    name = "foreground_mean_iou"
    print(f"{photos}, foreground mIoU: {before[name]:.3f} to {after[name]:.3f}")
    errors = [one["calibration_error"]["foreground"] for one in (before, after)]
    told = " to ".join("none" if error is None else f"{error:.3f}" for error in errors)
    print(f"{photos}, calibration error of pixels marked as a muscle: {told}")
    print(
        f"to export the calibrated model, run python -m tf_muscle.export {run.path} "
        f"--name {run.path.resolve().name}-calibrated"
    )
