import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from without_tensorflow import needs_no_tensorflow

from tf_muscle.command import run_command
from tf_muscle.errors import UserError
from tf_muscle.inspect import main
from tf_muscle.inspection.inspection import read_as_training_does
from tf_muscle.roboflow.reader import check_pixels, open_export, read_export

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_gym"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the bundled sample with every class in every split, and photos of rest."""
    root = tmp_path_factory.mktemp("gym")
    for split, step in (("train", 16), ("valid", 2), ("test", 2)):
        folder = root / split
        folder.mkdir()
        shutil.copy(SAMPLE / split / "_classes.csv", folder)
        for photo in sorted((SAMPLE / split).glob("*.jpg"))[::step]:
            shutil.copy(photo, folder)
            shutil.copy(photo.with_name(f"{photo.stem}_mask.png"), folder)
    return root


def test_clean_export(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "page"
    assert run_command(main, [str(export), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["inspection.html", "inspection.json"]
    printed = capsys.readouterr().out
    assert "note: " in printed
    assert f"written to {out / 'inspection.html'}" in printed
    record = json.loads((out / "inspection.json").read_text())
    assert [one["severity"] for one in record["findings"]] == ["note"]


def test_findings(export: Path, tmp_path: Path) -> None:
    spoilt = Path(shutil.copytree(export, tmp_path / "gym"))
    photo = next((spoilt / "train").glob("*.jpg"))
    for path in (photo, photo.with_name(f"{photo.stem}_mask.png")):
        shutil.copy(path, spoilt / "test" / f"other_{path.name}")
    assert run_command(main, [str(spoilt), "--out", str(tmp_path / "page")]) == 1


def test_default_folder(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(main, [str(export)]) == 0
    (folder,) = (tmp_path / "inspections").iterdir()
    assert folder.name.startswith(f"{export.name}-20")


def test_nothing_is_overwritten(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(main, [str(export), "--out", str(tmp_path)]) == 2
    assert "exists and is never overwritten" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    file = tmp_path / "file"
    file.touch()
    assert run_command(main, [str(export), "--out", str(file / "page")]) == 2
    assert f"{file} is a file" in capsys.readouterr().err


def test_unreadable_export(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kind of problem is told, each with its files, and nothing is written."""
    spoilt = Path(shutil.copytree(export, tmp_path / "gym"))
    truncated, other, *_ = sorted((spoilt / "train").glob("*.jpg"))
    truncated.write_bytes(truncated.read_bytes()[:10])
    Image.new("RGB", (256, 256)).save(other.with_name(f"{other.stem}_mask.png"))
    assert run_command(main, [str(spoilt), "--out", str(tmp_path / "page")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: Unreadable or truncated files (1): train/")
    assert second.startswith("error: Masks whose pixels are not class ids (1): train/")
    assert not (tmp_path / "page").exists()


def test_missing_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, [str(tmp_path / "none.zip"), "--out", str(tmp_path / "page")]) == 2
    assert "No export found" in capsys.readouterr().err


def test_zip(export: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "gym"), "zip", export)
    assert run_command(main, [archive, "--out", str(tmp_path / "page")]) == 0


@pytest.mark.parametrize(
    "name",
    [
        "indoor_png_mask",
        "facade_coco",
        *(
            f"not_segmentation/{name}"
            for name in ("multilabel_classes_csv", "coco_boxes_only", "corrupted_masks")
        ),
    ],
)
def test_refuses_what_training_refuses(name: str) -> None:
    """tests/data/conftest.py compares the two on every export that the reader's tests spoil."""
    path = Path(__file__).parents[2] / "shared" / "exports" / name
    if not path.exists():
        pytest.skip("needs the real exports in the folder shared beside the checkout")

    def told(read: Callable[[Path], object]) -> str | None:
        try:
            with open_export(path) as root:
                read(root)
        except UserError as error:
            return str(error)
        return None

    by_training = told(lambda root: check_pixels(read_export(root)))
    assert told(lambda root: read_as_training_does(root, 0)) == by_training
    assert (by_training is None) == ("/" not in name)


def test_unlabelled_pixels(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They count as no class, as no speck and as no frame."""
    spoilt = Path(shutil.copytree(export, tmp_path / "gym"))
    pixels = 0
    for number, path in enumerate(sorted((spoilt / "train").glob("*_mask.png"))):
        mask = np.array(Image.open(path))
        mask[[0, -1]] = mask[:, [0, -1]] = 255
        mask[10, 10] = 255
        if number == 0:
            mask[:] = 255
        pixels += int((mask != 255).sum())
        Image.fromarray(mask).save(path)
    options = [str(spoilt), "--out", str(tmp_path / "page")]
    assert run_command(main, options) == 2
    assert "--ignore 255" in capsys.readouterr().err
    assert run_command(main, [*options, "--ignore", "255"]) == 0
    record = json.loads((tmp_path / "page" / "inspection.json").read_text())
    assert sum(record["splits"]["train"]["pixels"].values()) == pixels
    sentences = [one["sentence"] for one in record["findings"]]
    assert any("--ignore 255" in sentence for sentence in sentences)
    assert run_command(main, [*options[:-1], str(tmp_path / "other"), "--ignore", "0"]) == 2
    assert "--ignore must lie between 1 and 255, got 0" in capsys.readouterr().err


def test_needs_no_tensorflow(export: Path, tmp_path: Path) -> None:
    words = [str(export), "--out", str(tmp_path / "page")]
    assert needs_no_tensorflow(f"from tf_muscle.inspect import main; main({words!r})")
    assert (tmp_path / "page" / "inspection.html").is_file()


def test_help_names_the_options() -> None:
    command = [sys.executable, "-m", "tf_muscle.inspect", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for option in ("EXPORT", "--out", "--resplit", "--split_seed", "--ignore"):
        assert option in helped
