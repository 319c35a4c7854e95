import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from predicting import NAMES, runner, save, table, write_video

from tf_muscle.errors import UserError
from tf_muscle.prediction import run_predict
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.smoothing import SMOOTH
from tf_muscle.roboflow.reader import read_export


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    return runner(monkeypatch, tmp_path, capsys)


def test_photos_of_one_name_keep_apart(command: Callable, tmp_path: Path) -> None:
    save(tmp_path / "a/x.png", slice(0, 6))
    save(tmp_path / "b/x.png", slice(0, 12))
    save(tmp_path / "b/x.bmp", slice(0, 18))
    code, _ = command("a", "b", "--out", "out")
    assert code == 0
    biceps = [row for row in table(tmp_path / "out") if row["muscle"] == "biceps"]
    assert [(row["file"], row["output"]) for row in biceps] == [
        ("a/x.png", "x"), ("b/x.bmp", "x_2"), ("b/x.png", "x_3"),
    ]  # fmt: skip
    for row, height in zip(biceps, (6, 18, 12), strict=True):
        assert float(row["area_share"]) == pytest.approx(height / 24)
        assert row["box_height"] == str(height)
        mask = np.asarray(Image.open(tmp_path / "out/train" / f"{row['output']}_mask.png"))
        assert (mask[:height] == 1).all()
        assert (mask[height:] == 0).all()
        assert (tmp_path / "out/overlays" / f"{row['output']}.jpg").exists()
    export = read_export(tmp_path / "out", allow_leakage=True)
    assert export.class_names == NAMES


def test_a_broken_file_is_skipped_and_the_exit_code_says_so(
    command: Callable, tmp_path: Path
) -> None:
    for i in range(5):
        save(tmp_path / f"photos/{i}.png")
    (tmp_path / "photos/2.png").write_bytes((tmp_path / "photos/1.png").read_bytes()[:60])
    (tmp_path / "photos/film.mp4").write_text("hello")
    code, output = command("photos", "--out", "out", "--batch_size", 2)
    assert code == 1
    assert "skipped: photos/2.png cannot be read as a photo" in output
    assert "skipped: photos/film.mp4" in output
    assert "2 of 6 sources could not be read" in output
    assert {row["file"] for row in table(tmp_path / "out")} == {
        f"photos/{i}.png" for i in (0, 1, 3, 4)
    }
    assert len(list((tmp_path / "out/overlays").iterdir())) == 4


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        ("overlay", {"overlays/x.jpg"}),
        ("mask", {"train/x.png", "train/x_mask.png", "train/_classes.csv"}),
        ("coco", {"train/x.png", "train/_annotations.coco.json"}),
        ("both", {"overlays/x.jpg", "train/x.png", "train/x_mask.png", "train/_classes.csv"}),
    ],
)
def test_formats(command: Callable, tmp_path: Path, output_format: str, expected: set[str]) -> None:
    save(tmp_path / "x.png")
    assert command("x.png", "--out", "out", "--format", output_format)[0] == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    found = {path.relative_to(tmp_path / "out").as_posix() for path in files}
    assert found == expected | {"predictions.csv"}


def test_a_video_gets_its_folder_and_its_frames_if_asked(command: Callable, tmp_path: Path) -> None:
    write_video(tmp_path / "curl.mp4")
    save(tmp_path / "curl.png")
    code, output = command(
        "curl.mp4", "curl.png", "--out", "out", "--format", "mask", "--smooth", 0
    )
    assert code == 0
    assert "curl.mp4: repetitions: biceps 1, calf 0" in output
    folder = tmp_path / "out/videos/curl_2"
    assert {path.name for path in folder.iterdir()} == {
        "overlay.mp4", "repetitions.csv", "timeline.csv", "timeline.png",
    }  # fmt: skip
    with (folder / "repetitions.csv").open(newline="") as file:
        (repetition,) = csv.DictReader(file)
    assert [repetition[name] for name in ("video", "person", "muscle", "side", "cut_off")] == [
        "curl.mp4", "1", "biceps", "", "end",
    ]  # fmt: skip
    assert float(repetition["start"]) == pytest.approx(0.6, abs=0.1)
    assert len(list(VideoFrames(folder / "overlay.mp4"))) == 12
    masks = sorted((tmp_path / "out/train").glob("curl_2_mp4-*_mask.png"))
    assert len(masks) == 12
    assert [int(np.asarray(Image.open(path)).max()) for path in masks[:7]] == [0] * 6 + [1]
    # Twelve neighbouring frames are cut by time, with gaps beside the cuts.
    splits = read_export(tmp_path / "out", allow_leakage=True).splits
    assert [len(splits[split]) for split in ("train", "valid", "test")] == [6, 2, 2]
    biceps = [row for row in table(tmp_path / "out") if row["muscle"] == "biceps"]
    assert [(row["file"], row["active"]) for row in biceps] == [
        ("curl.png", "yes"), ("curl.mp4", "yes"),
    ]  # fmt: skip


