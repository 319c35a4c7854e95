"""How a run's logits become masks: calibration.json, read and written here alone.

Needs no TensorFlow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tf_muscle.runs.folder import read_json

Tta = Literal["none", "mirror", "mirror_scale"]


@dataclass(frozen=True)
class Calibration:
    """From logits to a mask; the default is the plain model, whose mask is the likeliest class.

    Attributes:
        temperature: above 0; the logits are divided by it before the softmax (Guo et al. 2017, On
            Calibration of Modern Neural Networks, 4.2).
        tta: whose probabilities are averaged. "none": the photo's; "mirror": also those of its
            mirror image; "mirror_scale": of both, at two sizes.
        thresholds: one for each of the K-1 muscles, 0 to 1: a pixel is of its likeliest muscle
            where that one's probability reaches its threshold, else it is background. Without any,
            a pixel is of its likeliest class.
        smallest_area: share of the photo's pixels, 0 to 1; a connected region of a muscle that is
            smaller becomes background.

    Raises:
        ValueError: a value is out of its range.
    """

    temperature: float = 1.0
    tta: Tta = "none"
    thresholds: tuple[float, ...] = ()
    smallest_area: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be above 0, got {self.temperature}")
        if self.tta not in get_args(Tta):
            raise ValueError(f"tta must be none, mirror or mirror_scale, got {self.tta}")
        for name, value in (
            *(("thresholds", threshold) for threshold in self.thresholds),
            ("smallest_area", self.smallest_area),
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {value}")

    def described(self, class_names: Sequence[str]) -> str:
        """The settings in words, for the terminal and for cards.

        Args:
            class_names: K names.
        """
        parts = [f"temperature {self.temperature:.2f}"]
        if self.tta != "none":
            sizes = " at two sizes" if self.tta == "mirror_scale" else ""
            parts.append(f"mean with the mirror image{sizes}")
        if self.thresholds:
            named = zip(class_names[1:], self.thresholds, strict=True)
            parts.append("thresholds " + ", ".join(f"{name} {value:.2f}" for name, value in named))
        if self.smallest_area:
            parts.append(f"regions below {self.smallest_area:.2%} of the photo left out")
        return "; ".join(parts)

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """As calibration.json has it; `class_names` are K names."""
        named = zip(class_names[1:], self.thresholds, strict=True) if self.thresholds else ()
        return {
            "temperature": self.temperature,
            "tta": self.tta,
            "thresholds": dict(named),
            "smallest_area": self.smallest_area,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], class_names: Sequence[str]) -> "Calibration":
        """Reads what `to_json` gave.

        Raises:
            ValueError: a value is out of its range, or the thresholds are of other classes.
            KeyError: a value is missing.
            TypeError: a value is of another type.
        """
        thresholds = dict(record["thresholds"])
        if thresholds and set(thresholds) != set(class_names[1:]):
            muscles = ", ".join(class_names[1:])
            raise ValueError(f"thresholds of {', '.join(thresholds)} for a model of {muscles}")
        return cls(
            temperature=float(record["temperature"]),
            tta=record["tta"],
            thresholds=tuple(float(thresholds[name]) for name in class_names[1:] if thresholds),
            smallest_area=float(record["smallest_area"]),
        )


def read_calibration(path: Path, class_names: Sequence[str]) -> Calibration:
    """Reads calibration.json; the plain model's settings where there is none.

    Args:
        path: the file.
        class_names: K names of the model's classes.

    Raises:
        UserError: the file is damaged or of another model.
    """
    if not path.is_file():
        return Calibration()
    return read_json(
        path,
        lambda record: Calibration.from_json(record, class_names),
        "put it back as it was, move it away and calibrate again by python -m tf_muscle.evaluate "
        f"{path.parent} --calibrate, or do without it by --no_calibration",
    )
