"""The page of suggestions: each picture with its mask and why it was chosen."""

from collections.abc import Sequence
from pathlib import Path

from tf_muscle.labelling.suggested_folder import Written
from tf_muscle.labelling.suggestions import place_label
from tf_muscle.report.html_page import rendered
from tf_muscle.report.lettering import percent
from tf_muscle.report.overlays import css_colors


def write_page(
    path: Path,
    written: Sequence[Written],
    class_names: Sequence[str],
    model: str,
    sentences: Sequence[str],
) -> None:
    """Writes the page, one HTML file that needs no network and runs no script.

    Args:
        path: the HTML file.
        written: the suggestions, the first choice first.
        class_names: K names.
        model: as the user called it.
        sentences: what was looked at, what is labelled, and what was left out.
    """
    colors = css_colors(len(class_names))
    html = rendered(
        Path(__file__).with_name("suggest_page.html.jinja"),
        model=model,
        sentences=sentences,
        classes=list(zip(class_names[1:], colors[1:], strict=True)),
        suggestions=[_shown(one, class_names) for one in written],
    )
    path.write_text(html, encoding="utf-8", errors="backslashreplace")


def _shown(one: Written, class_names: Sequence[str]) -> dict[str, object]:
    """What the template shows of a suggestion."""
    suggestion = one.suggestion
    uncertainty = suggestion.candidate.uncertainty
    numbers = {
        "entropy near muscle": uncertainty.entropy,
        "disagreement of the folds": uncertainty.disagreement,
        "flicker": uncertainty.flicker,
        "distance to what is labelled or chosen": suggestion.distance,
    }
    areas = zip(class_names[1:], suggestion.candidate.areas.tolist(), strict=True)
    return {
        "rank": suggestion.rank,
        "label": place_label(suggestion.candidate.place),
        "name": one.name,
        "photo": one.photo,
        "marked": one.marked,
        "reason": suggestion.reason,
        "active": bool(suggestion.candidate.areas.any()),
        "numbers": [
            *((name, f"{value:.3f}") for name, value in numbers.items() if value is not None),
            *((f"{name}, area", percent(area)) for name, area in areas),
        ],
    }
