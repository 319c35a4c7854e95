"""Reading masks, and the checks for which image and mask files have to be opened."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from tf_muscle.data.image_files import (
    MAX_PIXELS,
    LargeImageError,
    UnreadableImageError,
    open_image,
)
from tf_muscle.data.outlines import rasterise
from tf_muscle.data.records import Example, Export, Outlines
from tf_muscle.data.split_folder import COCO_FILE, shown
from tf_muscle.errors import UserError, listed

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB\x60\x82"  # the last chunk's name and checksum
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
LARGE = 16_000_000  # pixels; images above it are decoded one at a time, which bounds the memory

LINE_ENDS = (
    "PNG files whose first line end was changed ({count}): {files}; something took them for text, "
    "as git does without `*.png binary` in .gitattributes, so download the export from Roboflow "
    "again."
)
UNREADABLE = (
    "Unreadable or truncated files ({count}): {files}; replace them or download the export from "
    "Roboflow again."
)
TOO_LARGE = (
    f"Images of more than {MAX_PIXELS:,} pixels ({{count}}): {{files}}; have Roboflow resize them "
    "when it exports."
)
NOT_PHOTO = (
    "Images that are neither JPEG nor PNG inside ({count}): {files}; export them from Roboflow "
    "again, which writes JPEG, or convert them."
)
NOT_IDS = (
    "Masks whose pixels are not class ids ({count}): {files}; a mask is an 8-bit grey or a palette "
    'PNG, so export it from Roboflow as "Semantic Segmentation Masks" again.'
)
MASK_SIZE = (
    "Masks of another size than their image ({count}): {files}; export both from Roboflow again, "
    "with Auto-Orient if the photos come from a phone."
)
LISTED_SIZE = (
    "Images of another size than " + COCO_FILE + " beside them says ({count}): {files}; export "
    "both from Roboflow again, with Auto-Orient if the photos come from a phone."
)
UNLISTED_IDS = (
    "Masks with class ids that _classes.csv does not list ({count}): {files}; export masks and "
    "class list from Roboflow together again."
)

T = TypeVar("T")
_one_large = threading.Lock()


class _BadFileError(UserError):
    """One file fails a check: the sentence to complete, and how to name the file in it."""

    def __init__(self, sentence: str, file: str) -> None:
        super().__init__(sentence.format(count=1, files=file))
        self.sentence = sentence
        self.file = file


def read_mask(example: Example) -> np.ndarray:
    """Reads or draws the mask of an example from an export that passed `read_export`.

    Returns:
        uint8 [H, W] class ids. A palette PNG gives its indices, never its colours.

    Raises:
        UserError: the mask is truncated or damaged.
    """
    if isinstance(example.mask, Outlines):
        return rasterise(example.mask)
    return np.asarray(_decode(example.mask), np.uint8)


def check_headers(
    splits: Mapping[str, Sequence[Example]],
) -> tuple[dict[str, tuple[Example, ...]], list[str]]:
    """Compares formats and sizes of images and masks, and decodes only what seems odd.

    For a photo that nobody annotated, Roboflow writes an empty mask in the size of the upload
    though it has resized the photo. Such a mask is replaced by one of the photo's size.

    Returns:
        The examples, and the names of the masks that were replaced.

    Raises:
        UserError: a file is no image at all, an image is neither JPEG nor PNG, a mask does not hold
            ids, or a mask's size (or the size that the annotations name) is not its image's.
    """
    checked = _check_each(_check_header, splits)
    replaced = [
        shown(before.mask)
        for split, examples in splits.items()
        for before, after in zip(examples, checked[split], strict=True)
        if isinstance(before.mask, Path) and before != after
    ]
    return {split: tuple(examples) for split, examples in checked.items()}, replaced


def check_pixels(export: Export) -> dict[str, np.ndarray]:
    """Decodes every image and mask once.

    Returns:
        For each split, int64 [n_classes]: the pixels of each class.

    Raises:
        UserError: a file is truncated or damaged, a mask holds an id that the class list does not,
            or the training masks hold background only.
    """
    count = partial(_count_pixels, n_classes=len(export.class_names))
    counts = {
        split: np.stack(per_image).sum(axis=0)
        for split, per_image in _check_each(count, export.splits).items()
    }
    if len(counts) > 1 and not counts["train"][1:].any():  # one alone is only scored
        raise UserError(
            f"The {len(export.splits['train'])} training masks hold no class but background, so "
            "there is nothing to learn; annotate the photos in Roboflow and export them again."
        )
    return counts


def _check_each(
    check: Callable[[Example], T], splits: Mapping[str, Sequence[Example]]
) -> dict[str, list[T]]:
    """Calls `check` on every example; further kinds of problems are notes of the error raised."""

    def attempt(example: Example) -> T | _BadFileError:
        try:
            return check(example)
        except _BadFileError as error:
            return error

    results: dict[str, list[T]] = {split: [] for split in splits}
    problems: dict[str, list[str]] = defaultdict(list)
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock
        for split, examples in splits.items():
            for outcome in pool.map(attempt, examples):
                if isinstance(outcome, _BadFileError):
                    problems[outcome.sentence].append(outcome.file)
                else:
                    results[split].append(outcome)
    if problems:
        first, *others = (
            UserError(sentence.format(count=len(files), files=listed(files)))
            for sentence, files in problems.items()
        )
        for other in others:
            first.add_note(str(other))
        raise first
    return results


def _check_header(example: Example) -> Example:
    image_format, size, _ = _read_header(example.image_path)
    if image_format not in ("JPEG", "MPO", "PNG"):  # MPO: a JPEG with a preview behind it
        raise _BadFileError(NOT_PHOTO, f"{shown(example.image_path)} ({image_format})")
    if isinstance(example.mask, Outlines):
        listed_size = example.mask.width, example.mask.height
        if size != listed_size:
            told = f"{shown(example.image_path)} ({_by(size)}, listed as {_by(listed_size)})"
            raise _BadFileError(LISTED_SIZE, told)
        return example
    mask_format, mask_size, kind = _read_header(example.mask)
    if mask_format != "PNG":
        raise _BadFileError(NOT_IDS, f"{shown(example.mask)} ({mask_format})")
    # Pillow spreads 1-, 2- and 4-bit grey over 0 to 255, which would turn ids into grey levels.
    depth, colour = kind
    if colour != 3 and (colour, depth) != (0, 8):
        raise _BadFileError(NOT_IDS, f"{shown(example.mask)} ({depth}-bit {PNG_COLOURS[colour]})")
    if mask_size == size:
        return example
    if read_mask(example).any():
        told = f"{shown(example.mask)} ({_by(mask_size)}, image {_by(size)})"
        raise _BadFileError(MASK_SIZE, told)
    width, height = size
    return replace(example, mask=Outlines(height, width, segments=()))


def _read_header(path: Path) -> tuple[str | None, tuple[int, int], bytes]:
    """Reads an image's format, (width, height) and, for a PNG, bit depth and colour type."""
    with path.open("rb") as file:
        start = file.read(26)
        if start[1:4] == b"PNG" and not start.startswith(PNG_SIGNATURE):
            raise _BadFileError(LINE_ENDS, shown(path))
        file.seek(0)
        try:
            with open_image(file) as image:
                if image.format == "PNG" and start[12:16] != b"IHDR":
                    raise OSError("another chunk is before the header")
                return image.format, image.size, start[24:]
        except UnreadableImageError as error:
            raise _bad_file(path, error) from error


