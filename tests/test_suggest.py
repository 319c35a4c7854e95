import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from light_model import light_of_three
from page_content import PageContent
from PIL import Image

from tf_muscle import suggest
from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.labelling import run_suggest
from tf_muscle.labelling.choosing import Labelled
from tf_muscle.labelling.labelled import LabelledPhotos
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.roboflow.reader import check_pixels, read_export, read_mask

NAMES = ("background", "biceps", "calf")


class Light:
    """A model whose features are the brightness of 16 parts of the photo."""

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = images.mean(axis=-1).reshape(len(images), 4, 8, 4, 8).mean(axis=(2, 4))
        return light_of_three(images)[None], parts.reshape(len(images), 1, 1, 16)


def use_light(model: str, batch_size: int) -> tuple[Light, Predictor]:
    return Light(), Predictor(light_of_three, NAMES, Geometry("pad", 32), batch_size)


def nothing_labelled(*args: object) -> LabelledPhotos:
    nothing = Labelled(np.empty((0, 1)), np.empty((0, 2, 4), np.uint64))
    return LabelledPhotos(nothing, (), "Nothing is labelled.")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command with a model that needs no training; gives exit code and output."""
    monkeypatch.setattr(run_suggest, "load_networks", use_light)
    monkeypatch.setattr(run_suggest, "look_at_labelled", nothing_labelled)
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        code = run_command(suggest.main, ["model", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def picture(seed: int) -> np.ndarray:
    """Light and dark patches that no other picture has."""
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    return np.repeat(np.kron(patches, np.ones((8, 8), np.uint8))[..., None], 3, axis=-1)


def save(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)
    return path


def write_video(path: Path, seeds: list[int], rate: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = VideoWriter(path, Fraction(rate))
    for number, seed in enumerate(seeds):
        writer.add(Frame(number / rate, picture(seed)))
    writer.close()
    return path


def table(out: Path) -> list[dict[str, str]]:
    with (out / "suggested.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("output_format", ["mask", "coco"])
def test_photos_and_frames_become_an_export(
    command: Callable, tmp_path: Path, output_format: str
) -> None:
    for seed in range(12):
        save(tmp_path / f"photos/{seed}.png", seed)
    write_video(tmp_path / "curl.mp4", list(range(100, 108)))
    code, output = command(
        "photos", "curl.mp4", "--count", 14, "--out", "out", "--format", output_format
    )
    assert code == 0
    assert "20 pictures were looked at" in output
    rows = table(tmp_path / "out")
    assert [int(row["rank"]) for row in rows] == list(range(1, 15))
    assert {row["seconds"] for row in rows if row["frame"] == "4"} <= {"2.00"}
    export = read_export(tmp_path / "out", allow_leakage=True)
    check_pixels(export)
    assert export.class_names == NAMES
    examples = {
        Path(example.file_name).stem: example
        for examples in export.splits.values()
        for example in examples
    }
    named = {row["output"]: row for row in rows}
    assert set(examples) <= set(named)  # some frames are held out beside others
    assert len(list((tmp_path / "out/train").glob("*.[jp][pn]g"))) >= 14
    for name, example in examples.items():
        with Image.open(example.image_path) as stored:
            truth = light_of_three(np.asarray(stored.convert("RGB"))).argmax(axis=-1)
        agreement = np.mean(read_mask(example) == truth)
        assert agreement > 0.8, name  # the network sees the half of 64 pixels
        row = named[name]
        assert float(row["biceps area_share"]) == pytest.approx((truth == 1).mean(), abs=0.1)


def test_a_broken_file_and_a_video_of_one_frame(command: Callable, tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / f"photos/{seed}.png", seed)
    (tmp_path / "photos/2.png").write_bytes((tmp_path / "photos/1.png").read_bytes()[:60])
    (tmp_path / "photos/film.mp4").write_text("hello")
    write_video(tmp_path / "photos/still.mp4", [9])
    code, output = command("photos", "--out", "out")
    assert code == 1
    assert "skipped: photos/2.png cannot be read as a photo" in output
    assert "skipped: photos/film.mp4" in output
    assert "2 of 6 sources could not be read" in output
    assert "40 were asked for, and there are only 4" in output
    rows = {row["file"]: row for row in table(tmp_path / "out")}
    assert set(rows) == {f"photos/{name}" for name in ("0.png", "1.png", "3.png", "still.mp4")}
    assert rows["photos/still.mp4"]["flicker"] == ""
    assert rows["photos/still.mp4"]["output"] == "still_mp4-000000"


def test_copies_are_chosen_once(command: Callable, tmp_path: Path) -> None:
    for seed in range(3):
        path = save(tmp_path / f"photos/{seed}.png", seed)
        Image.open(path).save(path.with_suffix(".jpg"), quality=80)
    write_video(tmp_path / "still.mp4", [50] * 20)
    code, output = command("photos", "still.mp4", "--out", "out", "--every", 0)
    assert code == 0
    assert "22 near-copies of a more uncertain one" in output
    rows = table(tmp_path / "out")
    assert sorted(Path(row["file"]).stem for row in rows) == ["0", "1", "2", "still"]


def test_nothing_that_can_be_read(command: Callable, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, output = command("broken.jpg", "--out", "out")
    assert code == 2
    assert "none of the 1 sources can be read" in output
    assert not list(tmp_path.glob("*out*"))


def test_odd_names_keep_apart(command: Callable, tmp_path: Path) -> None:
    places = ["a/深蹲 1.png", "b/深蹲 1.png", "c/深蹲 1.PNG", "<b>&.png", "x_mask.png", "ü.png"]
    for seed, place in enumerate(places):
        save(tmp_path / "photos" / place, seed)
    write_video(tmp_path / "photos/a/卷 腹.mp4", [20, 21])
    write_video(tmp_path / "photos/b/卷 腹.mp4", [22, 23])
    code, _ = command("photos", "--out", "out")
    assert code == 0
    rows = table(tmp_path / "out")
    assert {row["file"] for row in rows} == {
        *(f"photos/{place}" for place in places), "photos/a/卷 腹.mp4", "photos/b/卷 腹.mp4",
    }  # fmt: skip
    names = sorted(row["output"] for row in rows)
    assert names == sorted(
        [
            *("深蹲 1", "深蹲 1_2", "深蹲 1_3", "<b>&", "x_mask_2", "ü"),
            *("卷 腹_mp4-000000", "卷 腹_mp4-000001", "卷 腹_2_mp4-000000", "卷 腹_2_mp4-000001"),
        ]
    )
    for name in names:
        assert (tmp_path / "out/train" / f"{name}_mask.png").is_file()
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "<b>&.png" not in page
    assert "&lt;b&gt;&amp;.png" in page


def test_the_page_loads_nothing_and_explains_each_choice(command: Callable, tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / f"photos/{seed}.png", seed)
    assert command("photos", "--count", 3, "--out", "out")[0] == 0
    text = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    page = PageContent(tmp_path / "out/index.html")
    assert not set(page.tags) & {"script", "link", "iframe"}
    assert len(page.addresses) == 2 * 3  # each photo, and its mask
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "://" not in text
    for row in table(tmp_path / "out"):
        assert row["reason"] in text
        assert re.search(r"more than in \d+% of what was looked at", row["reason"])
    assert "Nothing is labelled." in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent.jpg"], "absent.jpg does not exist"),
        (["x.png", "--count", "0"], "--count must be at least 1"),
        (["x.png", "--every", "-1"], "--every must be at least 0"),
        (["x.png", "--batch_size", "0"], "--batch_size must be at least 1"),
        (["x.png", "--format", "overlay"], "format"),
        (["0"], "camera 0 cannot be looked at a second time"),
    ],
)
def test_options_are_checked_before_any_work(
    command: Callable, tmp_path: Path, words: list[str], told: str
) -> None:
    save(tmp_path / "x.png", 0)
    code, output = command(*words, "--out", "out")
    assert code == 2
    assert told in output
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(command: Callable, tmp_path: Path) -> None:
    save(tmp_path / "x.png", 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    code, output = command("x.png", "--out", "out")
    assert code == 2
    assert "out exists and is never overwritten" in output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    code, output = command("x.png", "--out", "x.png/out")
    assert code == 2
    assert "x.png is a file: choose another" in output
    assert command("x.png")[0] == 0
    (default,) = (tmp_path / "suggestions").iterdir()
    assert default.name.startswith("model-")


def test_a_photo_that_goes_meanwhile_is_told(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        save(tmp_path / f"{seed}.png", seed)
    chosen = run_suggest.suggest

    def and_delete(*args: object) -> object:
        (tmp_path / "1.png").unlink()
        return chosen(*args)

    monkeypatch.setattr(run_suggest, "suggest", and_delete)
    code, output = command("0.png", "1.png", "2.png", "--out", "out")
    assert code == 1
    assert "skipped: 1.png cannot be read as a photo" in output
    assert {row["file"] for row in table(tmp_path / "out")} == {"0.png", "2.png"}
    save(tmp_path / "1.png", 1)
    code, output = command("1.png", "--out", "none")
    assert code == 2
    assert "none of the 1 chosen pictures could be read a second time: give" in output
    assert not (tmp_path / "none").exists()


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_suggest
from tf_muscle.labelling import run_suggest
run_suggest.load_networks = test_suggest.use_light
run_suggest.look_at_labelled = test_suggest.nothing_labelled
def write_page(path, *args):
    assert (path.parent / "suggested.csv").is_file()
    os.kill(os.getpid(), signal.SIGKILL)
run_suggest.write_page = write_page
test_suggest.suggest.main(["model", "photos", "--out", "out"])
"""


@pytest.mark.skipif(os.name == "nt", reason="no kill -9")
def test_killed_and_started_again(command: Callable, tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / f"photos/{seed}.png", seed)
    script = KILLED.format(tests=str(Path(__file__).parent))
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "unfinished_out/suggested.csv").exists()
    (tmp_path / "unfinished_out/junk").touch()
    assert command("photos", "--out", "out")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "train", "suggested.csv", "index.html",
    }  # fmt: skip
    assert not (tmp_path / "unfinished_out").exists()
