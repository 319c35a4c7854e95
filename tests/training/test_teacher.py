"""`train --distill` from the command line, at 32 pixels."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tf_muscle.command import run_command
from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.teacher import Teacher
from tf_muscle.train import main
from tf_muscle.training.start import resume, train
from tf_muscle.training.teacher import teacher_of


def options(export: Path, folder: Path, data_dir: Path, **more: object) -> dict[str, object]:
    return {
        "data": str(export), "data_dir": str(data_dir), "runs_dir": str(folder / "runs"),
        "saved_models_dir": str(folder / "saved_models"), "image_size": 40, "batch_size": 4,
        "encoder": "resnet18", "encoder_weights": "none", "precision": "float32", "epochs": 1,
        "decoder_filters": 16, "allow_leakage": True,
    } | more  # fmt: skip


@pytest.mark.slow
def test_a_run_learns_from_the_mean_of_folds_and_says_what_that_means(
    folds: RunFolder,
    small_export: Path,
    places: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = options(small_export, tmp_path, places[1], run_name="pupil", distill=str(folds.path))
    words = [str(word) for key, value in chosen.items() for word in (f"--{key}", value)]
    assert run_command(main, words) == 0
    run = RunFolder(tmp_path / "runs" / "pupil")
    teacher = read_environment(run).teacher
    assert teacher is not None
    # Each photo trains one of two folds, or chooses its epoch.
    assert teacher.seen is not None
    assert teacher.seen["test"] == 4
    assert teacher.digests == {
        f"fold_{number}/best.keras": hashlib.sha256(
            folds.fold_run(number).model.read_bytes()
        ).hexdigest()
        for number in (1, 2)
    }
    assert json.loads(run.manifest.read_text())["teacher"]["path"] == str(folds.path)
    assert teacher.warning is not None
    assert f"WARNING: {teacher.warning}" in capsys.readouterr().err
    assert teacher.warning in run.report.read_text()
    rows = run.history.read_text().splitlines()
    loss, val_loss = (
        float(dict(zip(rows[0].split(","), rows[1].split(","), strict=True))[name])
        for name in ("loss", "val_loss")
    )
    assert loss > 0
    assert val_loss > 0


@pytest.mark.slow
def test_a_resumed_run_needs_its_own_teacher(
    small: RunFolder, large: RunFolder, small_export: Path, places: tuple[Path, Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    teacher = Path(shutil.copytree(small.path, tmp_path / "teacher"))
    config = Config.of(**options(small_export, tmp_path, places[1], epochs=2, distill=str(teacher)))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tf_muscle.training.loop.fit_with_records", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, "pupil")
    run = RunFolder(tmp_path / "runs" / "pupil")
    shutil.copy(large.model, teacher / "best.keras")
    with pytest.raises(UserError, match=r"teacher is not the model that .*pupil was started with"):
        resume(run)
    shutil.copy(small.model, teacher / "best.keras")
    resume(run)
    assert run.manifest.is_file()
    found = read_environment(run).teacher
    # The teacher had the same split: it has seen nothing that this run holds out.
    assert found is not None
    assert found.seen == {"valid": 0, "test": 0}
    assert found.warning is None


def test_what_a_teacher_has_seen(
    small: RunFolder, folds: RunFolder, small_export: Path, places: tuple[Path, Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    def seen(teacher: Path, export: Path) -> dict[str, int] | None:
        config = Config.of(**options(export, tmp_path, places[1], distill=str(teacher)))
        return dict(found) if (found := teacher_of(config, None, None).seen) is not None else None

    assert seen(small.path, small_export) == {"valid": 0, "test": 0}
    # Another export of the same photos, the training photos now in test.
    turned = tmp_path / "turned"
    shutil.copytree(small_export, turned)
    (turned / "train").rename(turned / "t")
    (turned / "test").rename(turned / "train")
    (turned / "t").rename(turned / "test")
    assert seen(small.path, turned) == {"valid": 0, "test": 12}
    # A file alone tells nothing of its photos.
    assert seen(Path(shutil.copy(small.model, tmp_path / "alone.keras")), small_export) is None


def test_other_classes_are_refused(
    small: RunFolder, small_export: Path, places: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small.path, other)
    path = other / "environment.json"
    path.write_text(path.read_text().replace("calf", "thigh"))
    config = Config.of(**options(small_export, tmp_path, places[1], distill=str(other)))
    with pytest.raises(
        UserError, match=r"other has the classes .*thigh.*give a teacher with these"
    ):
        train(config, "pupil")
    assert not (tmp_path / "runs").exists()


def test_warning() -> None:
    assert Teacher("t", {}, {"valid": 0, "test": 0}).warning is None
    told = Teacher("runs/t", {}, {"valid": 3, "test": 20}).warning
    assert told is not None
    assert told.startswith("runs/t has seen photos that this run holds out (3 valid and 20 test)")
    assert "--data EXPORT" in told
    unknown = Teacher("t.keras", {}, None).warning
    assert unknown is not None
    assert unknown.startswith("it is not known which photos t.keras was trained on")
