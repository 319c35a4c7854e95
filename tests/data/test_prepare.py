"""Tests of `tf_muscle.data.prepare`; what the builder itself does is tested beside it."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from tf_muscle.data.prepare import load_builder
from tf_muscle.errors import UserError
from tf_muscle.options import DataConfig
from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig

DUMMY_DATA = Path(__file__).parents[2] / "datasets" / "roboflow_segmentation" / "dummy_data"


def prepare(export: Path, data_dir: Path) -> Builder:
    return load_builder(DataConfig(data=str(export), data_dir=str(data_dir)))


def test_first_call_prepares_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    builder = prepare(DUMMY_DATA, data_dir=tmp_path)
    assert builder.is_prepared()
    assert builder.info.metadata["num_examples"] == {"train": 3, "valid": 1, "test": 1}
    assert builder.data_path.is_relative_to(tmp_path)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Dataset" not in captured.err
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_options_reach_the_config(tmp_path: Path) -> None:
    options = {"split_seed": 3, "allow_leakage": True, "ignore": 200, "data_dir": str(tmp_path)}
    config = DataConfig(data=str(DUMMY_DATA), **options)
    reading = load_builder(config).builder_config
    assert (reading.split_seed, reading.allow_leakage, reading.ignore) == (3, True, 200)


def test_folders_that_are_read_whole_are_prepared_once(tmp_path: Path) -> None:
    """Whatever decides how an export is divided decides nothing of theirs."""
    places = set()
    for options in ({"split_seed": 3}, {"allow_leakage": True}, {}):
        config = DataConfig(data=str(DUMMY_DATA), data_dir=str(tmp_path), **options)
        builder = load_builder(config, "all")
        places.add(builder.data_dir)
        assert builder.info.metadata["num_examples"] == {"train": 3, "valid": 1, "test": 1}
    assert len(places) == 1
    assert prepare(DUMMY_DATA, data_dir=tmp_path).data_dir not in places


def test_unusable_export_leaves_nothing(tmp_path: Path) -> None:
    export = Path(shutil.copytree(DUMMY_DATA, tmp_path / "export"))
    mask = min((export / "valid").glob("*_mask.png"))
    mask.unlink()
    with pytest.raises(UserError) as error:
        prepare(export, data_dir=tmp_path / "tfds")
    assert type(error.value) is UserError
    assert mask.name.removesuffix("_mask.png") in str(error.value)
    assert not (tmp_path / "tfds").exists()


def test_missing_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        prepare(tmp_path / "nowhere", data_dir=tmp_path)


def test_data_dir_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    data_dir = tmp_path / "tfds"
    data_dir.write_text("a file")
    with pytest.raises(UserError, match=r"Not a directory; .* --data_dir"):
        prepare(DUMMY_DATA, data_dir=data_dir)


def test_partly_built_data_are_refused(tmp_path: Path) -> None:
    builder = Builder(config=RoboflowSegmentationConfig(export_dir=DUMMY_DATA), data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(max_examples_per_split=1)
    )
    with pytest.raises(UserError, match="max_examples_per_split"):
        prepare(DUMMY_DATA, data_dir=tmp_path)


SECOND_CALL = """
import sys
from tf_muscle.options import DataConfig
from tf_muscle.data.prepare import load_builder
builder = load_builder(DataConfig(data=sys.argv[1]))
assert builder.info.features["segmentation_mask"].names[-1] == "calf"
assert "tensorflow" not in sys.modules, "TensorFlow was imported to find prepared data"
print(builder.data_dir)
"""


def test_second_call_finds_the_data_in_tfds_data_dir(tmp_path: Path) -> None:
    builder = prepare(DUMMY_DATA, data_dir=tmp_path)
    second = subprocess.run(
        [sys.executable, "-c", SECOND_CALL, str(DUMMY_DATA)],
        env=os.environ | {"TFDS_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.stdout.strip() == builder.data_dir, second.stderr
