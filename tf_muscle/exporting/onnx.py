"""Writes ONNX, for ONNX Runtime and what reads its format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tf_muscle.data.geometry import PADDING, Geometry
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
            `resize`, `aspect` and `padding`.
        calibration: its temperature is in the probabilities; kept as the properties `temperature`,
            `tta`, `thresholds` (K-1 numbers, or nothing) and `smallest_area`.
        path: the .onnx file.
    """
    import onnx
    import tf2onnx

    function = frozen(model, temperature=calibration.temperature)
    converted, _ = tf2onnx.convert.from_function(
        function,
        function.input_signature,
        opset=OPSET,
        custom_op_handlers={"Erfc": (_one_minus_erf, [])},
    )
    _round_scales_up(converted)
    properties = {
        "labels": "\n".join(class_names),
        "image_size": str(geometry.size),
        "resize": geometry.resize,
        "aspect": str(geometry.aspect),
        "padding": " ".join(map(str, PADDING)),
        "temperature": str(calibration.temperature),
        "tta": calibration.tta,
        "thresholds": " ".join(map(str, calibration.thresholds)),
        "smallest_area": str(calibration.smallest_area),
    }
    onnx.helper.set_model_props(converted, properties)
    onnx.checker.check_model(converted)
    onnx.save(converted, path)


def _one_minus_erf(graph: Any, node: Any, name: str, args: Sequence[object]) -> None:
    """Replaces an Erfc, TensorFlow's for a transformer's GELU, which tf2onnx does not know."""
    shape, dtype = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", node.input, shapes=[shape], dtypes=[dtype])
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        name=name,
        outputs=node.output,
        shapes=[shape],
        dtypes=[dtype],
    )


def _round_scales_up(converted: Any) -> None:
    """Takes care that a layer that resizes gives the size that it gave in TensorFlow.

    tf2onnx writes sizes as factors of float32, and ONNX rounds a size down: 3 pixels by 5 / 3 of
    float32 are 4.
    """
    from onnx import numpy_helper

    names = {node.input[2] for node in converted.graph.node if node.op_type == "Resize"}
    for tensor in converted.graph.initializer:
        if tensor.name in names:
            scales = numpy_helper.to_array(tensor)
            above = np.where(scales % 1 == 0, scales, np.nextafter(scales, np.float32(np.inf)))
            tensor.CopyFrom(numpy_helper.from_array(above, tensor.name))


def load(path: Path) -> Predict:
    """The file as ONNX Runtime runs it on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: session.run(["class_ids"], {"images": images})[0]
