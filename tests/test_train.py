import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import short_encoder
import yaml
from PIL import Image
from removed_options import UNUSED
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.evaluate import main as evaluate
from tf_muscle.export import main as export
from tf_muscle.train import main


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_that_the_readme_names(straight: Path) -> None:
    names = {path.name for path in straight.iterdir()}
    assert names == {
        "best.keras", "config.yaml", "environment.json", "figures", "history.csv", "metrics.json",
        "report.md", "run.json", "tensorboard",
    }  # fmt: skip
    assert len(list((straight / "figures").glob("*.png"))) == 6
    assert [int(row["epoch"]) for row in rows(straight)] == [0, 1, 2, 3]
    saved_model = straight.parents[1] / "saved_models" / "straight"
    assert {"README.md", "saved_model.pb"} <= {path.name for path in saved_model.iterdir()}


def test_the_resolved_options_are_saved_and_start_the_same_run(straight: Path) -> None:
    saved = yaml.safe_load((straight / "config.yaml").read_text())
    assert saved["epochs"] == 4
    assert saved["image_size"] == 32
    assert saved["schedule"] == "one_cycle"  # of the preset, not of the command line
    environment = json.loads((straight / "environment.json").read_text())
    assert environment["encoder_weights"] == "random"
    assert environment["data"]["class_names"] == ["background", "biceps", "triceps", "calf"]
    assert len(environment["data"]["fingerprint"]) == 16


