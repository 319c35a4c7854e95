"""The README.md of an exported model: what it is, how it is called, how well it does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tf_muscle import encoders
from tf_muscle.data.geometry import PADDING, Geometry
from tf_muscle.report.markdown import markdown_table
from tf_muscle.report.score_rows import Metrics, class_rows, score_rows
from tf_muscle.report.tables import data_parts, interval_note, warnings
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.environment import Environment

# How each format is called, in Markdown.
USAGES = {
    "saved_model": """```python
import tensorflow as tf

model = tf.saved_model.load("{name}")
result = model.signatures["serving_default"](images=photos)
```

`photos` is uint8 RGB [B, H, W, 3]: the model scales the values itself. {preparation} The \
variables `image_size`, `resize`, `aspect` and `padding` of `model` tell it; other sizes are \
taken, too. {result} The signature `encoded` takes the `bytes` of JPEG or PNG files instead. \
`examples/tensorflow_client.py` in the project does all of it.

TensorFlow takes `*`, `?`, `[`, `]` and `\\` in a path for a pattern: where a folder is called so, \
change into the SavedModel's and load `"."`.""",
    "litert": """```python
from ai_edge_litert.interpreter import Interpreter

model = Interpreter("{name}/{kind}.tflite").get_signature_runner()
result = model(images=photo)
```

`photo` is one photo, uint8 RGB [1, {size}, {size}, 3]: the model scales the values itself. \
{preparation} {result} `labels.txt` has the names of the classes, one a line. \
`examples/litert_client.py` in the project does all of it. `labels.txt` and `preprocessing.json` \
are also packed into each file, which any zip program opens. On phones the same file runs with \
LiteRT for Android and iOS.""",
    "onnx": """```python
import onnxruntime

model = onnxruntime.InferenceSession("{name}/model.onnx")
class_ids, probabilities = model.run(["class_ids", "probabilities"], {{"images": photos}})
```

`photos` is uint8 RGB [B, H, W, 3]: the model scales the values itself. {preparation} The \
properties `image_size`, `resize`, `aspect` and `padding` of the file tell it; other sizes are \
taken, too. {result} `labels.txt` has the names of the classes, one a line.""",
    "hub": """```python
import tf_muscle

result = tf_muscle.load_predictor("{name}").predict("photo.jpg")  # result.mask, result.rows
```

or `python -m tf_muscle.predict {name} photo.jpg`. {opening} The network takes photos, \
uint8 RGB [B, H, W, 3], whose values it scales itself, and gives the logits of the classes, \
float32 [B, H, W, K]. {preparation} `run.json` tells of the \
training: options, versions, the photos' fingerprint and the SHA-256 of every file. Where there is \
a `calibration.json`, tf_muscle uses it. Each folder is an export with a README of its own.""",
}
# What opens best.keras; an encoder of KerasHub is a layer that is defined in tf_muscle.
OPENING = "Without tf_muscle, `keras.saving.load_model` opens `best.keras`."
OPENING_KERASHUB = (
    "`best.keras` has an encoder of KerasHub: without tf_muscle and its extra `hub` (keras-hub), "
    "`keras.saving.load_model` does not open it."
)
OUT_OF_FOLD = (
    "These are the scores of the single networks, each on the photos that it was not trained on. "
    "The mean of them has seen all these photos, so its own score on them would tell nothing."
)
RESULT = "`class_ids` of the result is uint8 [B, H, W], `probabilities` float32 [B, H, W, K]."


