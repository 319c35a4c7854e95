import io
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_inputs import NAMES, OPTIONS
from rich.console import Console

from tf_muscle.model.score_records import summarize
from tf_muscle.report import photo_sheets, plots, tables
from tf_muscle.runs.environment import Environment

NOTHING_FOUND = np.array([[930, 0, 0, 0], [30, 0, 0, 0], [10, 0, 0, 0], [0, 0, 0, 0]])
HISTORY = {"loss": [1.0, 0.5, 0.25], "val_mean_iou": [0.3, 0.42, 0.4]}
BACKGROUND_ONLY = "background only: mIoU 0.320 is the floor of this data set, 0.3196"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run = tmp_path / "my_run"
    (run / "figures").mkdir(parents=True)
    return run


def write(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> tuple[str, list[dict[str, list[str]]]]:
    """The report, and its tables as {first cell: the other cells}."""
    path = tables.write_report(
        run_dir / "report.md", OPTIONS, Environment.from_json(environment), metrics, HISTORY
    )
    assert path == run_dir / "report.md"
    text = path.read_text("utf-8")
    found = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            rows = [line[2:-2].split(" | ") for line in block.splitlines()]
            assert len({line.count("|") for line in block.splitlines()}) == 1
            found.append({row[0]: row[1:] for row in rows})
    return text, found


def test_opening_table(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    text, (scores, *_) = write(run_dir, environment, metrics)
    assert text.startswith("# Report of my_run\n\n|  | training | validation | test |\n")
    assert scores["loss"] == ["0.0457", "0.0457", "0.0457 (0.0300 to 0.0612)"]
    assert scores["accuracy"] == ["54.5%", "54.5%", "54.5% (40.0 to 61.2)"]
    assert scores["mIoU"] == ["0.427", "0.427", "0.427 (0.312 to 0.488)"]
    assert scores["foreground mIoU"] == ["0.167", "0.167", "0.167 (0.167 to 0.167)"]
    assert scores["foreground pixel accuracy"][0] == "50.0%"
    assert scores["pixel accuracy"][0] == "94.8%"
    assert scores["floor of mIoU"] == ["0.3196"] * 3
    assert scores["images"] == ["1"] * 3
    assert "50.0% were given their right class" in text
    assert "Background is 95.9% of the test pixels" in text
    assert "0.3196 (the floor), and this one is 0.107 above it" in text
    assert "Training took 3 epochs. Scored are the weights after epoch 2," in text
    assert "Encoder weights at the start: random, because the ImageNet weights" in text
    assert "background only" not in text


def test_scores_at_the_photos_own_size(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    own_size = {
        "mean_iou": 0.41234,
        "foreground_mean_iou": 0.15,
        "intervals": {"mean_iou": [0.3, 0.5]},
    }
    metrics["valid"]["own_size"] = metrics["test"]["own_size"] = own_size
    text, (scores, *_) = write(run_dir, environment, metrics)
    assert scores["mIoU at the photos' own size"] == ["", "0.412", "0.412 (0.300 to 0.500)"]
    assert scores["foreground mIoU at the photos' own size"] == ["", "0.150", "0.150"]
    assert "the other scores are taken at 128x128 pixels" in text


def test_calibration_errors(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    assert "Expected calibration error" not in write(run_dir, environment, metrics)[0]
    classes = {"background": 0.011, "biceps": 0.2504, "triceps": None, "calf": 0.3}
    for record in metrics.values():
        record["calibration_error"] = {"all": 0.0123, "foreground": 0.26, "classes": classes}
    text, (_, _, errors, *_) = write(run_dir, environment, metrics)
    assert errors["pixels"] == ["training", "validation", "test"]
    assert errors["all pixels"] == ["0.012"] * 3
    assert errors["pixels marked as a muscle"] == ["0.260"] * 3
    assert errors["marked as biceps"] == ["0.250"] * 3
    assert errors["marked as triceps"] == ["*none*"] * 3
    assert "in 15 bins of probability" in text


def test_interval_of_the_loss(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    metrics["test"]["intervals"]["loss"] = [0.04, 0.05]
    _, (scores, *_) = write(run_dir, environment, metrics)
    assert scores["loss"] == ["0.0457", "0.0457", "0.0457 (0.0400 to 0.0500)"]


def test_other_tables(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    text, (_, classes, data, settings, machine) = write(run_dir, environment, metrics)
    assert classes["background"] == ["0.947"] * 3 + ["0.973"] * 3
    assert classes["biceps"] == ["0.333"] * 3 + ["0.500"] * 3
    assert classes["triceps"] == ["0.000"] * 6
    assert classes["calf"] == ["*absent*"] * 6
    assert data["images"] == ["4,800", "20", "20"]
    assert data["background, pixels"] == ["975 (97.50%)", "9 (90.00%)", "1 (100.00%)"]
    assert data["biceps, pixels"] == ["25 (2.50%)", "1 (10.00%)", "0 (0.00%)"]
    assert "already carry: shear, blur." in text
    assert "- Something to know." in text
    assert settings["loss"] == ["focal"]
    assert settings["resume"] == ["none"]
    assert machine["tensorflow"] == ["2.21.0"]
    assert machine["augmentation_left_out"] == ["none"]
    assert "data" not in machine
    assert f"--config {run_dir}/config.yaml --run_name" in text


def test_background_only_is_called_out(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    metrics["valid"] |= summarize(NOTHING_FOUND[None], np.array([0.5]), NAMES)
    text, _ = write(run_dir, environment, metrics)
    assert text.count("background only") == 1
    assert re.search(rf"^> \*\*validation: {re.escape(BACKGROUND_ONLY)}.*\*\*$", text, re.MULTILINE)
    assert "> 10 of the 13 trials" in text
    metrics["test"] |= metrics["valid"]
    text, _ = write(run_dir, environment, metrics)
    assert text.count(f"> **test: {BACKGROUND_ONLY}") == 1
    assert text.count("10 of the 13 trials") == 1


def test_rendered_photos_are_named_beside_every_score(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    text, _ = write(run_dir, environment, metrics)
    assert "synthetic" not in text
    environment["data"]["synthetic"] = True
    metrics["valid"] |= summarize(NOTHING_FOUND[None], np.array([0.5]), NAMES)
    text, (scores, classes, *_) = write(run_dir, environment, metrics)
    assert scores[""] == [f"{split} (synthetic)" for split in ("training", "validation", "test")]
    assert all(header.endswith("(synthetic)") for header in classes["class"])
    assert "**validation (synthetic): background only" in text
    assert "pixels in the synthetic test images" in text
    assert "**Every photo is synthetic**" in text


def test_published_beside(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    text, (scores, *_) = write(run_dir, environment, metrics)
    assert scores["loss, published"] == ["0.0147", "0.0411", "~0.045"]
    assert scores["accuracy, published"] == ["94.61%", "57.23%", "~55.8%"]
    assert scores["mIoU, published"] == ["~0.58", "0.5165", "~0.49"]
    assert "Adam, learning rate 0.0001, batch size 16, 30 epochs" in text
    environment["data"]["synthetic"] = True
    assert "published |" not in write(run_dir, environment, metrics)[0]
    environment["data"] |= {
        "synthetic": False,
        "class_names": ["background", "wall", "door", "bin"],
    }
    text, (scores, *_) = write(run_dir, environment, metrics)
    assert "published" not in "".join(scores)
    assert "Somanna" not in text


def test_figures_that_exist_are_linked(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    assert "## Pictures" not in write(run_dir, environment, metrics)[0]
    for name in list(tables.FIGURES)[1:]:
        (run_dir / "figures" / name).touch()
    links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", write(run_dir, environment, metrics)[0])
    assert len(links) == len(tables.FIGURES) - 1
    assert all((run_dir / link).is_file() for link in links)


def test_figures_bear_the_names_of_their_functions() -> None:
    drawn = {*vars(plots), *vars(photo_sheets)}
    assert {Path(name).stem for name in tables.FIGURES} <= drawn


def test_class_name_with_a_bar(
    run_dir: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    environment["data"]["class_names"] = ["background", "left|right", "triceps", "calf"]
    text, _ = write(run_dir, environment, metrics)  # counts the bars of every table
    assert "left&#124;right, pixels" in text


def test_results_table(metrics: dict[str, dict[str, Any]]) -> None:
    page = io.StringIO()
    Console(file=page, width=100).print(tables.results_table({"test": metrics["test"]}))
    shown = re.sub(r"\s+", " ", page.getvalue())
    assert "mIoU │ 0.427 (0.312 to 0.488)" in shown
    assert "validation" not in shown
    assert "synthetic" not in shown
    Console(file=page, width=100).print(tables.results_table(metrics, synthetic=True))
    assert page.getvalue().count("(synthetic)") == 3


def test_the_command_for_another_training_can_be_pasted(
    tmp_path: Path, environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    run = tmp_path / "Anna's run"
    run.mkdir()
    text, _ = write(run, environment, metrics)
    (command,) = (line for line in text.splitlines() if line.startswith("python -m"))
    words = shlex.split(command)
    assert words == [
        *("python", "-m", "tf_muscle.train", "--config", f"{run}/config.yaml"),
        *("--run_name", "NEW_NAME"),
    ]
