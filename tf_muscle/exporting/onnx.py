"""Writes ONNX, for ONNX Runtime and what reads its format."""

from collections.abc import Sequence
from pathlib import Path

import keras

from tf_muscle.data.geometry import PADDING, Geometry
from tf_muscle.errors import UserError
from tf_muscle.exporting.agreement import Predict
from tf_muscle.exporting.inference import frozen
from tf_muscle.runs.calibration import Calibration

OPSET = 18  # the newest that tf2onnx 1.17 knows; ONNX Runtime runs it since 1.14


def save(
    model: keras.Model,
    class_names: Sequence[str],
    geometry: Geometry,
    calibration: Calibration,
    path: Path,
) -> None:
    """Writes one file from `images`, uint8 [B, H, W, 3] of any size, to `inference.results`.

    Keras' own `export(format="onnx")` fails here: it leaves a Bitcast in its argmax, which ONNX
    does not have.

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        class_names: K names; kept as the property `labels`, one a line.
        geometry: how the training brought photos to its size; kept as the properties `image_size`,
            `resize` and `padding`.
        calibration: its temperature is in the probabilities; kept as the properties `temperature`,
            `tta`, `thresholds` (K-1 numbers, or nothing) and `smallest_area`.
        path: the .onnx file.

    Raises:
        UserError: the network has an operation that ONNX has not.
    """
    import onnx
    import tf2onnx

    function = frozen(model, temperature=calibration.temperature)
    graph = function.get_concrete_function().graph.as_graph_def()
    if "Erfc" in {node.op for inner in graph.library.function for node in inner.node_def}:
        raise UserError(
            "--formats onnx: the encoder has GELUs, which TensorFlow computes by Erfc, and tf2onnx "
            "does not know that: leave onnx out, and take saved_model or litert"
        )
    converted, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    properties = {
        "labels": "\n".join(class_names),
        "image_size": str(geometry.size),
        "resize": geometry.resize,
        "padding": " ".join(map(str, PADDING)),
        "temperature": str(calibration.temperature),
        "tta": calibration.tta,
        "thresholds": " ".join(map(str, calibration.thresholds)),
        "smallest_area": str(calibration.smallest_area),
    }
    onnx.helper.set_model_props(converted, properties)
    onnx.checker.check_model(converted)
    onnx.save(converted, path)


def load(path: Path) -> Predict:
    """The file as ONNX Runtime runs it on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: session.run(["class_ids"], {"images": images})[0]