def model_card(
    name: str,
    options: Mapping[str, Any],
    environment: Environment,
    metrics: Metrics,
    form: str = "saved_model",
    kind: str = "float32",
    network_count: int = 1,
    calibration: Calibration | None = None,
) -> str:
    """Writes the card.

    Args:
        name: the model's, which is that of its folder.
        options: the resolved options by their names.
        environment: the content of environment.json.
        metrics: split -> record of `score_records.summarize`.
        form: "saved_model", "litert", "onnx", or "hub" for a repository with all of them.
        kind: type of the weights, of the file that is shown.
        network_count: networks, one a fold, whose mean it is; the scores are those out of fold.
        calibration: of the export; by default the plain model's.

    Returns:
        Markdown.
    """
    synthetic = environment.synthetic
    class_names = ", ".join(f"{i} {name}" for i, name in enumerate(environment.info.class_names))
    geometry = Geometry.from_record(options)
    parts = [
        f"# {name}",
        f"{_network(options['encoder'], network_count)} each pixel of a photo its class: "
        f"{class_names}.",
        USAGES[form].format(
            name=name,
            kind=kind,
            size=geometry.size,
            preparation=_preparation(geometry),
            result=RESULT,
            opening=OPENING_KERASHUB if encoders.preset_of(options["encoder"]) else OPENING,
        ),
        *_calibration_parts(
            calibration or Calibration(), environment.info.class_names, of_folds=network_count > 1
        ),
        "## How well it does",
        *([OUT_OF_FOLD] if network_count > 1 else []),
        markdown_table(score_rows(metrics, synthetic=synthetic)),
        interval_note(metrics, synthetic),
        *warnings(metrics, synthetic),
        markdown_table(class_rows(metrics, synthetic=synthetic)),
        "## What it was trained on",
        *data_parts(environment),
        f"Encoder weights at the start: {environment.encoder_weights}.",
    ]
    return "\n\n".join(parts) + "\n"


def _network(encoder: str, count: int) -> str:
    label = encoders.label(encoder)
    # A backbone of KerasHub can be a plain transformer, which has another decoder than a U-Net's.
    kind = "network" if encoders.preset_of(encoder) else "U-Net"
    if count == 1:
        return f"A {kind} with a {label} encoder that gives"
    return (
        f"{count} {kind}s with {label} encoders, trained on {count} divisions of the same photos. "
        f"The mean of their probabilities, for about {count} times the time and size of one, gives"
    )


def _preparation(geometry: Geometry) -> str:
    """How a photo is brought to the model's size, as a sentence for whoever calls an export."""
    size = geometry.size
    if geometry.resize == "stretch":
        return (
            f"It was trained on photos stretched to {size}x{size} (bilinear), so stretch yours, "
            "and resize the result back to the photo."
        )
    if geometry.aspect != 1:
        return (
            f"It was trained on photos that were filled up on two sides with RGB {PADDING} until "
            f"they were {geometry.aspect:g} times as wide as high, and then resized to "
            f"{size}x{size} (bilinear), so do the same with yours, and cut the photo's part out of "
            "the result."
        )
    return (
        f"It was trained on photos whose longer side was resized to {size} pixels (bilinear), in "
        f"the middle of a {size}x{size} square of RGB {PADDING}, so do the same with yours, and "
        "cut the photo's part out of the result."
    )


def _calibration_parts(
    calibration: Calibration, class_names: Sequence[str], *, of_folds: bool
) -> Iterator[str]:
    """What was chosen after the training, and what of it is left to whoever calls the model."""
    if calibration == Calibration():
        return
    yield "## Calibration"
    photos = "validation photos"
    if of_folds:
        photos = "photos of all folds, each as the network saw it that was not trained on it"
    yield (
        f"Chosen on the {photos}: {calibration.described(class_names)}. The temperature is in "
        "`probabilities`, and changes no `class_ids`. The rest is left to whoever calls the "
        "model, and recorded in it as `tta` (the mean with the mirror image's probabilities), "
        "`thresholds` (a pixel is of its likeliest muscle where that one's probability reaches its "
        "threshold; without thresholds, of its likeliest class) and `smallest_area` (connected "
        "regions of a muscle smaller than this share of the photo are background). `predict` does "
        "all of it, the clients in `examples/` all but the second size and the regions. The scores "
        "below are those of `class_ids`."
    )
