"""Exports the model of a run: each format with a card, and compared with the Keras model."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np

from tf_muscle.atomic import UNFINISHED, replacing
from tf_muscle.config import from_options
from tf_muscle.data.geometry import Geometry, resolve
from tf_muscle.data.pipeline import as_arrays, load_split
from tf_muscle.data.prepare import load_divided, refuse_other_classes
from tf_muscle.errors import UserError, listed, refuse_missing
from tf_muscle.exporting import hub, litert, onnx, saved_model
from tf_muscle.exporting.agreement import Predict, compare, refuse_drop
from tf_muscle.exporting.inference import rebuild
from tf_muscle.exporting.packed import Packed, pack, unpack
from tf_muscle.exporting.tested import megabytes, tested_record, tested_section
from tf_muscle.model.ensemble import averaged, cost_sentence, load_networks
from tf_muscle.options import DataConfig
from tf_muscle.processor import this_processor
from tf_muscle.report.model_card import model_card
from tf_muscle.roboflow.archive import export_path, fingerprint
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.runs.assignment import Assignment, read_assignment
from tf_muscle.runs.calibration import Calibration, read_calibration
from tf_muscle.runs.encoder import encoder_of
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import (
    RunFolder,
    find_data,
    find_run,
    read_options,
    refuse_pattern,
    write_json,
)
from tf_muscle.runs.folds import trained_runs

Format = Literal["saved_model", "litert", "onnx"]
LitertType = Literal["float32", "float16", "dynamic", "int8"]
Precision = Literal["float32", "bfloat16"]
# What a format needs beside the project's own requirements: the extra of that name.
MODULES: dict[Format, tuple[str, ...]] = {
    "saved_model": (),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
}

TESTED = 200  # photos, one at a time; more would not change what an export is told to have lost


@dataclasses.dataclass(frozen=True)
class Photos:
    """Photos at the size of the training."""

    images: np.ndarray  # uint8 [N, S, S, 3], of the test split
    masks: np.ndarray  # uint8 [N, S, S], their true class ids
    calibration: np.ndarray  # uint8 [M, S, S, 3], of the training split


def export(
    run: str | os.PathLike[str],
    *,
    formats: Sequence[Format] = ("saved_model",),
    litert_types: Sequence[LitertType] = ("float32", "float16", "int8"),
    precision: Precision = "float32",
    data: str | None = None,
    saved_models_dir: str | os.PathLike[str] = "saved_models",
    name: str | None = None,
    calibrated: bool = True,
    push: str | None = None,
) -> list[Path]:
    """Exports the best model of a run, each format with a card and tested on the test photos.

    Args:
        run: a finished run: its `RunFolder`, its path, or its name in runs/. Of a run with folds,
            the mean of the folds' probabilities is exported as one model.
        formats: of "saved_model" (TensorFlow), "litert" (phones) and "onnx" (ONNX Runtime).
        litert_types: types of the weights of LiteRT files, a file each.
        precision: of the SavedModel's arithmetic.
        data: path of an export with the same classes to test and calibrate with; by default the
            run's own.
        saved_models_dir: path of the folder that the exports go into.
        name: of the export's folder there, followed by -litert or -onnx; by default the run's, of
            a run with folds followed by -mean.
        calibrated: bool, with the run's calibration.json, if there is one.
        push: "hf://USER/NAME", a repository of the Hugging Face Hub that also gets what is
            exported, best.keras, a card and the manifest; by default nothing is sent.

    Returns:
        The paths of the folders, in the order of `formats`.

    Raises:
        UserError: the run has no finished model, a folder exists, a package is missing, the photos
            cannot be read, a format lost more than `agreement.LIMITS` allow, or the Hub refuses
            what it is sent. Formats before that are written.

    Examples:
        >>> import tf_muscle
        >>> (folder,) = tf_muscle.export("runs/mine", formats=["saved_model"], name="again")
        >>> folder.as_posix()
        'saved_models/again'
        >>> (folder / "README.md").is_file()
        True
    """
    _refuse_unknown("formats", formats, get_args(Format))
    _refuse_unknown("litert_types", litert_types, get_args(LitertType))
    _refuse_unknown("precision", (precision,), get_args(Precision))
    run = find_run(run)
    folders = _new_folders(run, formats, Path(saved_models_dir), name)
    one, *others = trained_runs(run)
    if not run.metrics.is_file():
        raise UserError(f"{run.path} has no finished model: go on with it by --resume {run.path}")
    for form in formats:
        refuse_missing(f"--formats {form}", form, MODULES[form])
    if push is not None:
        hub.repository_of(push, "--push")
        hub.check_token(push)
        for trained in (one, *others):
            hub.refuse_other_model(trained)

    options = read_options(one)
    environment = read_environment(one)
    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    if others:
        metrics = {"test": metrics["out_of_fold"]}
        print(cost_sentence(1 + len(others)))
    class_names = environment.info.class_names
    calibration = Calibration()
    if calibrated:
        calibration = read_calibration(run.calibration, class_names)
    if calibration != Calibration():
        print(f"calibration: {calibration.described(class_names)}")
    source = dataclasses.replace(
        from_options(options).data,
        data=data or find_data(options["data"], f"python -m tf_muscle.export {run.path}"),
    )
    same = fingerprint(export_path(source.data)) == environment.info.fingerprint
    assignment = read_assignment(one) if same else None
    photos = _load_photos(source, class_names, assignment)
    networks = load_networks(run)
    model = averaged(networks)
    expected = np.argmax(model.predict(photos.images, batch_size=16, verbose=0), axis=-1)

    for form, folder in folders.items():
        with replacing(folder) as unfinished:
            types = (precision,) if form == "saved_model" else litert_types
            written = _write(
                form, types, unfinished, networks, one, class_names, calibration, photos
            )
            measured = {}
            for kind, (_, predict) in written.items():
                measured[kind] = compare(
                    predict, photos.images, photos.masks, expected, len(class_names)
                )
                refuse_drop(f"{form} in {kind}", kind, measured[kind])
            sizes = {kind: megabytes(path) for kind, (path, _) in written.items()}
            record = tested_record(
                form, measured, sizes, Path(source.data).name, str(this_processor())
            )
            write_json(unfinished / "export.json", record)
            shown = "float16" if "float16" in types else types[0]
            card = model_card(
                folder.name, options, environment, metrics, form, shown, len(networks), calibration
            )
            text = f"{card}\n{tested_section(record)}"
            (unfinished / "README.md").write_text(text, encoding="utf-8")
    if push is not None:
        with tempfile.TemporaryDirectory(prefix="tf_muscle_") as scratch:
            packed = Packed(class_names, Geometry.from_record(options))
            files = _hub_files(Path(scratch), run, model, packed, folders, calibration)
            card = model_card(push, options, environment, metrics, "hub", "", len(networks))
            files["README.md"].write_text(hub.FRONT_MATTER + card, encoding="utf-8")
            hub.push(push, files, f"{run.path.resolve().name}, of tf_muscle")
    return list(folders.values())


def _new_folders(
    run: RunFolder, formats: Sequence[Format], saved_models: Path, name: str | None
) -> dict[Format, Path]:
    """Names the folder of each format; none may exist."""
    # The SavedModels of the folds lie in a folder of the run's name.
    name = name or run.path.resolve().name + ("-mean" if run.folds.is_file() else "")
    if name.startswith(UNFINISHED):
        raise UserError(f"--name must not begin with {UNFINISHED}, which is cleared away")
    if "saved_model" in formats:
        refuse_pattern(name, "--name")
    endings = {"saved_model": "", "litert": "-litert", "onnx": "-onnx"}
    folders = {form: saved_models / f"{name}{endings[form]}" for form in formats}
    for folder in folders.values():
        if folder.exists():
            raise UserError(f"{folder} exists and is never overwritten: choose another --name")
    return folders


def _refuse_unknown(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    for one in given:
        if one not in known:
            raise UserError(f"--{option} must be of {listed(known)}, got {one}")


def _load_photos(
    data: DataConfig, class_names: Sequence[str], assignment: Assignment | None
) -> Photos:
    """Loads test photos of these classes, and training photos spread evenly over their split."""
    builder = load_divided(data, assignment)
    info = DataInfo.from_json(builder.info.metadata)
    refuse_other_classes(info.class_names, data.data, class_names)
    geometry = resolve(data, info)
    train = load_split(builder, "train", geometry, assignment)
    every = max(1, int(train.cardinality()) // litert.CALIBRATION_IMAGES)
    calibration, _, _ = as_arrays(train.shard(every, 0), litert.CALIBRATION_IMAGES)
    images, masks, _ = as_arrays(load_split(builder, "test", geometry, assignment), TESTED)
    return Photos(images, masks, calibration)


def _write(
    form: Format,
    types: Sequence[str],
    folder: Path,
    networks: Sequence[keras.Model],
    run: RunFolder,
    class_names: Sequence[str],
    calibration: Calibration,
    photos: Photos,
) -> dict[str, tuple[Path, Predict]]:
    """Writes one format into a folder: type of the weights -> what was written, and it loaded."""
    options = read_options(run)
    filters = options.get("decoder_filters", 256)  # runs from before it was an option
    network = encoder_of(run, options["encoder"]), options["decoder"], filters
    geometry = Geometry.from_record(options)
    if form == "saved_model":
        (precision,) = types
        if precision != "float32":
            networks = [rebuild(one, *network, precision=precision) for one in networks]
        saved_model.save(averaged(networks), class_names, geometry, folder, calibration)
        return {precision: (folder, saved_model.load(folder))}
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(class_names) + "\n", encoding="utf-8")
    if form == "onnx":
        onnx.save(averaged(networks), class_names, geometry, calibration, folder / "model.onnx")
        return {"float32": (folder / "model.onnx", onnx.load(folder / "model.onnx"))}
    fixed = averaged([rebuild(one, *network, image_size=geometry.size) for one in networks])
    written = {}
    files = litert.convert(fixed, types, photos.calibration, calibration.temperature)
    for kind, content in files.items():
        path = folder / f"{kind}.tflite"
        path.write_bytes(content)
        pack(path, class_names, geometry, calibration)
        written[kind] = (path, litert.load(path))
    return written


def _hub_files(
    scratch: Path,
    run: RunFolder,
    model: keras.Model,
    packed: Packed,
    folders: Mapping[Format, Path],
    calibration: Calibration,
) -> dict[str, Path]:
    """The files of a repository on the Hub by their names there; README.md is still to be written.

    Args:
        scratch: folder for what the run does not have.
        run: that is sent.
        model: its network, or the mean of its folds'.
        packed: what has to lie in the model's file.
        folders: what was exported.
        calibration: of the export.
    """
    one, *others = trained_runs(run)
    files = {"README.md": scratch / "README.md", hub.MODEL: one.model}
    if others or unpack(one.model) is None:  # runs from before it was packed in
        files[hub.MODEL] = scratch / hub.MODEL
        model.save(files[hub.MODEL])
        pack(files[hub.MODEL], packed.class_names, packed.geometry)
    for trained in (one, *others):
        files[f"{trained.path.name}/run.json" if others else "run.json"] = trained.manifest
    if calibration != Calibration():
        files["calibration.json"] = run.calibration
    for form, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files[f"{form}/{path.relative_to(folder).as_posix()}"] = path
    return files
