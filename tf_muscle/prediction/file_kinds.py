"""What a file is by its first bytes, whatever its name."""

import os
from pathlib import Path
from typing import BinaryIO, Literal

from tf_muscle.roboflow.image_files import (
    ANIMATED,
    AVIF,
    HEIF,
    UnreadableImageError,
    has_more,
    open_image,
    readable_formats,
)

Content = Literal["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "video"]

HEAD = 4096  # bytes; Ogg names its codec within the first of its pages
TS_PACKETS = 5  # whose first bytes show MPEG-TS
TS_SIZES = (188, 192, 204)  # plain, with a time before it (M2TS), with error correction
PHOTO_STARTS: tuple[tuple[bytes, Content], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # with places of 64 bits
    (b"MM\0+", "TIFF"),
)
VIDEO_STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV
    b"FLV\x01",
    b"\0\0\1\xba",  # MPEG program stream
    b"\0\0\1\xb3",  # MPEG video
)
RIFF: dict[bytes, Content] = {b"WEBP": "WEBP", b"AVI ": "video"}
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes
OGG_VIDEO = (b"\x80theora", b"OVP80")
# The first box of films that are older than ftyp.
QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
# Major brands of ISO base media files (ISO 14496-12, 23000-22, 23008-12).
AVIF_BRANDS = {b"avif", b"avis", b"MA1A", b"MA1B"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
HEIF_BRANDS |= {b"mif1", b"mif2", b"msf1", b"miaf", b"1pic", b"MiHA", b"MiHB", b"MiHE"}
# Sound, and Canon's raw files.
OTHER_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"crx "}

WAYS_OUT = {  # of formats that this installation may not read
    HEIF: "python -m pip install pillow-heif, or convert to JPEG",
    AVIF: "python -m pip install --upgrade pillow, or convert to JPEG",
}


def content_of(path: os.PathLike[str]) -> Content | None:
    """The photo format (Pillow's name) or "video"; None if it is neither or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return content_of_bytes(file.read(HEAD))
    except OSError:
        return None


def content_of_bytes(head: bytes) -> Content | None:
    """`content_of` the first `HEAD` bytes of a file."""
    for start, photo_format in PHOTO_STARTS:
        if head.startswith(start):
            return photo_format
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "BMP"
    if head.startswith(b"RIFF"):
        return RIFF.get(head[8:12])
    if head[:1] < b" " and len(head) >= 12:  # a box's length, which no text begins with
        if head[4:8] == b"ftyp":
            return _of_brands(head)
        if head[4:8] in QUICKTIME:
            return "video"
    if head.startswith(b"OggS") and any(codec in head for codec in OGG_VIDEO):
        return "video"
    return "video" if head.startswith(VIDEO_STARTS) or _is_transport_stream(head) else None


def is_readable(content: Content) -> bool:
    """Whether this installation can decode it."""
    return content == "video" or content in readable_formats()


def is_animation(path: os.PathLike[str]) -> bool:
    """Whether a file is a GIF, WebP, PNG or AVIF of several frames."""
    return content_of(path) in ANIMATED and holds_frames(path)


def holds_frames(file: os.PathLike[str] | BinaryIO) -> bool:
    """Whether an image of a format in which several pictures are frames has several."""
    try:
        with open_image(file) as image:
            return has_more(image)
    except UnreadableImageError:
        return False


def _of_brands(head: bytes) -> Content | None:
    size = int.from_bytes(head[:4], "big")
    major = head[8:12]
    brands = {head[i : i + 4] for i in range(8, min(size, len(head)), 4) if i != 12}
    if major in AVIF_BRANDS or (major in HEIF_BRANDS and brands & AVIF_BRANDS):
        return "AVIF"
    if major in HEIF_BRANDS:
        return "HEIF"
    return None if major in OTHER_BRANDS else "video"


def _is_transport_stream(head: bytes) -> bool:
    """Whether the byte of synchronisation, 0x47, stands before each of the first packets."""
    return any(
        head[start : start + size * TS_PACKETS : size] == b"G" * TS_PACKETS
        for size in TS_SIZES
        for start in range(size)
    )
