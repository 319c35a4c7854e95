"""The encoders that there are, by the names that `--encoder` takes. Needs no TensorFlow."""

from tf_muscle.errors import UserError

LABELS = {
    "resnet34": "ResNet34",
    "resnet18": "ResNet18",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
KERASHUB = "kerashub:"  # --encoder kerashub:PRESET


def preset_of(encoder: str) -> str | None:
    """The KerasHub preset that the name of an encoder gives; None for the project's own."""
    return encoder.removeprefix(KERASHUB) if encoder.startswith(KERASHUB) else None


def refuse_unknown(encoder: str) -> None:
    """Refuses a name that no encoder has.

    Raises:
        UserError: it is none of `LABELS`, and gives no preset.
    """
    if encoder not in LABELS and not preset_of(encoder):
        raise UserError(f"--encoder must be {', '.join(LABELS)} or {KERASHUB}PRESET, got {encoder}")


def label(encoder: str) -> str:
    """What people call it, in Markdown."""
    return LABELS.get(encoder) or f"`{preset_of(encoder)}` (KerasHub)"
