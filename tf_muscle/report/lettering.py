"""Names in pictures: fonts that have their letters, and names shortened to the room they have.

matplotlib and Pillow both draw in DejaVu Sans, which comes with matplotlib and has Latin, Greek,
Cyrillic, Arabic and Hebrew letters, but no Chinese, Japanese, Korean or Indic ones. Those are taken
from the first font of `FALLBACKS` that is installed; a letter that none of them has is drawn as □.
"""

import functools
import itertools
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

OWN = "DejaVu Sans"
# Of Linux, macOS and Windows; emoji last, since they hold digits, too.
FALLBACKS = (
    *("Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans SC", "Noto Sans JP"),
    *("Noto Sans KR", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Hiragino Sans GB", "PingFang SC", "Heiti TC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "Nirmala UI", "Leelawadee UI"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu"),
    *("Noto Sans Thai", "Lohit Devanagari", "FreeSans", "Unifont"),
    *("Noto Emoji", "Symbola", "Segoe UI Symbol", "Segoe UI Emoji"),
)
MISSING = "□"
ELLIPSIS = "…"


@dataclass(frozen=True)
class Face:
    """A font file and the code points that it can draw."""

    family: str
    path: str
    index: int
    letters: frozenset[int]


def drawable(text: str) -> str:
    """The text with □ for each letter that no font here has; an invisible one is left out."""
    return "".join(
        c if _face_of(c) else "" if unicodedata.category(c) in ("Cf", "Mn", "Me") else MISSING
        for c in text
    )


def class_labels(class_names: Sequence[str]) -> list[str]:
    """What pictures call each class, [K]; the index is the class id.

    It is the class's name, but for "class 2: □□" where a font is missing: names that differ still
    do, and the number is the one in masks and `_classes.csv`.
    """
    labels = []
    for class_id, name in enumerate(class_names):
        label = drawable(name)
        missing = label.count(MISSING) > name.count(MISSING) or not label.strip()
        labels.append(f"class {class_id}: {label}" if missing else label)
    return labels


def percent(share: float, digits: int = 1) -> str:
    """A share in percent, such as "12.3 %"; "<0.1 %" and ">99.9 %" for what rounds to none or all.

    Args:
        share: 0 to 1.
        digits: behind the point.
    """
    least = 10.0 ** -(digits + 2)
    sign, shown = "", share
    if 0 < share < least:
        sign, shown = "<", least
    elif 1 - least < share < 1:
        sign, shown = ">", 1 - least
    return f"{sign}{100 * shown:.{digits}f} %"


def families(text: str) -> list[str]:
    """The font families that matplotlib needs for a text, in the order in which it tries them."""
    faces = {face.family for c in text if (face := _face_of(c))}
    return [OWN, *(family for family in FALLBACKS if family in faces)]


def text_width(text: str, size: int) -> float:
    """How wide `draw_text` draws a text, in pixels.

    Args:
        text: one line that `drawable` gave.
        size: height of the font in pixels.
    """
    return sum(_font(face, size).getlength(run) for face, run in _runs(text))


def fitted(text: str, room: float, size: int) -> str:
    """Replaces the middle of a text by an ellipsis if it is wider than its room.

    Its end stays, which often is all that tells a name from others ("... left", "... 2").

    Args:
        text: one line that `drawable` gave.
        room: in pixels.
        size: height of the font in pixels.
    """
    most = int(4 * room / size)  # letters: the narrowest take a quarter of the font's size
    if len(text) <= most and text_width(text, size) <= room:
        return text
    for kept in range(min(len(text) - 1, most), 0, -1):
        head, tail = text[: (kept + 1) // 2], text[len(text) - kept // 2 :]
        while tail and unicodedata.combining(tail[0]):
            tail = tail[1:]
        short = f"{head.rstrip()}{ELLIPSIS}{tail.lstrip()}"
        if text_width(short, size) <= room:
            return short
    return ELLIPSIS


def draw_text(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, color: str
) -> None:
    """Draws a text with Pillow, each letter in the first font that has it.

    Args:
        draw: draws on the picture.
        place: x and y in pixels, of the left end and the baseline.
        text: one line that `drawable` gave.
        size: height of the font in pixels.
        color: the text's, such as "#222222".
    """
    x, y = place
    for face, run in _runs(text):
        font = _font(face, size)
        draw.text((x, y), run, fill=color, font=font, anchor="ls")
        x += font.getlength(run)


def _runs(text: str) -> list[tuple[Face, str]]:
    """The text in pieces of one font each."""
    faces: list[Face] = []
    for c in text:
        before = faces[-1] if faces else _own()
        joined = unicodedata.combining(c) and ord(c) in before.letters
        faces.append(before if joined else _face_of(c) or _own())
    pairs = itertools.groupby(zip(faces, text, strict=True), key=lambda pair: pair[0].path)
    pieces = [list(group) for _, group in pairs]
    return [(piece[0][0], "".join(c for _, c in piece)) for piece in pieces]


@functools.lru_cache(maxsize=4096)
def _face_of(letter: str) -> Face | None:
    if ord(letter) in _own().letters:
        return _own()
    return next((face for face in _fallbacks() if ord(letter) in face.letters), None)


@functools.cache
def _own() -> Face:
    return _face(OWN)


@functools.cache
def _fallbacks() -> tuple[Face, ...]:
    """Those that are installed, even after matplotlib has made its list of fonts."""
    manager = font_manager.fontManager
    listed = {str(entry.fname) for entry in manager.ttflist}
    for path in font_manager.findSystemFonts():
        if str(path) not in listed:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError) as error:  # one that FreeType cannot read
                logging.getLogger(__name__).debug("%s: %s", path, error)
    installed = set(manager.get_font_names())
    return tuple(_face(family) for family in FALLBACKS if family in installed)


def _face(family: str) -> Face:
    path = font_manager.findfont(font_manager.FontProperties(family=[family]))
    letters = frozenset(FT2Font(path).get_charmap())
    return Face(family, str(path), getattr(path, "face_index", 0), letters)


@functools.lru_cache(maxsize=64)
def _font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(face.path, size, index=face.index)
