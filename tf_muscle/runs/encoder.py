"""The KerasHub backbone of a run: kept in it, so that its network needs the preset only once."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tf_muscle.encoders import preset_of
from tf_muscle.runs.folder import PUT_BACK, RunFolder, read_json

Channels = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class HubEncoder:
    """The architecture of a KerasHub backbone and how it wants its photos; no weights.

    Attributes:
        preset: as it was given, after `kerashub:`.
        backbone: KerasHub's configuration of it, JSON.
        scale: factors of the channels of a photo in 0-255.
        offset: what is added to the channels after that.
        size: height and width in pixels of the photos, where it takes those of one size only; else
            None.
    """

    preset: str
    backbone: str
    scale: Channels
    offset: Channels
    size: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As encoder.json has it."""
        return asdict(self) | {"backbone": json.loads(self.backbone)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "HubEncoder":
        """Reads the object in encoder.json.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_json` gave.
        """
        scale, offset = (
            (float(red), float(green), float(blue))
            for red, green, blue in (record["scale"], record["offset"])
        )
        backbone = json.dumps(record["backbone"])
        size = record["size"]
        return cls(str(record["preset"]), backbone, scale, offset, size and int(size))


def encoder_of(run: RunFolder, name: str) -> str | HubEncoder:
    """The encoder of a run, as `unet.build_unet` takes it.

    Args:
        run: the run, or a fold of one.
        name: its option `encoder`.

    Raises:
        UserError: encoder.json is missing or damaged.
    """
    if not preset_of(name):
        return name
    return read_json(run.encoder, HubEncoder.from_json, PUT_BACK)
