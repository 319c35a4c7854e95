"""Photos that EXIF turns: their masks may lie on them as shown or as stored."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.reader import check_pixels, read_export, read_mask

Refusal = Callable[..., str]
PHOTO = "train/über.PNG"
MASK = "train/über_mask.png"
HEIGHT, WIDTH = 12, 8  # as shown, so that turned by 90 degrees it is stored as the fixtures are

# CIPA DC-008, 4.6.4: what is done to the picture as shown so that a viewer turns it back.
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
SIDEWAYS = (5, 6, 7, 8)


def muscle(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A mask that looks another way however it is turned."""
    mask = np.zeros((height, width), np.uint8)
    mask[1:4, 2:7] = 1
    mask[2:6, 2:4] = 2
    return mask


def write(path: Path, mask: np.ndarray, orientation: int) -> None:
    """A photo that is white on the biceps and grey on the calf of a mask, as viewers show it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = np.array([0, 255, 128], np.uint8)[mask]
    stored = np.ascontiguousarray(STORED[orientation](np.stack([photo] * 3, axis=-1)))
    Image.fromarray(stored).save(path, "PNG", exif=exif)


def assert_mask_lies_on_the_photo(root: Path) -> None:
    export = read_export(root)
    check_pixels(export)
    example = export.splits["train"][-1]
    assert example.image_path == root / PHOTO
    photo, mask = decode_photo(example.image_path)[..., 0], read_mask(example)
    assert mask.flags.c_contiguous
    assert mask.shape == photo.shape
    np.testing.assert_array_equal(mask, muscle(*mask.shape))
    np.testing.assert_array_equal(photo, np.array([0, 255, 128])[mask])


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
@pytest.mark.parametrize("as_stored", [False, True])
def test_mask_fits_by_its_size(orientation: int, as_stored: bool, mask_export: Path) -> None:
    write(mask_export / PHOTO, muscle(), orientation)
    mask = STORED[orientation](muscle()) if as_stored else muscle()
    Image.fromarray(np.ascontiguousarray(mask)).save(mask_export / MASK)
    assert_mask_lies_on_the_photo(mask_export)
    notes = [note.text for note in read_export(mask_export).notes if note.kind == "turned"]
    assert len(notes) == (as_stored and orientation != 1)
    assert all("(1): train/über.PNG; the masks are turned with them." in note for note in notes)


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
@pytest.mark.parametrize("as_stored", [False, True])
def test_outlines_fit_by_their_size(orientation: int, as_stored: bool, coco_export: Path) -> None:
    write(coco_export / PHOTO, muscle(), orientation)
    outlines(coco_export, STORED[orientation](muscle()) if as_stored else muscle())
    assert_mask_lies_on_the_photo(coco_export)


def outlines(root: Path, mask: np.ndarray) -> None:
    """Annotates the photo with the runs of a mask, column by column as COCO has them."""
    height, width = mask.shape
    path = root / "train" / "_annotations.coco.json"
    document = json.loads(path.read_text())
    (image,) = (entry for entry in document["images"] if entry["file_name"] == "über.PNG")
    image.update(height=height, width=width)
    regions = []
    for class_id in range(1, mask.max() + 1):
        inside = (mask == class_id).ravel(order="F").astype(int)
        edges = np.flatnonzero(np.diff(inside, prepend=0, append=0))
        counts = np.diff([0, *edges.tolist(), inside.size]).tolist()
        regions.append(
            {
                "id": 100 + class_id,
                "image_id": image["id"],
                "category_id": class_id,
                "segmentation": {"size": [height, width], "counts": counts},
            }
        )
    kept = [entry for entry in document["annotations"] if entry["image_id"] != image["id"]]
    path.write_text(json.dumps({**document, "annotations": kept + regions}))


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["mask_export", "coco_export"])
def test_mask_may_lie_either_way(
    orientation: int, kind: str, request: pytest.FixtureRequest, refusal: Refusal
) -> None:
    """Half turns and mirror images keep the size, and a square photo has only one."""
    root = request.getfixturevalue(kind)
    mask = muscle(WIDTH if orientation in SIDEWAYS else HEIGHT, WIDTH)
    write(root / PHOTO, mask, orientation)
    if kind == "mask_export":
        Image.fromarray(mask).save(root / MASK)
    else:
        outlines(root, mask)
    message = refusal(root)
    assert f"stored alike (1): {PHOTO} (orientation {orientation});" in message
    assert "Auto-Orient" in message
    assert "save the photos upright" in message


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["mask_export", "coco_export"])
@pytest.mark.parametrize("height", [WIDTH, HEIGHT])
def test_background_alone_lies_right_either_way(
    height: int, orientation: int, kind: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(kind)
    blank = np.zeros((height, WIDTH), np.uint8)
    write(root / PHOTO, blank, orientation)
    stored = STORED[orientation](blank)
    if kind == "mask_export":
        Image.fromarray(np.ascontiguousarray(stored)).save(root / MASK)
    else:
        outlines(root, stored)
    mask = read_mask(read_export(root).splits["train"][-1])
    assert mask.shape == (height, WIDTH)
    assert not mask.any()


def test_mask_of_neither_size(mask_export: Path, refusal: Refusal) -> None:
    write(mask_export / PHOTO, muscle(), 6)
    Image.fromarray(muscle(HEIGHT, 9)).save(mask_export / MASK)
    assert f"of another size than their image (1): {MASK} (9x12, image 12x8)" in refusal(
        mask_export
    )


def test_orientation_behind_the_pixels_of_a_png(mask_export: Path) -> None:
    """The PNG specification allows eXIf on either side of IDAT."""
    write(mask_export / PHOTO, muscle(), 6)
    data = (mask_export / PHOTO).read_bytes()
    start = data.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    end = data.index(b"IEND") - 4
    moved = data[:start] + data[stop:end] + data[start:stop] + data[end:]
    assert moved.index(b"eXIf") > moved.index(b"IDAT")
    (mask_export / PHOTO).write_bytes(moved)
    Image.fromarray(np.ascontiguousarray(STORED[6](muscle()))).save(mask_export / MASK)
    assert_mask_lies_on_the_photo(mask_export)
