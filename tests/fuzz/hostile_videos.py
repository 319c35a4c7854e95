"""Short videos of several kinds, whole and damaged."""

import functools
import io
import struct

import av
import numpy as np
from hostile_bytes import damaged
from hostile_pictures import encoded
from hypothesis import strategies as st

# Container, codec, pixel format.
KINDS = [
    ("mp4", "libx264", "yuv420p"),
    ("mov", "mpeg4", "yuv420p"),
    ("mov", "png", "rgba"),
    ("mov", "prores_ks", "yuv422p10le"),
    ("matroska", "libx264", "yuv444p"),
    ("matroska", "ffv1", "gray16le"),
    ("webm", "libvpx-vp9", "yuva420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "rawvideo", "bgr24"),
    ("mpeg", "mpeg1video", "yuv420p"),
    ("asf", "wmv2", "yuv420p"),
    ("gif", "gif", "rgb8"),
]
SIZES = [(32, 16), (33, 17), (2, 2), (1, 1), (16, 2_000)]
IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
PLAYLISTS = [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
    b"ffconcat version 1.0\nfile '../outside/film.mp4'\n",
    b"\x1b[31m colours of a terminal",
    b"<?xml version='1.0'?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>",
]


@functools.cache
def film(
    container: str, codec: str, pixels: str, width: int, height: int, frames: int = 4
) -> bytes:
    """A short film of noise; empty if the codec does not take the size."""
    file = io.BytesIO()
    random = np.random.default_rng(0)
    try:
        with av.open(file, "w", format=container) as output:
            stream = output.add_stream(codec, 25)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            for _ in range(frames):
                noise = random.integers(0, 256, (height, width, 3), np.uint8)
                output.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
            output.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError):
        return b""
    return file.getvalue()


@functools.cache
def sound() -> bytes:
    """An MP4 without a picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 44_100
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))
    return file.getvalue()


@st.composite
def videos(draw: st.DrawFn) -> bytes:
    """What lies in a file that is called a video."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(
            st.sampled_from([sound(), b"", *PLAYLISTS]) | encoded() | st.binary(max_size=99)
        )
    size = draw(st.sampled_from(SIZES))
    content = film(*draw(st.sampled_from(KINDS)), *size)
    if kind == 1 and IDENTITY in content:
        numbers = st.sampled_from([0, 1, -1, 1 << 16, -(1 << 16), 1 << 30, -(2**31), 2**31 - 1])
        matrix = struct.pack(">9i", *draw(st.lists(numbers, min_size=9, max_size=9)))
        return content.replace(IDENTITY, matrix)
    if kind == 2 and b"mdhd" in content:
        # Version, flags, two times, then units a second and length (ISO 14496-12, 8.4.2).
        place = content.index(b"mdhd") + 16
        scale = draw(st.sampled_from([0, 1, 2**31 - 1, 2**32 - 1, 3]))
        return content[:place] + struct.pack(">I", scale) + content[place + 4 :]
    if kind == 3 and b"stts" in content:
        place = content.index(b"stts") + 16  # how long the first frames last
        last = draw(st.sampled_from([0, 1, 2**31 - 1, 2**32 - 1]))
        return content[:place] + struct.pack(">I", last) + content[place + 4 :]
    return draw(damaged(content)) if kind > 4 and content else content
