"""TFDS builder for the semantic segmentation exports of Roboflow."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import (
    Example,
    check_pixels,
    fingerprint,
    middle_aspect,
    open_export,
    read_export,
    read_mask,
)
from tf_muscle.roboflow.stored_photos import bytes_or_pixels
from tf_muscle.roboflow_segmentation.preparation_lock import exclusive_preparation


# Not frozen, since TFDS's base class is not.
@dataclasses.dataclass(eq=False, kw_only=True)
class RoboflowSegmentationConfig(tfds.core.BuilderConfig):
    """Which export to prepare and how to read it.

    The name, and with it the folder of the prepared data, follows from the export's content:
    "0123456789abcdef", then "-seed7", "-leakage", "-ignore255" and "-test" where those options are
    set and matter. A changed export therefore never meets the data prepared from the old one.
    Constructing a config reads every file of the export once (3,000 files: 0.3 s).

    Attributes:
        name: not an argument.
        description: one line; by default the name of the export's folder.
        fingerprint: not an argument; 16 hex digits, see `tf_muscle.roboflow.reader.fingerprint`.
        export_dir: the folder or .zip that Roboflow served. None takes TFDS's manual_dir, which is
            known only when the data are prepared; until then the name starts with "manual".
        split_seed: int, for the 80/10/10 split of an export that has a train folder only.
        allow_leakage: accept an export that has one photo in two splits.
        ignore: value of mask pixels that nobody labelled, or id of the COCO category that marks
            them; the prepared masks hold 255 there.
        split: prepare the folder of this split alone, whole, or with "all" every folder as it is,
            with none held out; by default all three.

    Raises:
        UserError: `export_dir` is neither a folder nor a zip.
    """

    name: str = dataclasses.field(init=False)
    description: str | None = None
    fingerprint: str | None = dataclasses.field(init=False, default=None)
    export_dir: str | os.PathLike[str] | None = None
    split_seed: int = 0
    allow_leakage: bool = False
    ignore: int | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if self.export_dir is not None:
            self.fingerprint = fingerprint(Path(self.export_dir))
            self.description = self.description or f"The export {Path(self.export_dir).name}."
        self.name = self.fingerprint or "manual"
        if self.split_seed and not self.split:  # a folder that is read whole is not divided
            self.name += f"-seed{self.split_seed}"
        if self.allow_leakage and not self.split:
            self.name += "-leakage"
        if self.ignore is not None:
            self.name += f"-ignore{self.ignore}"
        if self.split:
            self.name += f"-{self.split}"


class Builder(tfds.core.GeneratorBasedBuilder):
    """Semantic segmentation data sets exported from Roboflow."""

    VERSION = tfds.core.Version("2.1.0")  # raise it when the same export is read differently
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "2.1.0": "The metadata have the shape of the photos, `aspect`.",
        "2.0.0": "Photos upright and without alpha as every decoder sees them; unlabelled pixels; "
        "frames of a video stay together; more names of folders and files.",
        "1.0.0": "Initial release.",
    }
    BUILDER_CONFIGS: ClassVar[list[RoboflowSegmentationConfig]] = [
        RoboflowSegmentationConfig(description="The export in manual_dir.")
    ]
    # Of README.md and CITATIONS.bib, which TFDS would look for in tf_muscle/, also in a checkout.
    pkg_dir_path: ClassVar[tfds.core.Path] = tfds.core.Path(__file__).parent
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Export a version of your project from Roboflow as "Semantic Segmentation Masks" or "COCO
    Segmentation", unpack it, and give that folder, the one with train/, valid/ and test/ in it,
    as manual_dir: `tfds build --manual_dir=EXPORT`. Or name it, unpacked or as the .zip, in the
    config: `tfds build --config='{"export_dir": "EXPORT"}'`.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        doc="RGB, upright; the bytes as exported, or a PNG where decoders differ."
                    ),
                    "segmentation_mask": tfds.features.LabeledImage(
                        labels=None,  # known when an export is read: see _split_generators
                        shape=(None, None, 1),
                        doc="Class ids, 0 is background, 255 unlabelled; of the image's size.",
                    ),
                    "file_name": tfds.features.Text(doc="Of the image, unique in its split."),
                    "source_name": tfds.features.Text(doc="Shared by the copies of one photo."),
                }
            ),
            supervised_keys=("image", "segmentation_mask"),
            homepage="https://universe.roboflow.com",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # download_and_prepare has read the export, before anything was written
        export = self._export
        # LabeledImage, unlike ClassLabel, has no setter of its own.
        self.info.features["segmentation_mask"]._class_label.names = list(export.class_names)
        self.info.metadata.update(
            fingerprint=self.builder_config.fingerprint,
            format=export.format,
            class_names=list(export.class_names),
            num_examples={split: len(examples) for split, examples in export.splits.items()},
            pixel_counts=self._pixel_counts,
            baked_augmentation=list(export.baked_augmentation),
            stretched=export.stretched,
            aspect=middle_aspect(export),
            notes=[note.text for note in export.notes],
        )
        return {
            split: self._generate_examples(examples) for split, examples in export.splits.items()
        }

    def _generate_examples(self, examples: Sequence[Example]) -> Any:
        """The records, or with options or a runner for Beam what makes them on its workers."""
        if not self._by_beam:
            return map(record, examples)
        import apache_beam as beam  # an extra of this package

        return beam.Create(examples) | beam.Map(record)

    # The rest adds to TFDS what it does not do for data that its user may change: it prepares by
    # the name of the config alone, and never removes what a killed preparation has left.

    @functools.cached_property
    def info(self) -> tfds.core.DatasetInfo:
        """As in the base class, where it can never be made anew."""
        info = self._info()
        # Of no use for a user's own data, and it leaves an empty temporary folder each time.
        info.initialize_from_bucket = lambda: None
        return info

    def download_and_prepare(
        self,
        *,
        download_dir: os.PathLike[str] | str | None = None,
        download_config: tfds.download.DownloadConfig | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the records of the export, unless they are there.

        Args:
            download_dir: folder whose manual/ holds the export where the config names none.
            download_config: `manual_dir` is the export where the config names none. With
                `beam_options` or `beam_runner`, Apache Beam writes the same records.
            **kwargs: as in the base class.

        Raises:
            UserError: the export cannot be used, and nothing has been written, or it has changed
                since the config was constructed.
        """
        download_config = download_config or tfds.download.DownloadConfig()
        asked = (download_config.beam_options, download_config.beam_runner)
        self._by_beam = any(one is not None for one in asked)
        if self.builder_config.export_dir is None:
            manager = self._make_download_manager(download_dir, download_config)
            self._start_over(manager.manual_dir)
        self._refuse_changed()
        prepare = functools.partial(
            super().download_and_prepare,
            download_dir=download_dir,
            download_config=download_config,
            **kwargs,
        )
        if self.is_prepared() and not download_config.download_mode.overwrite_dataset:
            prepare()
        else:
            config = self.builder_config
            with open_export(config.export_dir) as root:
                self._export = read_export(
                    root,
                    split_seed=config.split_seed,
                    allow_leakage=config.allow_leakage,
                    ignore=config.ignore,
                    split=config.split,
                )
                self._pixel_counts = {
                    split: [int(count) for count in counts]
                    for split, counts in check_pixels(self._export).items()
                }
                with exclusive_preparation(Path(self.data_dir).parent):
                    prepare()
        if not self.info.splits:  # prepared by another process since this builder was made
            self.info.read_from_directory(self.data_dir)

    def _start_over(self, export_dir: Path) -> None:
        """Becomes the builder of the export in manual_dir: its config, its folder, its info."""
        config = RoboflowSegmentationConfig(
            export_dir=export_dir,
            split_seed=self.builder_config.split_seed,
            allow_leakage=self.builder_config.allow_leakage,
            ignore=self.builder_config.ignore,
            split=self.builder_config.split,
        )
        asked = self.info.file_format
        state = {
            **self._original_state,
            "config": config,
            "file_format": None if asked == tfds.core.FileFormat.TFRECORD else asked,
        }
        del self.info
        self.__setstate__({"_original_state": state})  # how TFDS itself rebuilds an unpickled one

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        self._refuse_changed()

    def _refuse_changed(self) -> None:
        config = self.builder_config
        if fingerprint(Path(config.export_dir)) != config.fingerprint:
            raise UserError(
                f"{config.export_dir} has changed since it was first read; run the command again "
                "or construct a new RoboflowSegmentationConfig."
            )


def record(example: Example) -> tuple[str, dict[str, Any]]:
    """The key and the features of an image."""
    return (
        example.file_name,
        {
            "image": bytes_or_pixels(example.image_path),
            # An array, never the file: TensorFlow decodes a palette PNG to grey levels.
            "segmentation_mask": read_mask(example)[..., None],
            "file_name": example.file_name,
            "source_name": example.source_name,
        },
    )
