"""Exports that change, or cannot be read: what is read again, and what is left of a failure."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import Example
from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.roboflow_segmentation import roboflow_segmentation_dataset_builder as builder_module
from tf_muscle.roboflow_segmentation.dummy_export import (
    change_one_pixel,
    examples,
    first_mask,
    prepared,
)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_unchanged_export_is_not_read_again(
    export: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared(export, data_dir)
    moved = export.rename(export.with_name("moved"))
    packed = export.with_name("packed.zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for path in moved.rglob("*"):
            archive.write(path, path.relative_to(moved))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    for name in ("open_export", "read_export", "check_pixels", "read_mask"):
        monkeypatch.setattr(builder_module, name, refuse)
    for same_content in (moved, packed):
        again = prepared(same_content, data_dir)
        assert again.data_dir == first.data_dir
        assert again.info.splits["train"].num_examples == 3


def test_changed_export_is_prepared_again(export: Path, data_dir: Path) -> None:
    before = prepared(export, data_dir)
    change_one_pixel(export)
    after = prepared(export, data_dir)
    file_name = first_mask(export).name.replace("_mask.png", ".jpg")
    assert examples(before, "train")[file_name]["segmentation_mask"][0, 0, 0] == 0
    assert examples(after, "train")[file_name]["segmentation_mask"][0, 0, 0] == 3


def test_changed_manual_dir_is_prepared_again(export: Path, data_dir: Path) -> None:
    def build() -> Builder:
        builder = Builder(data_dir=data_dir)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=export)
        )
        return builder

    before = build()
    assert before.builder_config.name == RoboflowSegmentationConfig(export_dir=export).name
    assert before.builder_config.name in before.info.full_name
    assert build().data_dir == before.data_dir
    change_one_pixel(export)
    file_name = first_mask(export).name.replace("_mask.png", ".jpg")
    assert examples(build(), "train")[file_name]["segmentation_mask"][0, 0, 0] == 3


def test_leakage_is_prepared_only_when_allowed(export: Path, data_dir: Path) -> None:
    for path in (export / "train").glob("dip*"):
        shutil.copy(path, export / "test")
    with pytest.raises(UserError, match="dip_0002"):
        prepared(export, data_dir)
    assert prepared(export, data_dir, allow_leakage=True).info.splits["test"].num_examples == 2


def test_unusable_export_leaves_nothing(export: Path, data_dir: Path, tmp_path: Path) -> None:
    path = first_mask(export)
    path.write_bytes(path.read_bytes()[:40])
    before = names_in(tmp_path)
    with pytest.raises(UserError, match=path.name) as error:
        prepared(export, data_dir)
    assert type(error.value) is UserError
    assert "\n" not in str(error.value)
    assert names_in(tmp_path) == before


def test_failed_write_leaves_no_data(
    export: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(builder_module, "read_mask", fail)
    with pytest.raises(OSError, match="No space left"):
        prepared(export, data_dir)
    assert names_in(data_dir / "roboflow_segmentation") == {".config", "metadata.json"}


def test_export_that_changes_meanwhile_is_refused(
    export: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RoboflowSegmentationConfig(export_dir=export)
    read_mask = builder_module.read_mask

    def change_and_read(example: Example) -> np.ndarray:
        change_one_pixel(export)
        return read_mask(example)

    with monkeypatch.context() as patch:
        patch.setattr(builder_module, "read_mask", change_and_read)
        builder = Builder(config=config, data_dir=data_dir)
        with pytest.raises(UserError, match="has changed"):
            builder.download_and_prepare()
    assert not builder.is_prepared()
    with pytest.raises(UserError, match="has changed"):  # by the time that it is asked for
        Builder(config=config, data_dir=data_dir).download_and_prepare()
