"""The page of a review: one HTML file that needs no network and runs no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tf_muscle.labelling.doubt import Kind
from tf_muscle.labelling.ranking import DoubtfulPhoto, Region, Review
from tf_muscle.report.html_page import photo_thumbnail, rendered
from tf_muscle.report.overlays import css_colors
from tf_muscle.report.photo_sheets import photo_label

NAMED = 4  # regions of a photo that are told and framed; the table has them all
BESIDE = 0.25  # of the photo's highest score: what is less doubtful would distract from it
FRAME = 1 / 96  # width of a frame, in the photo's longer side: 3 pixels of a thumbnail

SENTENCES: dict[Kind, str] = {
    "missed": "missed muscle: {predicted} is predicted, nothing is annotated",
    "marked": "marked although the model sees none: {annotated} is annotated, none is predicted",
    "wrong class": "wrong class: {annotated} is annotated, {predicted} is predicted",
    "ragged edge": "ragged edge: {annotated} is annotated, {predicted} is predicted",
}


@dataclass(frozen=True)
class RegionText:
    """A region as the page tells of it: a sentence, its size and score as text, its colour."""

    sentence: str
    pixels: str
    score: str
    color: str


@dataclass(frozen=True)
class Pictured:
    """A photo on the page; the pictures are addresses for <img>."""

    label: str
    caption: str
    kind: Kind
    score: str
    photo: str
    annotated: str
    predicted: str
    regions: tuple[RegionText, ...]
    more: int


def picture(
    photo: DoubtfulPhoto,
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
) -> Pictured:
    """Draws what the page shows of a photo.

    Args:
        photo: with its doubtful regions.
        image: RGB, uint8 [H, W, 3].
        mask: the annotation, uint8 [H, W].
        class_ids: the prediction, uint8 [H, W].
        class_names: K names.
    """
    named = [one for one in photo.regions[:NAMED] if one.score >= BESIDE * photo.score]
    framed = _framed(image, named)
    label = photo.name.encode("utf-8", "backslashreplace").decode()
    folder, _, file = label.partition("/")
    return Pictured(
        label,
        f"{folder}/{photo_label(file)}",
        photo.regions[0].kind,
        f"{photo.score:.2f}",
        photo=photo_thumbnail(framed),
        annotated=photo_thumbnail(image, mask),
        predicted=photo_thumbnail(image, class_ids),
        regions=tuple(_region_text(region, class_names) for region in named),
        more=len(photo.regions) - len(named),
    )


def _region_text(region: Region, class_names: Sequence[str]) -> RegionText:
    sentence = SENTENCES[region.kind].format(
        annotated=class_names[region.annotated], predicted=class_names[region.predicted]
    )
    color = css_colors(len(class_names))[region.class_id]
    return RegionText(sentence, f"{region.pixels:,}", f"{region.score:.2f}", color)


def _framed(image: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """The photo with a box around each region, white on black so that it is seen on any photo."""
    framed = Image.fromarray(image)
    draw = ImageDraw.Draw(framed)
    line = max(1, round(FRAME * max(image.shape)))
    for region in regions:
        right, bottom = region.left + region.width - 1, region.top + region.height - 1
        box = np.array([region.left, region.top, right, bottom])
        for color, outset in (("black", 3 * line), ("white", 2 * line)):
            grown = box + np.array([-1, -1, 1, 1]) * outset
            width = line * (3 if color == "black" else 1)
            draw.rectangle(tuple(grown.tolist()), outline=color, width=width)
    return np.asarray(framed)


def write_page(
    path: Path, pictured: Sequence[Pictured], found: Review, *, title: str, synthetic: bool
) -> None:
    """Writes the page.

    Args:
        path: the HTML file.
        pictured: the most doubtful photos.
        found: all of them.
        title: the export, as the user calls it.
        synthetic: its photos are rendered.
    """
    counts: dict[Kind, int] = {}
    for photo in found.photos:
        kind = photo.regions[0].kind
        counts[kind] = counts.get(kind, 0) + 1
    html = rendered(
        Path(__file__).with_name("review_page.html.jinja"),
        title=title,
        synthetic=synthetic,
        photos=pictured,
        counts={kind: counts[kind] for kind in SENTENCES if kind in counts},
        doubtful=len(found.photos),
        reviewed=found.reviewed,
        skipped=[f"{name}: {why}" for name, why in found.skipped.items()],
    )
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
