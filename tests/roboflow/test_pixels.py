import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.roboflow.reader import check_pixels, read_export, read_mask

Refusal = Callable[..., str]
IMAGE = "train/arm_jpg.rf.01.jpg"
PNG_IMAGE = "train/über.PNG"
MASK = "train/arm_jpg.rf.01_mask.png"


def test_palette_mask_is_read_by_index(mask_export: Path) -> None:
    ids = np.zeros((8, 12), np.uint8)
    ids[2:4, 5:9] = 2
    ids[0, 0] = 1
    mask = Image.fromarray(ids).convert("P")
    colours = [0, 0, 0, 200, 30, 30, 30, 200, 30]
    for bits in (8, 2):
        mask.putpalette(colours + [90] * (3 * 2**bits - len(colours)))
        mask.save(mask_export / MASK)
        stored = (mask_export / MASK).read_bytes()
        assert stored[24:26] == bytes([bits, 3])  # bit depth and the colour type of a palette
        np.testing.assert_array_equal(read_mask(read_export(mask_export).splits["train"][0]), ids)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("RGB", "8-bit RGB"),
        ("RGBA", "8-bit RGBA"),
        ("LA", "8-bit grey with alpha"),
        ("1", "1-bit grey"),
        ("I;16", "16-bit grey"),
    ],
)
def test_mask_of_another_mode(mode: str, told: str, mask_export: Path, refusal: Refusal) -> None:
    Image.new("L", (12, 8)).convert(mode).save(mask_export / MASK)
    message = refusal(mask_export)
    assert f"not class ids (1): {MASK} ({told})" in message
    assert 'export it from Roboflow as "Semantic Segmentation Masks" again' in message


def test_grey_mask_of_four_bits(mask_export: Path, refusal: Refusal) -> None:
    """Pillow reads its id 1 as 17, a grey level."""
    palette = Image.new("L", (12, 8)).convert("P")
    palette.save(mask_export / MASK, bits=4)
    data = bytearray((mask_export / MASK).read_bytes())
    data[25] = 0  # the colour type: from palette to grey
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (mask_export / MASK).write_bytes(data)
    assert f"{MASK} (4-bit grey)" in refusal(mask_export)


def test_jpeg_by_the_name_of_a_mask(mask_export: Path, refusal: Refusal) -> None:
    Image.new("L", (12, 8)).save(mask_export / MASK, "JPEG")
    assert f"not class ids (1): {MASK} (JPEG)" in refusal(mask_export)


def test_webp_by_the_name_of_a_jpeg(mask_export: Path, refusal: Refusal) -> None:
    Image.new("RGB", (12, 8)).save(mask_export / IMAGE, "WEBP")
    message = refusal(mask_export)
    assert f"neither JPEG nor PNG inside (1): {IMAGE} (WEBP)" in message
    assert "convert them" in message


def test_mask_of_another_size(mask_export: Path, refusal: Refusal) -> None:
    Image.fromarray(np.ones((12, 8), np.uint8)).save(mask_export / MASK)
    message = refusal(mask_export)
    assert f"another size than their image (1): {MASK} (8x12, image 12x8)" in message
    assert "export both from Roboflow again" in message


def test_empty_mask_of_another_size_is_background(mask_export: Path) -> None:
    Image.new("L", (30, 20)).save(mask_export / MASK)
    export = read_export(mask_export)
    (note,) = export.notes
    assert f"(1), as Roboflow writes them for photos that nobody annotated: {MASK}" in note.text
    mask = read_mask(export.splits["train"][0])
    assert mask.shape == (8, 12)
    assert not mask.any()
    assert check_pixels(export)["train"].tolist() == [96 + 3 * 94, 3 * 2, 0]


@pytest.mark.parametrize("file", [IMAGE, PNG_IMAGE, MASK])
@pytest.mark.parametrize("kept", [0, 0.3, 0.7])
def test_truncated_file(file: str, kept: float, mask_export: Path, refusal: Refusal) -> None:
    data = (mask_export / file).read_bytes()
    (mask_export / file).write_bytes(data[: int(kept * len(data))])
    message = refusal(mask_export)
    assert f"Unreadable or truncated files (1): {file};" in message
    assert "replace them or download" in message


def test_mask_damaged_after_the_checks(mask_export: Path) -> None:
    example = read_export(mask_export).splits["train"][0]
    (mask_export / MASK).write_bytes((mask_export / MASK).read_bytes()[:40])
    with pytest.raises(UserError, match="Unreadable or truncated"):
        read_mask(example)


@pytest.mark.parametrize("cut", [1, 4, 8, 12, 16])
def test_png_without_its_end(cut: int, mask_export: Path, refusal: Refusal) -> None:
    """Pillow decodes these all the same, TensorFlow does not."""
    data = (mask_export / PNG_IMAGE).read_bytes()[:-cut]
    assert np.asarray(Image.open(io.BytesIO(data))).any()
    (mask_export / PNG_IMAGE).write_bytes(data)
    assert f"truncated files (1): {PNG_IMAGE}" in refusal(mask_export)


def test_damaged_png(mask_export: Path, refusal: Refusal) -> None:
    data = bytearray((mask_export / MASK).read_bytes())
    data[-20] ^= 255  # in the checksum of the pixels
    (mask_export / MASK).write_bytes(data)
    assert f"truncated files (1): {MASK}" in refusal(mask_export)


def test_png_with_changed_line_ends(mask_export: Path, refusal: Refusal) -> None:
    data = (mask_export / MASK).read_bytes()
    (mask_export / MASK).write_bytes(data.replace(b"\r\n", b"\n"))
    message = refusal(mask_export)
    assert f"first line end was changed (1): {MASK}" in message
    assert "download the export from Roboflow again" in message


def test_id_that_is_not_listed(mask_export: Path, refusal: Refusal) -> None:
    ids = np.zeros((8, 12), np.uint8)
    ids[0, :3] = 1, 3, 255
    for file in (MASK, "test/chest_jpg.rf.05_mask.png"):
        Image.fromarray(ids).save(mask_export / file)
    message = refusal(mask_export)
    assert "does not list (2)" in message
    assert f"{MASK} (id 3, 255), test/chest_jpg.rf.05_mask.png (id 3, 255)" in message
    assert "together again" in message
    assert "--ignore 255" in message


def test_masks_of_background_only(mask_export: Path, refusal: Refusal) -> None:
    for path in mask_export.glob("train/*_mask.png"):
        Image.new("L", (12, 8)).save(path)
    message = refusal(mask_export)
    assert "4 training masks hold no class but background" in message
    assert "annotate the photos" in message


def test_truncated_image_of_a_coco_export(coco_export: Path, refusal: Refusal) -> None:
    (coco_export / IMAGE).write_bytes((coco_export / IMAGE).read_bytes()[:-50])
    assert f"truncated files (1): {IMAGE}" in refusal(coco_export)
