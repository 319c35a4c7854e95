"""`review` on drawn photos, with the probabilities of a network that is right everywhere."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_run import CLASSES, COUNTS, Drawn, draw, true_mask
from page_content import PageContent
from PIL import Image

from tf_muscle.command import run_command
from tf_muscle.prediction.dataset_folders import CocoFolder
from tf_muscle.review import main
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.reader import read_export
from tf_muscle.runs.folder import RunFolder


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw(folder)
    return folder


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Drawn:
    shutil.copytree(drawn_once, tmp_path, dirs_exist_ok=True)
    found = Drawn(tmp_path / "gym", RunFolder(tmp_path / "run"))
    found.record_data()
    return found


def spoil(drawn: Drawn) -> None:
    """Photo 1 lacks its biceps, 3 has it as a calf, 5 has a calf that is none, 7 one row more."""
    masks = {number: true_mask(number) for number in (1, 3, 5, 7)}
    masks[1][:] = 0
    masks[3][masks[3] == 1] = 2
    masks[5][30:50, 50:70] = 2
    masks[7][30:32, 10:30] = 1
    for number, mask in masks.items():
        drawn.set_mask(f"train/photo{number:02}.jpg", mask)
    drawn.record_data()


def reviewed(drawn: Drawn, out: Path, *words: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code, and the lines of the table."""
    code = run_command(main, [str(drawn.run.path), "--out", str(out), *words])
    if code == 2:
        return code, []
    with (out / "doubtful.csv").open(newline="") as file:
        return code, list(csv.DictReader(file))