def test_one_person_is_counted_and_told(command: Callable, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "two.mp4", Fraction(20))
    for i in range(80):
        image = np.zeros((96, 192, 3), np.uint8)
        image[40:52, 20:32] = 255 * (i % 40 < 20)
        image[40:50, 160:170] = 255 * (i % 20 < 10)
        writer.add(Frame(i / 20, image))
    writer.close()
    words = ("two.mp4", "--smooth", 0)
    assert "biceps 2, calf 0; of person 1 of 2, the largest" in command(*words, "--out", "a")[1]
    code, output = command(*words, "--out", "b", "--person", 2)
    assert code == 0
    assert "biceps 4, calf 0; of person 2 of 2" in output
    with (tmp_path / "b/videos/two/repetitions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["person"], row["repetition"]) for row in rows] == [
        ("2", str(i + 1)) for i in range(4)
    ]


def test_what_is_passed_over_is_told(command: Callable, tmp_path: Path) -> None:
    save(tmp_path / "photos/x.png")
    (tmp_path / "photos/notes.txt").touch()
    (tmp_path / "photos/x_mask.png").touch()
    code, output = command("photos", "--out", "out")
    assert code == 0
    assert "passed over: 1 .txt, 1 X_mask.png" in output


def test_a_photo_too_long_for_a_jpeg_is_skipped(command: Callable, tmp_path: Path) -> None:
    """A JPEG has 65,535 pixels on a side, the legend with them."""
    Image.new("L", (66_000, 2)).save(tmp_path / "wide.png")
    Image.new("L", (2, 60_000)).save(tmp_path / "tall.gif")  # which no output keeps as it is
    code, output = command("wide.png", "tall.gif", "--out", "out", "--format", "both")
    assert code == 1
    assert "skipped: wide.png has 66000x2 pixels, more than 51,000,000 or more than" in output
    assert {row["output"] for row in table(tmp_path / "out")} == {"tall"}
    with Image.open(tmp_path / "out/overlays/tall.jpg") as overlay:
        assert overlay.height > 60_000


def test_an_animation_is_a_video(command: Callable, tmp_path: Path) -> None:
    frames = [Image.new("L", (32, 24), 255 * (i >= 3)) for i in range(6)]
    for suffix in ("gif", "webp"):
        frames[0].save(
            tmp_path / f"curl.{suffix}", save_all=True, append_images=frames[1:], duration=200
        )
    code, output = command("curl.gif", "curl.webp", "--out", "out", "--format", "coco")
    assert code == 0
    assert "curl.gif: repetitions: biceps 1, calf 0" in output
    for name, suffix in (("curl", "gif"), ("curl_2", "webp")):
        folder = tmp_path / "out/videos" / name
        times = [frame.seconds for frame in VideoFrames(folder / "overlay.mp4")]
        # Of equal frames, the encoders write one that lasts longer.
        assert times == pytest.approx([0, 0.6])
        assert (folder / "timeline.png").exists()
        assert len(list((tmp_path / "out/train").glob(f"{name}_{suffix}-*.jpg"))) == 2


def test_the_first_page_is_taken_and_told(command: Callable, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (32, 24), color) for color in ("white", "black")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    code, output = command("scan.tif", "--out", "out")
    assert code == 0
    assert "note: scan.tif holds several pictures, the first is taken" in output
    assert table(tmp_path / "out")[0]["area_share"].startswith("1")


