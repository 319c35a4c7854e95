"""Fixtures that several rooms share."""

import gc
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import tf_muscle  # noqa: F401  # before the tests import TensorFlow, whose kernels it chooses

sys.path.insert(0, str(Path(__file__).parent))

from figure_layout import check_layout
from short_encoder import real_encoder, shorten
from train_options import small_run

from tf_muscle.command import run_command
from tf_muscle.train import main as train

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # behind a shell's `&`: ctrl-C never came
    signal.signal(signal.SIGINT, signal.default_int_handler)

shorten()  # also for the fixtures of a session
# Libraries and networks are millions of objects that stay; looking them through for garbage as
# often as Python does by default took a tenth of the time.
gc.set_threshold(50_000, 10, 10)

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_gym"


def pytest_collection_finish() -> None:
    """Takes what is imported by now out of the collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def real_resnet18() -> Iterator[None]:
    """The ResNet18 of users, in place of the one of tests/short_encoder.py."""
    with real_encoder():
        yield


@pytest.fixture(autouse=True)
def drawn_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Checks every figure that a test writes: no warning, and the layout; they are listed here."""
    figures: list[Figure] = []
    savefig = Figure.savefig

    def checked(figure: Figure, *args: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            savefig(figure, *args, **options)
        check_layout(figure)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", checked)
    return figures


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photos of the bundled sample as an export of its own: 12 train, 4 valid, 4 test."""
    export = tmp_path_factory.mktemp("small_export")
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        folder = export / split
        folder.mkdir()
        shutil.copy(SAMPLE / split / "_classes.csv", folder)
        for mask in sorted((SAMPLE / split).glob("*_mask.png"))[:count]:
            shutil.copy(mask, folder)
            shutil.copy(mask.with_name(mask.name.replace("_mask.png", ".jpg")), folder)
    return export


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of `small_run` are."""
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="session")
def straight(small_export: Path, training_folder: Path) -> Path:
    """A finished run of four epochs."""
    words = small_run(small_export, training_folder, run_name="straight", epochs=4)
    assert run_command(train, words) == 0
    return training_folder / "runs" / "straight"
