from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.lines import Line2D
from PIL import Image, ImageDraw

from tf_muscle.report import lettering
from tf_muscle.report.figure_style import fitting, inches, legend_below, new_figure, save_figure

BICEPS, TRICEPS = "肱二头肌", "肱三头肌"
MUSCLE_EMOJI = "\N{FLEXED BICEPS}"


def forget_fonts() -> None:
    lettering._fallbacks.cache_clear()
    lettering._face_of.cache_clear()


@pytest.fixture
def no_other_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine that has only the fonts of matplotlib."""
    monkeypatch.setattr(lettering, "FALLBACKS", ())
    forget_fonts()
    yield
    forget_fonts()


@pytest.fixture
def square_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A font of the system that is newer than matplotlib's list; its letters are full squares."""
    pen = TTGlyphPen(None)
    for place, move in zip([(0, 0), (0, 1000), (1000, 1000), (1000, 0)], "mlll", strict=True):
        (pen.moveTo if move == "m" else pen.lineTo)(place)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(c): "square" for c in BICEPS + TRICEPS})
    builder.setupGlyf({".notdef": square, "square": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 0)})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path / "squares.ttf"
    builder.save(path)
    fonts = font_manager.fontManager
    monkeypatch.setattr(fonts, "ttflist", list(fonts.ttflist))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path)])
    monkeypatch.setattr(lettering, "FALLBACKS", ("Not installed", "Squares"))
    forget_fonts()
    yield
    forget_fonts()


def drawn(text: str, size: int = 20) -> np.ndarray:
    """Where a text of this size has ink, bool [40, 400]; it begins at 10 and stands on line 30."""
    image = Image.new("L", (400, 40), 255)
    lettering.draw_text(ImageDraw.Draw(image), (10, 30), text, size, "black")
    return np.asarray(image) < 128


@pytest.mark.usefixtures("no_other_fonts")
def test_classes_without_a_font_differ_by_their_numbers() -> None:
    names = ("background", BICEPS, TRICEPS, f"calf {MUSCLE_EMOJI}", "العضلة", "µ ≥ ½ é")
    assert lettering.class_labels(names) == [
        "background", "class 1: □□□□", "class 2: □□□□", "class 3: calf □", "العضلة", "µ ≥ ½ é",
    ]  # fmt: skip


@pytest.mark.usefixtures("no_other_fonts")
def test_what_is_not_seen_needs_no_font() -> None:
    assert lettering.drawable("e\u0301te\u0301 \u2067calf\U000e0041") == "e\u0301te\u0301 calf"
    assert lettering.class_labels(["background", "\u2067", "□"]) == ["background", "class 1: ", "□"]


@pytest.mark.usefixtures("square_font")
def test_a_font_of_the_system_is_used_by_pillow_and_matplotlib(tmp_path: Path) -> None:
    assert lettering.drawable(f"{BICEPS} é") == f"{BICEPS} é"
    assert lettering.families(f"{BICEPS} é") == ["DejaVu Sans", "Squares"]
    assert lettering.families("é") == ["DejaVu Sans"]
    assert lettering.text_width(BICEPS, 20) == 80
    assert drawn(BICEPS)[10:30, 10:90].all()
    figure = new_figure(BICEPS, 2, synthetic=False)
    with Image.open(save_figure(figure, tmp_path / "figure.png")) as image:
        dark = np.asarray(image.convert("L")) < 128
    assert dark.sum() == pytest.approx(4 * (12 / 72 * 160) ** 2, rel=0.1)  # four squares of 12 pt


@pytest.mark.parametrize("text", ["biceps", "W" * 60, "i" * 60, "long " * 2000, "e\u0301" * 40])
def test_fitted_keeps_both_ends_and_its_room(text: str) -> None:
    short = lettering.fitted(text, 200, 20)
    assert lettering.text_width(short, 20) <= 200
    assert drawn(short).any(axis=0).nonzero()[0].max() < 210
    if short != text:
        head, tail = short.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) > 2 < len(tail)
        assert lettering.text_width(short, 20) > 160  # no more is left out than has to be


def test_no_room_at_all() -> None:
    assert lettering.fitted("biceps", 1, 20) == "…"
    assert lettering.fitted("", 1, 20) == ""


@pytest.mark.parametrize("name", ["biceps brachii", "$x_1$ % \\frac{", "_W" * 30, "العضلة ذات"])
def test_matplotlib_draws_a_name_as_wide_as_it_was_measured(name: str) -> None:
    figure = new_figure("", 2, synthetic=False)
    text = figure.text(0.01, 0.5, fitting(name, 3, 10), fontsize=10)
    figure.draw_without_rendering()
    wide = text.get_window_extent().width / 160
    assert wide < 3
    if wide < 2.7:  # not shortened
        assert wide == pytest.approx(inches(name, 10), rel=0.1)


def test_a_legend_has_columns_and_the_figure_grows_with_its_lines() -> None:
    heights, columns = [], []
    for labels in ([], ["_a"] * 5, ["a"] * 9, ["long name " * 9] * 30):
        figure = new_figure("", 3, synthetic=False)
        figure.subplots()
        legend_below(figure, [Line2D([], [])] * len(labels), labels)
        heights.append(figure.get_figheight())
        columns += [legend._ncols for legend in figure.legends]
        for legend in figure.legends:
            assert len(legend.get_texts()) == len(labels)
    assert columns == [5, 9, 2]
    assert heights[:3] == [3, 3, 3]
    assert heights[3] == pytest.approx(3 + 14 * 1.7 * 10 / 72)


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 1, "0.0 %"),
        (0.0004, 1, "<0.1 %"),
        (0.001, 1, "0.1 %"),
        (0.1234, 1, "12.3 %"),
        (0.9996, 1, ">99.9 %"),
        (1.0, 1, "100.0 %"),
        (0.004, 0, "<1 %"),
        (0.996, 0, ">99 %"),
        (0.00004, 2, "<0.01 %"),
        (0.5, 2, "50.00 %"),
    ],
)
def test_shares_in_percent(share: float, digits: int, text: str) -> None:
    assert lettering.percent(share, digits) == text
