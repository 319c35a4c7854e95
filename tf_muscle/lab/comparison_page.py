"""The page of a comparison: one HTML file that needs no network and runs no script."""

import tempfile
from pathlib import Path

from PIL import Image

from tf_muscle.lab.comparison import LEAST, LEVEL, Compared, Comparison, Difference
from tf_muscle.lab.comparison_figure import STYLES, draw_compared
from tf_muscle.lab.session import Session
from tf_muscle.report.html_page import data_uri, rendered

NOTHING = "none"


def write_page(path: Path, found: Comparison) -> None:
    """Writes the page.

    Args:
        path: the HTML file.
        found: what it tells.
    """
    with tempfile.TemporaryDirectory() as folder:
        muscles = [_muscle(one, Path(folder) / "figure.png") for one in found.muscles]
    sessions = [
        _session(letter, color, one)
        for (letter, color, _), one in zip(STYLES, (found.a, found.b), strict=True)
    ]
    html = rendered(
        Path(__file__).with_name("comparison_page.html.jinja"),
        sessions=sessions,
        muscles=muscles,
        compared=len({one.muscle for one in found.both}),
        idle=found.idle,
        intervals=sum(one.low is not None for muscle in found.both for one in muscle.differences),
        level=f"{100 * LEVEL:.0f} %",
        least=LEAST,
    )
    path.write_text(html, encoding="utf-8", errors="backslashreplace")


def _session(letter: str, color: str, session: Session) -> dict[str, object]:
    return {
        "letter": letter,
        "color": color,
        "video": session.video,
        "folder": str(session.folder),
        "seconds": f"{session.seconds[-1] - session.seconds[0]:.1f}",
        "frames": f"{len(session.seconds):,}",
        "person": session.person,
    }


def _muscle(compared: Compared, picture: Path) -> dict[str, object]:
    with Image.open(draw_compared(compared, picture)) as image:
        figure = data_uri(image.convert("RGB"), "PNG")
    return {
        "name": compared.name,
        "count_a": len(compared.curves_a),
        "count_b": len(compared.curves_b),
        "figure": figure,
        "notes": compared.notes,
        "differences": [_row(one) for one in compared.differences],
    }


def _row(one: Difference) -> dict[str, str]:
    seconds = one.measure.unit == "s"
    unit = "s" if seconds else "pp"  # "+3 %" would be read as a part of A
    difference = interval = NOTHING
    if one.difference is not None:
        difference = f"{_digits(one.difference, seconds, '+')} {unit}"
    if one.low is not None and one.high is not None:
        interval = f"{_digits(one.low, seconds, '+')} to {_digits(one.high, seconds, '+')} {unit}"
    return {
        "label": one.measure.label,
        "mean_a": _mean(one.mean_a, one.count_a, seconds),
        "mean_b": _mean(one.mean_b, one.count_b, seconds),
        "difference": difference,
        "interval": interval,
    }


def _mean(value: float | None, count: int, seconds: bool) -> str:
    unit = "s" if seconds else "%"
    return NOTHING if value is None else f"{_digits(value, seconds)} {unit} ({count})"


def _digits(value: float, seconds: bool, sign: str = "-") -> str:
    """Two digits behind the point, of seconds or of percent: "1.25", "+3.10"."""
    scaled = value if seconds else 100 * value
    return format(round(scaled, 2) + 0.0, f"{sign}.2f")  # + 0.0: -0.0 would be "-0.00"