def test_spoiled_masks_are_found(
    drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(drawn)
    code, rows = reviewed(drawn, tmp_path / "out")
    assert code == 0
    by_photo = {row["photo"]: row for row in reversed(rows)}
    kinds = {
        name: (row["kind"], row["annotated"], row["predicted"]) for name, row in by_photo.items()
    }
    assert kinds == {
        "train/photo01.jpg": ("missed", "background", "biceps"),
        "train/photo03.jpg": ("wrong class", "<b>calf</b>", "biceps"),
        "train/photo05.jpg": ("marked", "<b>calf</b>", "background"),
        "train/photo07.jpg": ("ragged edge", "biceps", "background"),
    }
    assert by_photo["train/photo07.jpg"]["rank"] == "4"
    box = [
        int(by_photo["train/photo05.jpg"][key])
        for key in ("left", "top", "width", "height", "pixels")
    ]
    assert box == [50, 30, 20, 20, 400]  # by hand
    printed = capsys.readouterr().out
    assert "12 masks reviewed, 4 disagree" in printed
    assert "fewer than the 40 of --count" in printed


def test_a_clean_export_has_no_doubts(drawn: Drawn, tmp_path: Path) -> None:
    code, rows = reviewed(drawn, tmp_path / "out")
    assert (code, rows) == (0, [])
    assert "0 masks to look at first" in PageContent(tmp_path / "out" / "index.html").text
    assert not (tmp_path / "out" / "to_correct").exists()


def test_the_page(drawn: Drawn, tmp_path: Path) -> None:
    spoil(drawn)
    reviewed(drawn, tmp_path / "out", "--count", "2")
    page = PageContent(tmp_path / "out" / "index.html")
    assert len(page.addresses) == 2 * 3
    assert all(source.startswith("data:image/jpeg") for source in page.addresses)
    assert not set(page.tags) & {"script", "b", "link"}
    assert "2 masks to look at first" in page.text
    assert "4 disagree somewhere" in page.text
    assert "missed muscle: biceps is predicted, nothing is annotated" in page.text
    assert "://" not in (tmp_path / "out" / "index.html").read_text()


def test_the_export_to_correct_has_the_present_masks(drawn: Drawn, tmp_path: Path) -> None:
    spoil(drawn)
    _, rows = reviewed(drawn, tmp_path / "out", "--count", "2")
    first = list(dict.fromkeys(row["photo"] for row in rows))[:2]
    for folder in ("to_correct", "predicted"):
        export = read_export(tmp_path / "out" / folder, split="train")
        assert export.class_names == CLASSES
        examples = {f"train/{e.file_name}": e for e in export.splits["train"]}
        assert sorted(examples) == sorted(first)
        for name, example in examples.items():
            assert example.image_path.read_bytes() == (drawn.root / name).read_bytes()
            if folder == "to_correct":
                expected = np.asarray(Image.open(drawn.mask_path(name)))
                assert (read_mask(example) == expected).all()
            else:  # but for what a network of half the size cannot know
                number = int(name[-6:-4])
                assert (read_mask(example) == true_mask(number)).mean() > 0.97


def test_outlines_are_copied_as_they_are(drawn: Drawn, tmp_path: Path) -> None:
    spoil(drawn)
    coco = tmp_path / "coco"
    for split in COUNTS:
        folder = CocoFolder(coco / split, CLASSES)
        for path in sorted((drawn.root / split).glob("*.jpg")):
            mask = np.asarray(Image.open(path.with_name(f"{path.stem}_mask.png")))
            folder.add(path.stem, np.asarray(Image.open(path)), mask, path.read_bytes())
        folder.close()
    before = read_export(coco)
    shutil.rmtree(drawn.root)
    coco.rename(drawn.root)
    drawn.record_data()
    code, rows = reviewed(drawn, tmp_path / "out", "--count", "3")
    assert code == 0
    assert {row["photo"] for row in rows} >= {f"train/photo0{i}.jpg" for i in (1, 3, 5)}
    masks = {example.file_name: example.mask for example in before.splits["train"]}
    after = read_export(tmp_path / "out" / "to_correct", split="train").splits["train"]
    assert len(after) == 3
    assert all(example.mask == masks[example.file_name] for example in after)


@pytest.mark.parametrize("form", ["masks", "coco"])
def test_photos_gone_and_broken(
    drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    spoil(drawn)
    if form == "coco":
        test_outlines_are_copied_as_they_are(drawn, tmp_path)
        shutil.rmtree(tmp_path / "out")
    (drawn.root / "train/photo00.jpg").unlink()
    half = (drawn.root / "train/photo01.jpg").read_bytes()
    (drawn.root / "train/photo01.jpg").write_bytes(half[: len(half) // 2])
    (drawn.root / "valid/photo08.jpg").write_text("no photo")
    (drawn.run.out_of_fold / "test/photo10.jpg.npz").write_bytes(b"PK")
    (drawn.run.out_of_fold / "test/photo11.jpg.npz").unlink()
    code, rows = reviewed(drawn, tmp_path / "out")
    assert code == 1
    assert {row["photo"] for row in rows} >= {"train/photo03.jpg", "train/photo05.jpg"}
    told = capsys.readouterr()
    assert "has changed since" in told.out
    for name in ("train/photo00", "train/photo01", "valid/photo08", "test/photo10", "test/photo11"):
        assert f"skipped {name}.jpg: " in told.err
        assert f"{name}.jpg: " in PageContent(tmp_path / "out" / "index.html").text
        assert f"{name}.jpg" not in {row["photo"] for row in rows}
    assert told.err.count("skipped") == 5


def test_unlabelled_pixels_never_count(drawn: Drawn, tmp_path: Path) -> None:
    """The biceps of photo 1 is left out by hand: 255 all over it, and around it."""
    mask = true_mask(1)
    mask[5:35, 5:35] = 255
    drawn.set_mask("train/photo01.jpg", mask)
    wrong = true_mask(4)
    wrong[:] = 255
    wrong[10:30, 10:30] = 2
    drawn.set_mask("train/photo04.jpg", wrong)
    drawn.record_data(ignore=255)
    code, rows = reviewed(drawn, tmp_path / "out")
    assert code == 0
    assert {row["photo"] for row in rows} == {"train/photo04.jpg"}
    copied = tmp_path / "out" / "to_correct" / "train" / "photo04_mask.png"
    assert (np.asarray(Image.open(copied)) == wrong).all()


def test_moved_export(drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(drawn)
    elsewhere = drawn.root.rename(tmp_path / "elsewhere")
    assert reviewed(drawn, tmp_path / "out")[0] == 2
    assert (
        "is gone: say where it was moved to by python -m tf_muscle.review"
        in capsys.readouterr().err
    )
    code, rows = reviewed(drawn, tmp_path / "out", "--data", str(elsewhere))
    assert code == 0
    assert len({row["photo"] for row in rows}) == 4
    assert "has changed" not in capsys.readouterr().out


def test_another_export(
    drawn: Drawn, small_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reviewed(drawn, tmp_path / "out", "--data", str(small_export))[0] == 2
    assert "has the classes background, biceps, triceps, calf" in capsys.readouterr().err
    for path in drawn.root.rglob("photo*"):
        path.rename(path.with_name(f"other_{path.name}"))
    assert reviewed(drawn, tmp_path / "out")[0] == 2
    assert "none of the photos" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(
    drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert reviewed(drawn, out)[0] == 2
    assert f"--out {out} exists and is never overwritten" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_unfinished_folds(drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(drawn.run.out_of_fold)
    assert reviewed(drawn, tmp_path / "out")[0] == 2
    assert f"--resume {drawn.run.path}" in capsys.readouterr().err
    assert run_command(main, [str(drawn.run.path), "--count", "0"]) == 2
    assert "--count must be at least 1, got 0" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from tf_muscle.labelling import review as module
def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
module.write_page = killed
from tf_muscle.review import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_and_started_again(drawn: Drawn, tmp_path: Path) -> None:
    spoil(drawn)
    out = tmp_path / "out"
    words = [str(drawn.run.path), "--out", str(out)]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / "unfinished_out" / "doubtful.csv").is_file()
    code, rows = reviewed(drawn, out)
    assert code == 0
    assert rows
    assert not (tmp_path / "unfinished_out").exists()
    assert sorted(path.name for path in out.iterdir()) == [
        "doubtful.csv", "index.html", "predicted", "to_correct"
    ]  # fmt: skip