def test_scores_are_those_of_the_saved_model(straight: Path, small_export: Path) -> None:
    import keras
    from sklearn.metrics import accuracy_score, jaccard_score

    model = keras.saving.load_model(straight / "best.keras")
    truths, predictions = [], []
    for path in sorted((small_export / "test").glob("*_mask.png")):
        photo = Image.open(path.with_name(path.name.replace("_mask.png", ".jpg")))
        # Pillow's bilinear filter is antialiased like the pipeline's, within rounding.
        image = np.array(photo.resize((32, 32), Image.Resampling.BILINEAR))
        truths.append(np.array(Image.open(path).resize((32, 32), Image.Resampling.NEAREST)))
        predictions.append(np.argmax(model.predict_on_batch(image[None])[0], axis=-1))
    truth, prediction = np.ravel(truths), np.ravel(predictions)
    record = json.loads((straight / "metrics.json").read_text())["test"]
    assert record["pixel_accuracy"] == pytest.approx(accuracy_score(truth, prediction), abs=0.01)
    expected = jaccard_score(truth, prediction, average="macro", zero_division=0.0)
    assert record["mean_iou"] == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_augmentation_on_the_device(small_export: Path, training_folder: Path) -> None:
    """The other backend trains to a complete run, on crops too."""
    words = small_run(
        small_export, training_folder, run_name="on_device", epochs=1, augment_backend="tensorflow",
        image_size=64, crop=32, shear=10.0, blur=1.0,
    )  # fmt: skip
    assert run_command(main, words) == 0
    assert (training_folder / "runs" / "on_device" / "metrics.json").is_file()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stood(
    small_export: Path, training_folder: Path, straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 in the middle of an epoch; the loss agrees with the straight run to 1e-3.

    Weights, optimizer, order and augmentation are restored exactly; what is left is the order in
    which the processor's threads add up. While it lives, nobody else goes on with it.
    """
    words = small_run(small_export, training_folder, run_name="killed", epochs=4)
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, short_encoder.__file__, *words],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    run = training_folder / "runs" / "killed"
    for line in process.stdout:
        if line.startswith("Epoch 3"):  # the third epoch runs now
            refused = run_command(main, ["--resume", str(run)])
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert refused == 2
    assert f"{run} is being trained by another process" in capsys.readouterr().err
    assert not (run / "run.json").exists()
    assert run_command(main, ["--resume", str(run)]) == 0
    resumed, expected = rows(run), rows(straight)
    assert [int(row["epoch"]) for row in resumed] == [0, 1, 2, 3]
    for column in ("loss", "val_loss", "learning_rate"):
        ours = [float(row[column]) for row in resumed]
        assert ours == pytest.approx([float(row[column]) for row in expected], rel=1e-3), column
    assert not {".lock", "checkpoints"} & {path.name for path in run.iterdir()}
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["resumed"] == ["nothing changed"]


def test_an_existing_run_is_refused_before_any_work(
    straight: Path, small_export: Path, training_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in straight.rglob("*")}
    started = time.time()
    assert run_command(main, small_run(small_export, training_folder, run_name="straight")) == 2
    assert time.time() - started < 5
    assert "is never overwritten" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in straight.rglob("*")} == before


def test_a_complete_run_is_not_resumed(straight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["--resume", str(straight)]) == 2
    assert "is complete" in capsys.readouterr().err


def test_resume_takes_no_other_option(straight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--resume", str(straight), "--epochs", "9"], ["--epochs", "9", "--resume", "x"]):
        assert run_command(main, words) == 2
        assert "give no other" in (error := capsys.readouterr().err)
        assert "got --epochs" in error
    for preset in (["--config", "unh_gym"], [f"--config={straight / 'config.yaml'}"]):
        assert run_command(main, ["--resume", str(straight), *preset]) == 2
        assert "got --config" in capsys.readouterr().err


def test_a_bad_export_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "empty"
    export.mkdir()
    work = tmp_path / "work"
    assert run_command(main, small_run(export, work, run_name="bad")) == 2
    assert capsys.readouterr().err.startswith("error: No export found")
    assert not work.exists()


def test_missing_encoder_weights_leave_no_run(
    small_export: Path, training_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = small_run(small_export, training_folder, run_name="bad", encoder_weights="nowhere.h5")
    assert run_command(main, words) == 2
    assert "nowhere.h5" in capsys.readouterr().err
    assert not (training_folder / "runs" / "bad").exists()


def test_preview_writes_a_sheet_and_trains_nothing(
    small_export: Path, training_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = small_run(small_export, training_folder, run_name="look")
    assert run_command(main, [*words, "--preview"]) == 0
    assert (
        "note: without --config the options are those of configs/sample" in capsys.readouterr().out
    )
    assert (training_folder / "runs" / "look-preview.png").stat().st_size > 10_000
    assert not (training_folder / "runs" / "look").exists()
    assert run_command(main, [*words, "--preview"]) == 2  # never overwritten


def test_a_run_is_not_resumed_on_other_photos(
    straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "changed"
    shutil.copytree(straight, run)
    (run / "run.json").unlink()
    environment = json.loads((run / "environment.json").read_text())
    environment["data"]["fingerprint"] = "0" * 16
    (run / "environment.json").write_text(json.dumps(environment))
    assert run_command(main, ["--resume", str(run)]) == 2
    assert "has changed since" in capsys.readouterr().err


def test_a_run_goes_on_with_its_export_in_another_place(
    straight: Path, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "moved"
    shutil.copytree(straight, run)
    (run / "run.json").unlink()  # as if it had been killed before the last step
    options = yaml.safe_load((run / "config.yaml").read_text())
    moved = options | UNUSED | {"data": str(tmp_path / "gone")}  # as an earlier version wrote it
    (run / "config.yaml").write_text(yaml.safe_dump(moved))
    assert run_command(main, ["--resume", str(run)]) == 2
    assert f"is gone: say where it was moved to by --resume {run} --data" in capsys.readouterr().err
    assert run_command(evaluate, [str(run)]) == 2
    assert f"tf_muscle.evaluate {run} --data" in capsys.readouterr().err
    assert run_command(export, [str(run)]) == 2
    assert f"tf_muscle.export {run} --data" in capsys.readouterr().err
    new = tmp_path / "new [place]"
    shutil.copytree(small_export, new)
    assert run_command(main, ["--resume", str(run), "--data", str(new)]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text()) == options | {"data": str(new)}
    assert json.loads((run / "run.json").read_text())["config"]["data"] == str(new)


def test_weights_of_nan_are_no_model(
    small_export: Path, training_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss of the only step of an epoch is finite, the weights after it are not."""
    words = small_run(
        small_export, training_folder, run_name="nan", epochs=2, batch_size=16, learning_rate=1e30
    )
    assert run_command(main, words) == 2
    told = capsys.readouterr()
    assert "Done" not in told.out
    assert "lower --learning_rate (it was 1e+30)" in told.err
    assert not (training_folder / "saved_models" / "nan").exists()
    assert not (training_folder / "runs" / "nan" / "best.keras").exists()


MIRRORED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tests, *words = sys.argv[1:]
sys.path.insert(0, tests)
import short_encoder
short_encoder.shorten()
from tf_muscle.train import main
from tf_muscle.training import device
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
device.strategy = lambda: mirrored
main(words)
"""


@pytest.mark.slow
def test_several_devices_share_the_work(
    small_export: Path, training_folder: Path, straight: Path
) -> None:
    """Two halves of the processor in place of two GPUs.

    Their batch normalizations see two photos instead of four, so the losses are alike, not equal;
    a loss that is not divided by the number of devices is twice as large.
    """
    words = small_run(small_export, training_folder, run_name="mirrored", epochs=2)
    tests = Path(short_encoder.__file__).parent
    subprocess.run([sys.executable, "-c", MIRRORED, str(tests), *words], check=True)
    run = training_folder / "runs" / "mirrored"
    assert (run / "report.md").is_file()
    losses = [float(row["loss"]) for row in rows(run)]
    assert losses == pytest.approx([float(row["loss"]) for row in rows(straight)[:2]], rel=0.4)
