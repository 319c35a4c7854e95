"""Tests of the TFDS builder, on the export in dummy_data/ and changed copies of it."""

import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.scripts.cli import build, cli_utils

from tf_muscle.errors import UserError
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow_segmentation import Builder, RoboflowSegmentationConfig
from tf_muscle.roboflow_segmentation.dummy_export import (
    CLASS_NAMES,
    DUMMY_DATA,
    NUM_EXAMPLES,
    examples,
    first_mask,
    prepared,
)


class RoboflowSegmentationTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own checks, with dummy_data/ as the manual_dir."""

    DATASET_CLASS = Builder
    SPLITS = NUM_EXAMPLES
    EXAMPLE_DIR = DUMMY_DATA  # TFDS would look for it in tf_muscle/, also in a checkout


def test_examples_are_the_files_of_the_export(export: Path, data_dir: Path) -> None:
    builder = prepared(export, data_dir)
    for split in NUM_EXAMPLES:
        stored = examples(builder, split)
        assert set(stored) == {path.name for path in (export / split).glob("*.jpg")}
        for file_name, example in stored.items():
            image = export / split / file_name
            assert example["image"] == image.read_bytes()
            mask = Image.open(image.with_name(f"{image.stem}_mask.png"))
            np.testing.assert_array_equal(example["segmentation_mask"][..., 0], np.array(mask))
            assert example["source_name"].decode() == file_name.split(".rf.")[0]


def write_photos(folder: Path) -> list[Path]:
    """A photo of every mode that Pillow writes to JPEG and PNG, and turned ones, with masks."""
    colours = np.random.default_rng(0).integers(0, 256, (3, 4, 4), np.uint8)
    picture = Image.fromarray(colours).resize((32, 24), Image.Resampling.BICUBIC)
    modes: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "jpg": [("1", {}), ("L", {}), ("RGB", {}), ("CMYK", {}), ("YCbCr", {})],
        "png": [
            *((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")),
            ("P", {"bits": 2}),
            ("P", {"transparency": 7}),
            ("P", {"transparency": bytes(range(256))}),
            ("L", {"transparency": 7}),
            ("RGB", {"transparency": (1, 2, 3)}),
        ],
    }
    for suffix in modes:
        for orientation in range(2, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            modes[suffix].append(("RGB", {"exif": exif}))
    paths = []
    for suffix, saved in modes.items():
        for number, (mode, options) in enumerate(saved):
            path = folder / f"{suffix}{number}.{suffix}"
            if mode.startswith("I"):
                levels = np.asarray(picture.convert("L")).astype(np.uint16) * 257
                image = Image.fromarray(levels)
                image = image if mode == "I;16" else image.convert("I")
            else:
                image = picture if mode == "RGBA" else picture.convert("RGB").convert(mode)
            image.save(path, **options)
            blank = Image.new("L", Image.fromarray(decode_photo(path)).size)
            blank.save(path.with_name(f"{path.stem}_mask.png"))
            paths.append(path)
    return paths


def test_records_hold_what_prediction_sees(export: Path, data_dir: Path) -> None:
    paths = write_photos(export / "train")
    builder = prepared(export, data_dir)
    stored = examples(builder, "train")
    decoded = {
        example["file_name"].decode(): example["image"]
        for example in tfds.as_numpy(builder.as_dataset(split="train"))
    }
    copied = 0
    for path in paths:
        data = stored[path.name]["image"]
        shown = decode_photo(path)
        np.testing.assert_array_equal(decode_photo(io.BytesIO(data)), shown, path.name)
        by_tensorflow = decoded[path.name].astype(int)
        # TensorFlow decodes JPEGs by a faster transform; a PNG is lossless.
        differ = np.abs(by_tensorflow - shown).max()
        assert differ <= (4 if data.startswith(b"\xff\xd8") else 0), path.name
        copied += data == path.read_bytes()
    assert copied == 4 + 2  # JPEGs of modes 1 and YCbCr are grey and RGB ones; PNGs of L and RGB


def test_the_shape_of_the_photos_is_known(export: Path, data_dir: Path) -> None:
    for path in [*export.rglob("*.jpg"), *export.rglob("*.png")]:
        with Image.open(path) as image:
            wide = image.resize((24, 16), Image.Resampling.NEAREST)
        wide.save(path)
    assert prepared(export, data_dir).info.metadata["aspect"] == 1.5


def test_unlabelled_pixels_are_stored_as_255(export: Path, data_dir: Path) -> None:
    path = first_mask(export)
    mask = np.array(Image.open(path))
    mask[0, :3] = 200
    Image.fromarray(mask).save(path)
    with pytest.raises(UserError, match="--ignore 255"):
        prepared(export, data_dir)
    builder = prepared(export, data_dir, ignore=200)
    stored = examples(builder, "train")[path.name.replace("_mask.png", ".jpg")]
    expected = np.where(mask == 200, 255, mask)
    np.testing.assert_array_equal(stored["segmentation_mask"][..., 0], expected)
    assert sum(builder.info.metadata["pixel_counts"]["train"]) == 3 * 16 * 16 - 3
    assert any("--ignore 200" in note for note in builder.info.metadata["notes"])


def test_palette_masks_are_stored_by_index(export: Path, data_dir: Path) -> None:
    path = first_mask(export)
    mask = Image.open(path)
    ids = np.array(mask)
    mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])  # red would become grey level 76
    mask.save(path)
    assert Image.open(path).mode == "P"
    stored = examples(prepared(export, data_dir), "train")
    example = stored[path.name.replace("_mask.png", ".jpg")]
    np.testing.assert_array_equal(example["segmentation_mask"][..., 0], ids)


def test_prepared_data_need_no_export(export: Path, data_dir: Path) -> None:
    """What a later run knows, from the code's builder and from files alone."""
    counts = {
        split: np.sum(
            [
                np.bincount(np.array(Image.open(path)).ravel(), minlength=4)
                for path in (export / split).glob("*_mask.png")
            ],
            axis=0,
        ).tolist()
        for split in NUM_EXAMPLES
    }
    config = RoboflowSegmentationConfig(export_dir=export)
    Builder(config=config, data_dir=data_dir).download_and_prepare()
    shutil.rmtree(export)

    by_code = Builder(config=config, data_dir=data_dir)
    from_files = tfds.builder(f"roboflow_segmentation/{config.name}", data_dir=data_dir)
    for builder in (by_code, from_files):
        assert builder.info.features["segmentation_mask"].names == CLASS_NAMES
        assert builder.info.features["segmentation_mask"].num_classes == 4
        metadata = builder.info.metadata
        assert metadata["class_names"] == CLASS_NAMES
        assert metadata["num_examples"] == NUM_EXAMPLES
        assert metadata["pixel_counts"] == counts
        assert metadata["format"] == "masks"
        assert metadata["fingerprint"] == config.fingerprint
        assert len(metadata["baked_augmentation"]) == 1  # the README has a horizontal flip
        assert isinstance(metadata["notes"], list)
        assert len(examples(builder, "train")) == 3


