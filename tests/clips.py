"""Photos and clips of light that comes and goes, and what `predict` makes of them by file."""

from pathlib import Path

import numpy as np
from PIL import Image
from predicting import write_video


def write_sources(folder: Path, photos: int, clips: int, size: tuple[int, int] = (32, 24)) -> Path:
    """Photos, of which the second is damaged and the third called like a frame, and clips."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(photos):
        small = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        name = "clip_0_mp4-000003" if i == 2 else f"{i:03}"
        small.resize(size).save(folder / f"{name}.png")
    (folder / "001.png").write_bytes((folder / "000.png").read_bytes()[:100])
    for i in range(clips):
        write_video(folder / f"clip_{i}.mp4", 12 + i)
    return folder


def tables(out: Path) -> dict[str, bytes]:
    """Every file of a results folder but its films, by name."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".mp4"
    }


def films(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.mp4")}
