"""`evaluate --calibrate`: how a run's probabilities become masks, measured on its own photos."""

import dataclasses
import os
from collections.abc import Iterable
from itertools import tee
from typing import Any

import numpy as np
from roboflow_segmentation import Builder

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
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.report.calibration_page import write_calibration_page
from tf_muscle.report.plots import SPLIT_COLORS, reliability_diagram
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.roboflow.records import VOID
from tf_muscle.runs.assignment import Assignment, read_assignment
from tf_muscle.runs.calibration import Calibration, Tta
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_data, find_run, read_options, write_json

PHOTOS = 200  # of the validation split, spread evenly over it; their probabilities are in memory
TTA: tuple[Tta, ...] = ("mirror", "mirror_scale")  # tried against none

Photos = Iterable[tuple[np.ndarray, np.ndarray]]  # uint8 [H, W, 3] and masks, uint8 [H, W]


def calibrate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    batch_size: int = 16,
) -> Calibration:
    """Chooses the settings of prediction on the validation photos and scores them on the test's.

    Written are calibration.md, calibration.png and, last, calibration.json, in the run's folder.

    Args:
        run: a finished run: its `RunFolder`, its path, or its name in runs/.
        data: where the run's export lies now, if it was moved.
        batch_size: photos at a time; it does not change the result.

    Returns:
        The calibration.

    Raises:
        UserError: there is no such run, it is not finished or calibrated already, its export is
            gone or another one, or the validation photos have no muscle in their masks.
    """
    run = find_run(run)
    if run.fold_runs:
        raise UserError(
            f"{run.path} has folds, and their mean has no photos of its own to be calibrated on: "
            f"calibrate one of them, such as {run.fold_runs[0].path}"
        )
    if run.calibration.exists():
        raise UserError(
            f"{run.calibration} exists and is never overwritten: move it away to calibrate again"
        )
    predictor = load_predictor(run, batch_size=batch_size, calibrated=False)
    assignment = read_assignment(run)
    builder, place = _own_export(run, data, assignment)
    environment = read_environment(run)

    every = -(-len(load_names(builder, "valid", assignment)) // PHOTOS)
    masks = []
    for _, mask in load_photos(builder, "valid", every, assignment):
        box = predictor.geometry.box(*mask.shape)
        masks.append(predictor.geometry.fit_mask(mask)[box.content])
    if not any(((mask > 0) & (mask != VOID)).any() for mask in masks):
        raise UserError(
            f"the validation photos of {place} have no muscle in their masks, so nothing can be "
            "calibrated on them: annotate some and train again"
        )

    def predicted(settings: Predictor) -> list[np.ndarray]:
        photos = (image for image, _ in load_photos(builder, "valid", every, assignment))
        return list(settings.stream(photos, in_square=True))

    plain = predicted(predictor)
    temperature = fit_temperature(plain, masks)

    def settings(calibration: Calibration) -> Predictor:
        return dataclasses.replace(
            predictor,
            forward=lambda images: tempered(predictor.forward(images), temperature),
            calibration=calibration,
        )

    by_tta: dict[Tta, list[np.ndarray]] = {"none": [tempered(one, temperature) for one in plain]}
    by_tta |= {kind: predicted(settings(Calibration(temperature, kind))) for kind in TTA}
    calibration, steps = choose(by_tta, masks, temperature)

    scores: dict[str, dict[str, dict[str, Any]]] = {}
    curves: dict[str, Reliability] = {}
    for split in ("valid", "test"):
        scores[split] = {}
        for when, marker in (("before", predictor), ("after", settings(calibration))):
            record, curves[f"{split} {when}"] = _scored(
                marker, load_photos(builder, split, assignment=assignment)
            )
            scores[split][when] = record
    figure = run.calibration.with_suffix(".png")
    with replacing(figure) as unfinished:
        reliability_diagram(
            {when: curves[f"test {when}"] for when in ("before", "after")},
            {"before": SPLIT_COLORS["train"], "after": SPLIT_COLORS["test"]},
            unfinished,
            synthetic=environment.synthetic,
        )
    write_calibration_page(
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
        "data": place,
        "fingerprint": environment.info.fingerprint,
        "split": "valid",
        "image_count": len(masks),
    }
    record = calibration.to_json(predictor.class_names) | {
        "chosen_on": chosen_on,
        "steps": {name: dataclasses.asdict(step) for name, step in steps.items()},
        "scores": scores,
    }
    write_json(run.calibration, record)
    _tell(run, calibration, scores, predictor.class_names, len(masks))
    return calibration


def _own_export(
    run: RunFolder, data: str | os.PathLike[str] | None, assignment: Assignment | None
) -> tuple[Builder, str]:
    """The export that the run was trained on, divided as then, and where it lies."""
    reading = from_options(read_options(run)).data
    again = f"python -m tf_muscle.evaluate {run.path} --calibrate"
    place = os.fspath(data) if data else find_data(reading.data, again)
    if fingerprint(export_path(place)) != read_environment(run).info.fingerprint:
        raise UserError(
            f"--data {place} is not the export that {run.path} was trained on, or has changed "
            "since then: give that one, whose validation photos the run has not been trained on"
        )
    return load_divided(dataclasses.replace(reading, data=place), assignment), place


def _scored(predictor: Predictor, photos: Photos) -> tuple[dict[str, Any], Reliability]:
    """Scores and reliability of photos at their own sizes, as `predict` marks them."""
    ours, seen = tee(photos)
    confusions, reliabilities = [], []
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


def _tell(
    run: RunFolder,
    calibration: Calibration,
    scores: dict[str, dict[str, dict[str, Any]]],
    class_names: tuple[str, ...],
    photo_count: int,
) -> None:
    print(f"chosen on {photo_count} validation photos: {calibration.described(class_names)}")
    before, after = (scores["test"][when] for when in ("before", "after"))
    name = "foreground_mean_iou"
    print(f"test photos, foreground mIoU: {before[name]:.3f} to {after[name]:.3f}")
    errors = [one["calibration_error"]["foreground"] for one in (before, after)]
    told = " to ".join("none" if error is None else f"{error:.3f}" for error in errors)
    print(f"test photos, calibration error of pixels marked as a muscle: {told}")
    print(
        f"an export that is to have it is written anew by python -m tf_muscle.export {run.path} "
        f"--name {run.path.resolve().name}-calibrated"
    )
