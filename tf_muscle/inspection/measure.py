"""One pass over the photos and masks of an export: what every statistic and check is made from.

An image is decoded, measured and forgotten, so that an export may be larger than the memory; of
each remain its `ImageInfo`, below a kilobyte.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import imagehash
import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import in_order, results
from tf_muscle.errors import printable
from tf_muscle.processor import this_processor
from tf_muscle.roboflow.image_files import UPRIGHT, decode_photo, open_image, orientation
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.records import SPLITS, VOID, Example, Export

BLOCK = 64  # images that a worker measures at a time
WAITING = 4  # threads that wait for the disk while one a core works, as Python's own default has
GRID = 32  # cells of a heat map across and down
HASH_SIZE = 16  # 256 bits: imagehash's 64 put different photos as close as 8 bits, see leakage.py
FLAT = 2.0  # grey levels: below this deviation only the noise of the JPEG would decide the hash

# A region of fewer than 4 pixels of a 256x256 photo, the size that the published model trains at:
# resizing to it loses such a region or makes it a dot. The smallest real muscle of the bundled
# sample has 15 of these pixels.
SPECK = 4 / 256**2

BORDER = 0.95  # of the outermost pixels; real scenes reach 0.90 with one class, inverted masks 1.0

# Edges of the histogram of mask sizes, as shares of the image: half decades from 0.001 percent.
SIZE_EDGES = 10.0 ** np.arange(-5, 0.5, 0.5)

T = TypeVar("T")


@dataclass(frozen=True)
class ImageInfo:
    """What is kept of one image.

    Attributes:
        split: where training puts it.
        example: the paths of its photo and mask.
        size: (width, height) in pixels.
        class_pixels: int64 [K], pixels of each class in its mask; unlabelled ones are left out.
        specks: connected regions (8 neighbours) that are smaller than `SPECK` of the image.
        border_class: the class on at least `BORDER` of the outermost pixels, 0 if none is.
        hashes: perceptual hashes of the photo and of its mirror image, uint64 [2, 4]; None for a
            photo of one colour, which looks like every other.
    """

    split: str
    example: Example
    size: tuple[int, int]
    class_pixels: np.ndarray
    specks: int
    border_class: int
    hashes: np.ndarray | None

    @property
    def class_shares(self) -> np.ndarray:
        """The share of each class in the labelled pixels, float [K]; 0 where none is labelled."""
        return self.class_pixels / max(self.class_pixels.sum(), 1)


@dataclass(frozen=True)
class Survey:
    """All that one pass over an export gives.

    Attributes:
        export: the `Export` that training reads.
        images: train, valid and test, each by file name.
        heat: float [K, GRID, GRID]: for each class the mean share of a cell that it covers, over
            the images that hold the class.
        size_counts: int64 [K, len(SIZE_EDGES) - 1]: images by the share that the class covers.
    """

    export: Export
    images: list[ImageInfo]
    heat: np.ndarray
    size_counts: np.ndarray

    def of(self, split: str) -> list[ImageInfo]:
        """The images of one split."""
        return [image for image in self.images if image.split == split]

    def class_pixels(self, split: str) -> np.ndarray:
        """Pixels of each class in one split, int64 [K]."""
        return np.sum([image.class_pixels for image in self.of(split)], axis=0)


def survey(export: Export, cluster: Cluster | None = None) -> Survey:
    """Measures every image of an export that passed `check_pixels`.

    Args:
        export: the images.
        cluster: whose workers measure a block each; None for this process.

    Raises:
        UserError: a mask is damaged.
    """
    class_count = len(export.class_names)
    everything = [(split, example) for split in SPLITS for example in export.splits.get(split, ())]
    blocks = [everything[start : start + BLOCK] for start in range(0, len(everything), BLOCK)]
    heat = np.zeros((class_count, GRID, GRID))
    size_counts = np.zeros((class_count, len(SIZE_EDGES) - 1), np.int64)
    images: list[ImageInfo] = []
    make = partial(_measurer, class_count)
    measured = in_order(results(blocks, make, cluster, _name_of_block))
    for block in _with_progress(measured, len(blocks)):
        images += block.images
        heat += block.heat
        size_counts += block.size_counts
    holders = size_counts.sum(axis=1)[:, None, None]
    return Survey(export, images, heat / np.maximum(holders, 1), size_counts)


@dataclass(frozen=True)
class _Measured:
    """What is kept of a block of images; `heat` is a sum, not a mean."""

    images: list[ImageInfo]
    heat: np.ndarray
    size_counts: np.ndarray


def _name_of_block(block: Sequence[tuple[str, Example]]) -> str:
    first, last = (printable(f"{split}/{one.file_name}") for split, one in (block[0], block[-1]))
    return f"{first} to {last}"


def _measurer(class_count: int) -> Callable[[Sequence[tuple[str, Example]]], _Measured]:
    return partial(_measure_block, class_count)


def _measure_block(class_count: int, places: Sequence[tuple[str, Example]]) -> _Measured:
    images: list[ImageInfo] = []
    heat = np.zeros((class_count, GRID, GRID))
    size_counts = np.zeros((class_count, len(SIZE_EDGES) - 1), np.int64)
    threads = this_processor().threads + WAITING
    with ThreadPoolExecutor(threads) as pool:  # Pillow decodes outside the interpreter lock
        for image, cells in pool.map(partial(_measure, class_count=class_count), places):
            images.append(image)
            heat += cells
            shares = image.class_shares
            for class_id in np.flatnonzero(shares):
                # A class on the whole image belongs into the last bin, as in numpy.histogram; one
                # below the first edge, into the first.
                bin_number = np.searchsorted(SIZE_EDGES, shares[class_id], side="right") - 1
                size_counts[class_id, np.clip(bin_number, 0, len(SIZE_EDGES) - 2)] += 1
    return _Measured(images, heat, size_counts)


def _with_progress(results: Iterable[T], total: int) -> Iterable[T]:
    """A bar on the terminal, gone when it is full."""
    console = Console(stderr=True)
    return track(
        results,
        "Looking at the images",
        total,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _measure(place: tuple[str, Example], class_count: int) -> tuple[ImageInfo, np.ndarray]:
    """What is kept of one image, and the share of each cell that each class covers."""
    split, example = place
    mask = read_mask(example)
    class_pixels, cells = _count_cells(mask, class_count)
    height, width = mask.shape
    info = ImageInfo(
        split=split,
        example=example,
        size=(width, height),
        class_pixels=class_pixels,
        specks=count_specks(mask),
        border_class=border_class(mask),
        hashes=perceptual_hashes(example),
    )
    return info, cells


def _count_cells(mask: np.ndarray, class_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels by class, int64 [K], and by class and cell as a share of the cell."""
    rows, columns = (np.arange(length) * GRID // length for length in mask.shape)
    cell = rows[:, None] * GRID + columns  # [H, W]
    index = mask.astype(np.int64) * GRID**2 + cell
    counts = np.bincount(index[mask != VOID], minlength=class_count * GRID**2)
    counts = counts.reshape(class_count, GRID, GRID)
    return counts.sum(axis=(1, 2)), counts / np.maximum(counts.sum(axis=0), 1)


def count_specks(mask: np.ndarray) -> int:
    """Counts the connected regions of a class that are smaller than `SPECK` of the image.

    Args:
        mask: class ids, uint8 [H, W].
    """
    found = 0
    for class_id, box in enumerate(ndimage.find_objects(mask), start=1):
        if box is not None and class_id != VOID:
            labels, _ = ndimage.label(mask[box] == class_id, structure=np.ones((3, 3)))
            found += int(np.sum(np.bincount(labels.ravel())[1:] < SPECK * mask.size))
    return found


def border_class(mask: np.ndarray) -> int:
    """The class that lies all round the border of a mask, 0 if none or the background does."""
    ring = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    counts = np.bincount(ring)
    commonest = int(np.argmax(counts))
    return commonest if counts[commonest] >= BORDER * ring.size and commonest != VOID else 0


def perceptual_hashes(example: Example) -> np.ndarray | None:
    """Hashes of the photo and of its mirror image, uint64 [2, 4]; None if it is flat."""
    with open_image(example.image_path) as image:
        if image.format == "PNG":
            grey = Image.fromarray(decode_photo(example.image_path)).convert("L")
        else:
            image.draft("L", (256, 256))  # decodes no more of a JPEG than the hash can see
            turn = UPRIGHT.get(orientation(image))
            grey = image.convert("L")
            grey = grey if turn is None else grey.transpose(turn)
    return photo_hashes(grey)


def photo_hashes(photo: Image.Image) -> np.ndarray | None:
    """As `perceptual_hashes`, of a picture in memory, upright."""
    grey = photo.convert("L")
    if np.asarray(grey.resize((64, 64))).std() < FLAT:
        return None
    bits = [
        imagehash.phash(one, hash_size=HASH_SIZE).hash.ravel()
        for one in (grey, ImageOps.mirror(grey))
    ]
    return np.packbits(bits, axis=1).view(np.uint64)
