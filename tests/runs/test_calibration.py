import json
from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.runs.calibration import Calibration, read_calibration

NAMES = ("background", "biceps", "calf")
CHOSEN = Calibration(1.7, "mirror", (0.35, 0.6), 0.0005)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    assert read_calibration(path, NAMES) == Calibration()
    for calibration in (CHOSEN, Calibration()):
        path.write_text(json.dumps(calibration.to_json(NAMES)))
        assert read_calibration(path, NAMES) == calibration
    # By hand, with its muscles in another order and more beside it.
    path.write_text(
        '{"temperature": 2, "tta": "none", "thresholds": {"calf": 1, "biceps": 0.5}, '
        '"smallest_area": 0, "note": "mine"}'
    )
    assert read_calibration(path, NAMES) == Calibration(2.0, "none", (0.5, 1.0))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"temperature": 0}, "temperature must be above 0, got 0.0"),
        ({"temperature": float("nan")}, "temperature must be above 0, got nan"),
        ({"temperature": "warm"}, "could not convert"),
        ({"temperature": None}, "NoneType"),
        ({"tta": True}, "tta must be none, mirror or mirror_scale, got True"),
        ({"thresholds": {"biceps": 0.4}}, "thresholds of biceps for a model of biceps, calf"),
        ({"thresholds": {"biceps": 0.4, "calf": 1.5}}, "thresholds must lie between 0 and 1"),
        ({"thresholds": 3}, "int"),
        ({"smallest_area": -0.1}, "smallest_area must lie between 0 and 1, got -0.1"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(
    changed: dict[str, object], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(CHOSEN.to_json(NAMES) | changed))
    with pytest.raises(UserError, match=told) as caught:
        read_calibration(path, NAMES)
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert "--no_calibration" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", "\x00"])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        read_calibration(path, NAMES)


def test_it_is_told_in_words() -> None:
    assert CHOSEN.described(NAMES) == (
        "temperature 1.70; mean with the mirror image; thresholds biceps 0.35, calf 0.60; regions "
        "below 0.05% of the photo left out"
    )
    assert Calibration().described(NAMES) == "temperature 1.00"
