"""From an export to its prepared TFDS data set: the way that every --data takes."""

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import tensorflow_datasets as tfds

from tf_muscle.errors import UserError, listed, system_errors
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.archive import export_path
from tf_muscle.roboflow.records import ALL
from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.runs.assignment import Assignment


def load_builder(config: DataConfig, split: str | None = None) -> Builder:
    """Prepares an export as a TFDS data set, or finds it prepared.

    The first call checks and decodes everything. A later one, of the same content under whatever
    path, compares fingerprints only, and does not even import TensorFlow.

    Args:
        config: which export, and how it is read.
        split: prepare the folder of this split alone, whole, or with "all" every folder as it is,
            with none held out; by default all three.

    Returns:
        A prepared builder: `as_dataset(split="train")` gives the examples, `info.metadata` what is
        known of the export, see `records.DataInfo`.

    Raises:
        UserError: the export cannot be used, or data_dir cannot be written to.
    """
    reading = RoboflowSegmentationConfig(
        export_dir=export_path(config.data),
        split_seed=config.split_seed,
        allow_leakage=config.allow_leakage,
        ignore=config.ignore,
        split=split,
    )
    data_dir = config.data_dir and Path(config.data_dir).expanduser()
    with quiet_tfds():
        builder = Builder(config=reading, data_dir=data_dir)
        try:
            # The data are the user's own, so that no bucket of TFDS's can hold them.
            offline = tfds.download.DownloadConfig(try_download_gcs=False)
            # TFDS makes a RuntimeError of what TensorFlow says of a full disk.
            another = "try again, or give another --data_dir or TFDS_DATA_DIR"
            with system_errors(builder.data_dir_root, another):
                builder.download_and_prepare(download_config=offline)
        except OSError as error:
            raise UserError(
                f"{builder.data_dir_root} cannot take the prepared data ({error}); "
                "give --data_dir or TFDS_DATA_DIR a folder that you can write to and that has room."
            ) from error
    _refuse_partial(builder)
    return builder


def load_divided(config: DataConfig, assignment: Assignment | None) -> Builder:
    """`load_builder` of an export as a run has divided it.

    Args:
        config: which export, and how it is read.
        assignment: which photos are in which split, of photos prepared with none held out; None
            for the export's own division.

    Raises:
        UserError: as `load_builder`.
    """
    return load_builder(config, ALL if assignment else None)


def refuse_other_classes(names: Sequence[str], data: str, known: Sequence[str]) -> None:
    """Refuses an export for a model that was trained on other classes.

    Args:
        names: those of the export.
        data: what the user calls the export.
        known: the K names of the model's classes.

    Raises:
        UserError: the names or their order differ.
    """
    if list(names) != list(known):
        raise UserError(
            f"--data {data} has the classes {listed(names)}, the model was trained on "
            f"{listed(known)}: give an export with these, in this order"
        )


def _refuse_partial(builder: Builder) -> None:
    """TFDS keeps what `tfds build --max_examples_per_split` wrote under the name of the whole."""
    expected = builder.info.metadata.get("num_examples")
    present = {name: split.num_examples for name, split in builder.info.splits.items()}
    if present != expected:
        raise UserError(
            f"{builder.data_dir} holds {present} of the {expected} images of the export, as after "
            "`tfds build --max_examples_per_split`; delete that folder and run the command again."
        )


@contextmanager
def quiet_tfds() -> Iterator[None]:
    """Of TFDS's output, keeps the progress bars, and them only where someone sees them move."""
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    absl = logging.getLogger("absl")
    level = absl.level
    # It warns of every config that is no part of the catalogue, and of its own deprecated calls.
    absl.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        absl.setLevel(level)