def _count_pixels(example: Example, n_classes: int) -> np.ndarray:
    _decode(example.image_path)
    # np.bincount would take nine bytes for each pixel.
    counts = np.array(Image.fromarray(read_mask(example)).histogram())
    unlisted = [str(class_id) for class_id in np.flatnonzero(counts) if class_id >= n_classes]
    if unlisted and isinstance(example.mask, Path):
        raise _BadFileError(UNLISTED_IDS, f"{shown(example.mask)} (id {listed(unlisted)})")
    return counts[:n_classes]


def _decode(path: Path) -> Image.Image:
    data = path.read_bytes()
    try:
        if data.startswith(PNG_SIGNATURE):
            # Pillow decodes PNGs with a wrong checksum or no end, which TensorFlow then refuses.
            with open_image(BytesIO(data)) as image:
                image.verify()
                if PNG_END not in data:
                    raise OSError("no IEND chunk")
        with open_image(BytesIO(data)) as image:
            with _one_large if image.width * image.height > LARGE else nullcontext():
                image.load()
            return image
    except UnreadableImageError as error:
        raise _bad_file(path, error) from error


def _bad_file(path: Path, error: UnreadableImageError) -> _BadFileError:
    if isinstance(error, LargeImageError):
        return _BadFileError(TOO_LARGE, f"{shown(path)} ({error})")
    return _BadFileError(UNREADABLE, shown(path))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
