"""`train --unlabeled`: which photos are taken, and that a run with them can be killed."""

import csv
import hashlib
import json
import shutil
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from tf_muscle.config import Config
from tf_muscle.data.dataset import load_data
from tf_muscle.errors import UserError
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.unlabeled import UnlabeledPhoto, read_unlabeled
from tf_muscle.training import callbacks
from tf_muscle.training.start import resume, train
from tf_muscle.training.unlabeled import Pool, load_pool

SAMPLE = Path(__file__).parents[2] / "datasets" / "sample_gym" / "train"
NEW = sorted(SAMPLE.glob("*.jpg"))[40:45]  # none of them is in the small export
SIZE = 40


@pytest.fixture
def pool_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    folder.mkdir()
    return folder


def config(export: Path, places: tuple[Path, Path], *sources: Path, **more: object) -> Config:
    options: dict[str, object] = {
        "data": str(export), "data_dir": str(places[1]), "image_size": SIZE, "resize": "pad",
        "allow_leakage": True, "unlabeled": [str(source) for source in sources],
    }  # fmt: skip
    return Config.of(**options | more)


def gathered(chosen: Config) -> Pool:
    return load_pool(chosen, load_data(chosen.data), None, None)


def saved_again(photo: Path, path: Path, *, mirrored: bool = False) -> Path:
    """A near-copy: smaller, other bytes, perhaps a mirror image."""
    with Image.open(photo) as image:
        copy = ImageOps.mirror(image) if mirrored else image
        copy.resize((image.width * 3 // 4, image.height * 3 // 4)).save(path, quality=60)
    return path


def film(path: Path, pictures: list[Path]) -> Path:
    """Each picture for a second, at ten frames a second."""
    writer = VideoWriter(path, Fraction(10))
    for number in range(10 * len(pictures)):
        with Image.open(pictures[number // 10]) as image:
            writer.add(Frame(number / 10, np.asarray(image.convert("RGB"))))
    writer.close()
    return path


def test_what_is_taken_and_what_is_left_out(
    small_export: Path, places: tuple[Path, Path], pool_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    first = Path(shutil.copy(NEW[0], pool_folder / "a.jpg"))
    saved_again(NEW[0], pool_folder / "b.jpg", mirrored=True)
    trained = sorted((small_export / "train").glob("*.jpg"))[3]
    saved_again(trained, pool_folder / "c.jpg")
    Image.new("RGB", (80, 60), (90, 90, 90)).save(pool_folder / "d.png")
    (pool_folder / "e.jpg").write_bytes(first.read_bytes()[:500])
    (pool_folder / "notes.txt").write_text("no photo")
    video = film(pool_folder / "film.mp4", [NEW[1], NEW[2], NEW[0]])
    pool = gathered(config(small_export, places, pool_folder))

    with Image.open(NEW[0]) as image:
        width, height = image.size
    assert pool.record.photos == (
        UnlabeledPhoto(str(first), height, width),
        UnlabeledPhoto(f"{video} at 0.00 s", height, width),
        UnlabeledPhoto(f"{video} at 1.00 s", height, width),
    )
    left_out = {Path(one.name).name: (one.reason, one.detail) for one in pool.record.left_out}
    broken = left_out.pop("e.jpg")
    assert broken[0] == "cannot be read"
    assert left_out == {
        "b.jpg": ("like another one", str(first)),
        "c.jpg": ("like a training photo", f"train/{trained.name}"),
        "d.png": ("one colour", "looks like every other such photo"),
        "film.mp4 at 2.00 s": ("like another one", str(first)),
    }
    told = capsys.readouterr()
    assert f"skipped: {pool_folder / 'e.jpg'} cannot be read" in told.err
    assert "passed over: 1 .txt" in told.out
    assert "learned from, too: 3. Left out: 2 like another one; 1 like a training" in told.out

    images, around = pool.photos.read(np.array([0]))
    with Image.open(first) as image:
        fitted = pool.photos.geometry.fit(np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(images[0], fitted)
    np.testing.assert_array_equal(
        around[0], pool.photos.geometry.fit_mask(np.zeros((height, width), np.uint8))
    )
    pixels = pool.photos.path.read_bytes()
    assert len(pixels) == 3 * SIZE * SIZE * 3
    assert pool.record.fingerprint == hashlib.sha256(pixels).hexdigest()


def test_frames_at_the_stated_step(
    small_export: Path, places: tuple[Path, Path], tmp_path: Path
) -> None:
    video = film(tmp_path / "film.mp4", NEW[:4])
    pool = gathered(config(small_export, places, video, frame_step=2.0))
    assert [one.name for one in pool.record.photos] == [
        f"{video} at 0.00 s", f"{video} at 2.00 s",
    ]  # fmt: skip
    assert not pool.record.left_out


@pytest.mark.parametrize("split", ["valid", "test"])
def test_photos_of_valid_and_test_are_refused(
    split: str, small_export: Path, places: tuple[Path, Path], pool_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(NEW[0], pool_folder)
    held_out = sorted((small_export / split).glob("*.jpg"))
    video = film(tmp_path / "film.mp4", [held_out[1], NEW[1]])
    saved_again(held_out[0], pool_folder / "copy.jpg", mirrored=True)
    chosen = config(small_export, places, pool_folder, video, runs_dir=str(tmp_path / "runs"))
    with pytest.raises(UserError) as told:
        train(chosen, "leaks")
    assert "gives 2 of the photos that this run is scored on" in str(told.value)
    assert f"copy.jpg, which looks like {split}/{held_out[0].name}" in str(told.value)
    assert not (tmp_path / "runs").exists()


def test_sources_without_photos_are_refused(
    small_export: Path, places: tuple[Path, Path], pool_folder: Path
) -> None:
    with pytest.raises(UserError, match="7 is a camera"):
        gathered(config(small_export, places, Path("7")))
    with pytest.raises(UserError, match="does not exist"):
        gathered(config(small_export, places, pool_folder / "none.jpg"))
    trained = small_export / "train"
    with pytest.raises(UserError, match=r"leaves no photo to learn from \(12 like a training"):
        gathered(config(small_export, places, trained))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(
    small_export: Path, places: tuple[Path, Path], pool_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The second one has its steps timed, too, and its sources are gone when it goes on."""
    for photo in NEW:
        shutil.copy(photo, pool_folder)
    trained = {
        "batch_size": 4, "unlabeled_batch": 4, "epochs": 2, "encoder": "resnet18",
        "encoder_weights": "none", "precision": "float32", "runs_dir": str(tmp_path / "runs"),
        "saved_models_dir": str(tmp_path / "saved"),
    }  # fmt: skip
    chosen = config(small_export, places, pool_folder, **trained)
    straight = train(chosen, "straight")

    def kill(self: keras.callbacks.Callback, epoch: int, logs: object = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.SyncedCSVLogger, "on_epoch_begin", kill)
        with pytest.raises(KeyboardInterrupt):
            train(config(small_export, places, pool_folder, minutes=600.0, **trained), "killed")
    run = RunFolder(tmp_path / "runs" / "killed")
    assert run.unlabeled_photos.is_file()
    moved = pool_folder.rename(tmp_path / "moved")
    before = run.unlabeled_photos.read_bytes()
    run.unlabeled_photos.write_bytes(before[:-1])  # not as it was: the sources are read again
    with pytest.raises(UserError, match="does not exist"):
        resume(run)
    run.unlabeled_photos.write_bytes(before)
    (moved / NEW[0].name).unlink()  # nobody asks for it
    resume(run)

    histories = []
    for one in (straight, run):
        with one.history.open(newline="") as file:
            histories.append(list(csv.DictReader(file)))
    for ours, expected in zip(*histories, strict=True):
        for column in ("loss", "val_loss", "val_mean_iou"):
            assert float(ours[column]) == pytest.approx(float(expected[column]), rel=1e-3)
    models = (keras.saving.load_model(one.model).get_weights() for one in (straight, run))
    for ours, expected in zip(*models, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-2, atol=1e-4)

    manifest = json.loads(run.manifest.read_text())
    record = read_unlabeled(run)
    assert manifest["unlabeled"] == {
        "sources": [str(pool_folder)], "count": 5, "left_out": {},
        "fingerprint": hashlib.sha256(before).hexdigest(),
    }  # fmt: skip
    assert [Path(one.name).name for one in record.photos] == [one.name for one in NEW]
    assert "unlabeled.json" in manifest["outputs"]
    assert read_environment(run).unlabeled is not None
    assert "Photos without masks that it has learned from, too: 5." in run.report.read_text()
    assert not run.checkpoints.exists()
