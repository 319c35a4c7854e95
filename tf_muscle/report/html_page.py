"""HTML pages that need no network and run no script: their style, and the pictures in them."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from tf_muscle.report.overlays import overlay

THUMBNAIL = 288  # pixels of the longer side: sharp at 144 px on a screen of double density


def rendered(template: Path, **values: object) -> str:
    """Fills a page in.

    Args:
        template: of Jinja; it may include "page_style.css", the style of all pages.
        values: its names.

    Returns:
        HTML.
    """
    # A class or a file may have any name: autoescape keeps it from becoming markup.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**values)


def photo_thumbnail(photo: np.ndarray, mask: np.ndarray | None = None) -> str:
    """A small photo for an <img>, with a mask drawn on it if there is one.

    It is a JPEG: a hundred thumbnails as PNG would be 10 MB.

    Args:
        photo: RGB, uint8 [H, W, 3].
        mask: class ids, uint8 [H, W].
    """
    small = Image.fromarray(photo)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    if mask is not None:
        drawn = Image.fromarray(mask).resize(small.size, Image.Resampling.NEAREST)
        small = Image.fromarray(overlay(np.asarray(small), np.asarray(drawn)))
    return data_uri(small, "JPEG", quality=80)


def data_uri(image: Image.Image, image_format: str, **options: int) -> str:
    """A picture as the address of an <img>.

    Args:
        image: the picture.
        image_format: "JPEG" or "PNG".
        options: of Pillow's `save`.
    """
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{image_format.lower()};base64,{encoded}"
