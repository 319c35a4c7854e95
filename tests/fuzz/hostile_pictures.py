"""Photos and masks of every kind, whole and damaged."""

import functools
import io
import struct
import zlib

import numpy as np
from hostile_bytes import damaged
from hypothesis import strategies as st
from PIL import Image

from tf_muscle.roboflow.image_files import readable_formats

# Format -> the modes in which Pillow writes it.
MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["1", "L", "P"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"],
    "JPEG2000": ["L", "RGB", "RGBA"],
    "ICO": ["RGBA"],
    "PPM": ["L", "RGB"],
    "PDF": ["RGB"],
    "EPS": ["RGB"],
    "TGA": ["RGB"],
}
MODES |= {name: ["RGB", "RGBA"] for name in ("AVIF", "HEIF") if name in readable_formats()}
ANIMATED = ("PNG", "WEBP", "GIF", "TIFF")
SIZES = [(12, 8), (1, 1), (1, 8), (8, 1), (640, 480), (1, 30_000), (30_000, 1), (65_000, 2)]


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with its length and its checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


@functools.lru_cache(maxsize=64)
def png(width: int, height: int, depth: int = 8, colour: int = 0, rows: int | None = None) -> bytes:
    """A black PNG, also of sizes that no memory holds; with `rows`, only so many are in it."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    row = bytes(1 + -(-width * depth * channels // 8))
    packer = zlib.compressobj(9)
    rows = height if rows is None else rows
    pixels = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    ends = chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + ends


BOMBS = [
    functools.partial(png, 30_000, 30_000, 1),
    functools.partial(png, 30_000, 30_000, 8, 6, rows=3),
    functools.partial(png, 13_000, 13_000, 1),  # Pillow only warns of it
    functools.partial(png, 9_000, 7_200, 16, 6, rows=0),
    functools.partial(png, 9_000, 7_200, 8, 3, rows=100),
    functools.partial(png, 2**31 - 1, 2**31 - 1, 8, 0, rows=1),
    functools.partial(png, 0, 5, 8, 0, rows=1),
]


@st.composite
def encoded(draw: st.DrawFn) -> bytes:
    """A picture in order, of any format and mode."""
    image_format = draw(st.sampled_from(list(MODES)))
    mode = draw(st.sampled_from(MODES[image_format]))
    width, height = draw(st.sampled_from(SIZES[:3] * 4 + SIZES))
    count = 3 if image_format in ANIMATED and draw(st.integers(0, 3)) == 0 else 1
    random = np.random.default_rng(width)
    pictures = []
    for _ in range(count):
        noise = Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))
        if mode == "I;16":
            noise = Image.fromarray(np.asarray(noise.convert("L"), np.uint16) * 257)
        pictures.append(noise if mode == "I;16" else noise.convert(mode))
    options: dict = {}
    if count > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    if image_format in ("JPEG", "PNG", "WEBP", "TIFF") and draw(st.booleans()):
        exif = Image.Exif()
        exif[draw(st.sampled_from([0x0112, 0x0110, 0x8769, 0x8825, 0x927C]))] = draw(
            st.integers(0, 9) | st.sampled_from([2**32 - 1, "x", "6"])
        )
        try:
            options["exif"] = draw(
                damaged(exif.tobytes()) if draw(st.booleans()) else st.just(exif.tobytes())
            )
        except Exception:
            options["exif"] = draw(st.binary(max_size=60))
    if image_format == "PNG" and mode in ("1", "L", "P", "RGB") and draw(st.booleans()):
        options["transparency"] = (1, 2, 3) if mode == "RGB" else draw(st.sampled_from([0, 255]))
    if image_format == "TIFF" and mode != "F":
        options["compression"] = draw(
            st.sampled_from([None, "tiff_lzw", "tiff_deflate", "packbits"])
        )
    if image_format == "JPEG":
        options["progressive"] = draw(st.booleans())
    file = io.BytesIO()
    try:
        pictures[0].save(file, image_format, **options)
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, RuntimeError, SystemError):
        pictures[0].convert("RGB").save(file, "PNG")  # a size or mode that this format has not
    return file.getvalue()


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """What lies in a file that is called a picture."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from(BOMBS))()
    if kind == 1:
        return png(12, 8, draw(st.integers(0, 17)), draw(st.integers(0, 7)))
    content = draw(encoded())
    return draw(damaged(content)) if kind > 4 else content
