"""Which model a camera's pictures are predicted by: the int8 LiteRT file, where there is one."""

from dataclasses import dataclass
from pathlib import Path

from tf_muscle.errors import UserError, install_command
from tf_muscle.prediction.litert_files import LitertFile, installed, read_litert
from tf_muscle.runs.calibration import Calibration, Tta, read_calibration
from tf_muscle.runs.folder import RunFolder, find_run

SAVED_MODELS = "saved_models"  # where `tf_muscle.export` writes by default
INT8 = "int8.tflite"


@dataclass(frozen=True)
class LiveModel:
    """The model for a camera.

    Attributes:
        model: path or name for `load_predictor`; None for the model in the package.
        told: which of two was taken and why, in a sentence; None where there is only one.
    """

    model: str | None
    told: str | None = None


def live_model(
    model: str | None,
    *,
    image_size: int | None = None,
    tta: Tta | None = None,
    calibrated: bool = True,
) -> LiveModel:
    """Chooses the int8 file that belongs to a run or a SavedModel, if it gives the same results.

    Args:
        model: see `load_predictor`. A .keras or .tflite file is taken as it is.
        image_size: that was asked for, see `load_predictor`.
        tta: likewise.
        calibrated: likewise.
    """
    if model is None:
        return LiveModel(None)
    path = Path(model)
    if path.suffix in (".keras", ".tflite"):
        return LiveModel(model)
    run: RunFolder | None = None
    if (path / "saved_model.pb").is_file():
        folder = path.resolve()
        file = folder.with_name(f"{folder.name}-litert") / INT8
    else:
        try:
            run = find_run(path)
        except UserError:  # `load_predictor` says it
            return LiveModel(model)
        name = run.path.resolve().name + ("-mean" if run.folds.is_file() else "")
        file = Path(SAVED_MODELS) / f"{name}-litert" / INT8
    if not file.is_file():
        return LiveModel(model)
    try:
        reason = _against(read_litert(file), run, image_size, tta, calibrated)
    except UserError as error:
        return LiveModel(model, f"without LiteRT: {error}")
    if reason:
        return LiveModel(model, f"without {file}: {reason}")
    return LiveModel(
        str(file),
        f"the camera is predicted by {file}, which is faster than {model}: to avoid it, give a "
        ".keras file or move that folder away",
    )


def _against(
    file: LitertFile,
    run: RunFolder | None,
    image_size: int | None,
    tta: Tta | None,
    calibrated: bool,
) -> str | None:
    """Why a file is not used; None if it is."""
    size = file.geometry.size
    if not installed():
        return f"it needs ai-edge-litert ({install_command('litert')})"
    if image_size not in (None, size):
        return f"it takes photos of {size}x{size} pixels only"
    if (tta or (file.calibration.tta if calibrated else "none")) == "mirror_scale":
        return "it takes photos of one size only, and --tta mirror_scale two"
    if run is None:
        return None
    again = f"export again by python -m tf_muscle.export {run.path} --formats litert --name NEW"
    if run.model.is_file() and file.path.stat().st_mtime < run.model.stat().st_mtime:
        return f"it is older than {run.model}; {again}"
    wanted = read_calibration(run.calibration, file.class_names) if calibrated else Calibration()
    if calibrated and wanted != file.calibration:
        return f"it was exported with another calibration than the run has now; {again}"
    if wanted.temperature != file.calibration.temperature:
        return "its temperature is inside it, and --no_calibration asks for none"
    return None
