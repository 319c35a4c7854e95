"""Prepared by Apache Beam, an export gives the same files."""

from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.roboflow_segmentation.dummy_export import prepared


def files(builder: Builder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(builder.data_dir).iterdir()}


def test_beam_writes_the_same_files(export: Path, data_dir: Path, tmp_path: Path) -> None:
    options = pytest.importorskip(
        "apache_beam.options.pipeline_options", reason="needs the extra tfds"
    )
    by_beam = tfds.download.DownloadConfig(
        try_download_gcs=False, beam_options=options.PipelineOptions(["--runner=DirectRunner"])
    )
    config = RoboflowSegmentationConfig(export_dir=export)
    builder = Builder(config=config, data_dir=tmp_path / "by_beam")
    builder.download_and_prepare(download_config=by_beam)
    assert files(builder) == files(prepared(export, data_dir))