def test_zip_is_prepared_like_its_folder(export: Path, data_dir: Path) -> None:
    packed = Path(shutil.make_archive(str(export), "zip", export))
    expected = examples(prepared(export, data_dir), "train")
    stored = examples(prepared(packed, data_dir.with_name("from_zip")), "train")
    assert {name: example["image"] for name, example in stored.items()} == {
        name: example["image"] for name, example in expected.items()
    }


def test_manual_dir_keeps_the_file_format(export: Path, data_dir: Path) -> None:
    builder = Builder(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=export))
    assert builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
    assert len(builder.as_data_source(split="train")) == 3


def test_no_bucket_is_asked(
    export: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFDS makes a temporary folder before it looks for the info of a data set in the network."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    Builder(config=RoboflowSegmentationConfig(export_dir=export), data_dir=data_dir)
    assert list(temporary.iterdir()) == []


def test_no_export_is_an_error_that_says_how_to_give_one(data_dir: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)--manual_dir=EXPORT.*export_dir") as error:
        Builder(data_dir=data_dir).download_and_prepare()
    assert "Manual directory" in str(error.value)


def test_description_is_the_readme() -> None:
    metadata = Builder.get_metadata()
    assert metadata.description == Path(__file__).with_name("README.md").read_text("utf-8")
    assert "Somanna" in metadata.citation


def test_tfds_load_takes_the_config(export: Path, data_dir: Path) -> None:
    dataset, info = tfds.load(
        "roboflow_segmentation",
        split="train",
        as_supervised=True,
        with_info=True,
        data_dir=data_dir,
        builder_kwargs={"config": RoboflowSegmentationConfig(export_dir=export)},
    )
    image, mask = next(iter(tfds.as_numpy(dataset)))
    assert image.shape == (16, 16, 3)
    assert mask.shape == (16, 16, 1)
    assert info.supervised_keys == ("image", "segmentation_mask")


def test_config_name_carries_what_changes_the_data(export: Path) -> None:
    name = RoboflowSegmentationConfig(export_dir=export).name
    assert len(name) == 16
    options: dict[str, Any] = {"split_seed": 7, "allow_leakage": True}
    assert RoboflowSegmentationConfig(export_dir=export, **options).name == f"{name}-seed7-leakage"
    assert RoboflowSegmentationConfig(**options).name == "manual-seed7-leakage"
    options["ignore"] = 255
    named = RoboflowSegmentationConfig(export_dir=export, **options).name
    assert named == f"{name}-seed7-leakage-ignore255"


def test_one_split_is_prepared_alone(export: Path, data_dir: Path) -> None:
    (export / "train").rename(export / "Training")
    shutil.rmtree(export / "valid")
    builder = prepared(export, data_dir, split="train")
    assert builder.builder_config.name.endswith("-train")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {"train": 3}
    assert builder.info.metadata["stretched"] is True  # as its README says


def test_split_seed_reaches_the_split(export: Path, data_dir: Path) -> None:
    """12 photos without valid and test: their draw depends on the seed."""
    shutil.rmtree(export / "valid")
    shutil.rmtree(export / "test")
    image, mask = min((export / "train").glob("curl*.jpg")), first_mask(export)
    for i in range(12):
        shutil.copy(image, export / "train" / f"photo_{i}_jpg.rf.{i}.jpg")
        shutil.copy(mask, export / "train" / f"photo_{i}_jpg.rf.{i}_mask.png")
    drawn = {
        tuple(examples(prepared(export, data_dir, split_seed=seed), "test")) for seed in range(4)
    }
    assert len(drawn) > 1


def build_options(by: str, export: Path, data_dir: Path) -> list[str]:
    """What follows `tfds build`."""
    given = f"--manual_dir={export}"
    if by == "config":
        given = f"--config={json.dumps({'export_dir': str(export)})}"
    return [str(Path(__file__).parent), given, f"--data_dir={data_dir}"]


def check_built(export: Path, data_dir: Path) -> None:
    builder = Builder(config=RoboflowSegmentationConfig(export_dir=export), data_dir=data_dir)
    assert builder.is_prepared()
    assert len(examples(builder, "train")) == 3


@pytest.mark.parametrize("by", ["manual_dir", "config"])
def test_build_command(by: str, export: Path, data_dir: Path) -> None:
    parse = cli_utils.make_flags_parser(build.Args, description="")
    for _ in range(2):  # the second finds the data
        parse(["build", *build_options(by, export, data_dir)]).execute()
    check_built(export, data_dir)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["manual_dir", "config"])
def test_build_command_in_a_shell(by: str, export: Path, data_dir: Path) -> None:
    pytest.importorskip("apache_beam", reason="the tfds command of TFDS 4.9.10 does not start")
    tfds_command = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build"]
    subprocess.run([*tfds_command, *build_options(by, export, data_dir)], check=True, timeout=300)
    check_built(export, data_dir)
