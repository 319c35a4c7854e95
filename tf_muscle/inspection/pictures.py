"""Pictures of the page, as data URIs: it loads nothing from anywhere."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image

from tf_muscle.inspection.measure import ImageFacts, Survey
from tf_muscle.report.overlays import overlay
from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.pixels import read_mask

THUMBNAIL = 288  # pixels of the longer side: sharp at 144 px on a screen of double density
SHEET = 6  # photos of a class


def thumbnail(image: ImageFacts, class_ids: Sequence[int]) -> str:
    """A small photo with the masks of some classes, or of none, drawn on it.

    It is a JPEG: a hundred thumbnails as PNG would be 10 MB.
    """
    photo = Image.fromarray(decode_photo(image.example.image_path))
    photo.thumbnail((THUMBNAIL, THUMBNAIL))
    if class_ids:
        mask = Image.fromarray(read_mask(image.example))
        small = np.asarray(mask.resize(photo.size, Image.Resampling.NEAREST))
        drawn = np.where(np.isin(small, class_ids), small, 0)
        photo = Image.fromarray(overlay(np.asarray(photo), drawn))
    return _data_uri(photo, "JPEG", quality=80)


def heat_map(shares: np.ndarray) -> str:
    """Where a class lies: dark where never, bright where in most of its images.

    Args:
        shares: float [rows, columns], see `Survey.heat`; scaled to its own largest value.
    """
    scaled = shares / max(float(shares.max()), 1e-9)
    rgb = (colormaps["inferno"](scaled)[..., :3] * 255).astype(np.uint8)
    return _data_uri(Image.fromarray(rgb), "PNG")


def typical_images(survey: Survey, class_id: int) -> list[ImageFacts]:
    """Images of a class from the least of it to the most, at most `SHEET`, each photo once."""
    by_source = {
        image.example.source_name: image for image in survey.images if image.class_pixels[class_id]
    }
    ranked = sorted(by_source.values(), key=lambda one: one.class_shares[class_id])
    places = np.linspace(0, len(ranked) - 1, min(SHEET, len(ranked))).round().astype(int)
    return [ranked[place] for place in places]


def _data_uri(image: Image.Image, image_format: str, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{image_format.lower()};base64,{encoded}"