def test_frames_of_long_names_keep_their_numbers(command: Callable, tmp_path: Path) -> None:
    write_video(tmp_path / ("x" * 230 + ".mp4"))
    assert command(".", "--out", "out", "--format", "mask")[0] == 0
    names = {path.name[-11:] for path in (tmp_path / "out/train").glob("*.jpg")}
    assert names == {f"-{i:06d}.jpg" for i in range(12)}


def test_how_masks_are_made_is_told(command: Callable, tmp_path: Path) -> None:
    save(tmp_path / "x.png")
    assert "masks by" not in command("x.png", "--out", "plain")[1]
    code, output = command("x.png", "--out", "out", "--tta", "--threshold", 0.25)
    assert code == 0
    told = "mean with the mirror image; thresholds biceps 0.25, calf 0.25"
    assert f"masks by temperature 1.00; {told}\n" in output
    code, output = command("x.png", "--out", "other", "--tta", "mirror_scale")
    assert "mean with the mirror image at two sizes\n" in output
    code, output = command("x.png", "--out", "wrong", "--tta", "yes")
    assert code == 2
    assert "mirror_scale" in output


def test_help_names_the_default_of_smoothing(command: Callable) -> None:
    code, output = command("--help")
    assert code == 0
    assert f"default: {SMOOTH})" in " ".join(output.split())


def test_nothing_is_overwritten(command: Callable, tmp_path: Path) -> None:
    save(tmp_path / "x.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    code, output = command("x.png", "--out", "out")
    assert code == 2
    assert "out exists and is never overwritten" in output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert command("x.png", "--out", "x.png")[0] == 2
    (tmp_path / "empty").mkdir()
    assert command("x.png", "--out", "empty")[0] == 0
    assert command("x.png")[0] == 0
    (default,) = (tmp_path / "predictions").iterdir()
    assert default.name.startswith("model-")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent.jpg"], "absent.jpg does not exist"),
        (["x.png", "--threshold", "1.5"], "--threshold must lie between"),
        (["x.png", "--batch_size", "0"], "--batch_size must be at least 1"),
        (["x.png", "--person", "0"], "--person must be at least 1"),
        (["x.png", "--smooth", "-1"], "--smooth must be at least 0"),
        (["x.png", "--image_size", "8"], "--image_size must be at least 32"),
        (["x.png", "--format", "gif"], "format"),
        ([], "nothing to predict on"),
    ],
)
def test_options_are_checked_before_any_work(
    command: Callable, tmp_path: Path, words: list[str], told: str
) -> None:
    save(tmp_path / "x.png")
    code, output = command(*words, "--out", "out") if words else command()
    assert code == 2
    assert told in output
    assert "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_the_first_word_may_be_a_model_or_a_source(tmp_path: Path) -> None:
    photo, run = save(tmp_path / "photos" / "a.png"), tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    assert run_predict.model_and_sources([str(run), str(photo)]) == (str(run), [str(photo)])
    assert run_predict.model_and_sources(["m.tflite", "0"]) == ("m.tflite", ["0"])
    for words in ([str(photo)], [str(photo.parent), str(photo)], ["0", str(photo)]):
        assert run_predict.model_and_sources(words) == (None, words)
    with pytest.raises(UserError, match=r"nothing to predict on.* after the model .*mine"):
        run_predict.model_and_sources([str(run)])
    with pytest.raises(UserError, match="runs/typo is no model"):
        run_predict.model_and_sources(["runs/typo", str(photo)])


def test_a_folder_called_as_a_run_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo, run = save(tmp_path / "curls" / "a.png"), Path("runs/curls")
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    for words in (["curls/"], ["curls", "squats"]):
        with pytest.raises(UserError, match="may be a source or the run runs/curls") as told:
            run_predict.model_and_sources(words)
        assert str(told.value).endswith(f"for the run, {photo.parent} for the source")
    assert run_predict.model_and_sources(["runs/curls", "curls"]) == ("runs/curls", ["curls"])
    words = [str(photo.parent), "curls"]
    assert run_predict.model_and_sources(words) == (None, words)
    photo.unlink()
    photo.parent.rmdir()
    assert run_predict.model_and_sources(["curls", "x.png"]) == ("curls", ["x.png"])
