"""The contract with TensorFlow Serving, and what a graph for inference must not hold."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

PHOTOS = np.random.default_rng(7).integers(0, 256, (2, 40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(exported: Path) -> Path:
    return exported / "tiny"


def tensors(text: str) -> dict[str, tuple[str, str]]:
    """{name: (dtype, shape)} of saved_model_cli's description of a signature's side."""
    pattern = r"\['(\w+)'\] tensor_info:\s+dtype: (\w+)\s+shape: (\([^)]*\))"
    return {name: (dtype, shape) for name, dtype, shape in re.findall(pattern, text)}


def test_signatures_are_as_documented(folder: Path) -> None:
    code = "from tensorflow.python.tools.saved_model_cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "show", "--dir", str(folder), "--all"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    signatures = {
        name: (tensors(inputs), tensors(outputs), method)
        for name, inputs, outputs, method in re.findall(
            r"signature_def\['(\w+)'\]:\s+The given SavedModel SignatureDef contains the following "
            r"input\(s\):(.*?)The given SavedModel SignatureDef contains the following "
            r"output\(s\):(.*?)Method name is:[ ]?(\S*)",
            shown,
            flags=re.DOTALL,
        )
    }
    results = {
        "class_ids": ("DT_UINT8", "(-1, -1, -1)"),
        "probabilities": ("DT_FLOAT", "(-1, -1, -1, 4)"),
    }
    predict = "tensorflow/serving/predict"
    assert signatures["serving_default"] == (
        {"images": ("DT_UINT8", "(-1, -1, -1, 3)")}, results, predict,
    )  # fmt: skip
    assert signatures["encoded"] == ({"bytes": ("DT_STRING", "(-1)")}, results, predict)


def test_rest_requests_reach_the_signatures(folder: Path) -> None:
    """Does with JSON what TensorFlow Serving's predict API does: instances become a batch."""
    signatures = tf.saved_model.load(str(folder)).signatures
    pixels = json.loads(json.dumps({"instances": PHOTOS.tolist()}))["instances"]
    by_pixels = signatures["serving_default"](images=tf.constant(pixels, tf.uint8))
    files = []
    for photo in PHOTOS:
        file = io.BytesIO()
        Image.fromarray(photo).save(file, "PNG")
        files.append({"b64": base64.b64encode(file.getvalue()).decode()})
    request = json.loads(json.dumps({"signature_name": "encoded", "instances": files}))
    decoded = [base64.b64decode(one["b64"]) for one in request["instances"]]
    by_file = signatures[request["signature_name"]](bytes=tf.constant(decoded))
    for name in ("class_ids", "probabilities"):
        # Row format asks every output for the batch's size.
        assert by_pixels[name].shape[0] == by_file[name].shape[0] == len(PHOTOS)
        np.testing.assert_array_equal(by_pixels[name], by_file[name])


def test_no_node_of_the_graph_is_for_training(folder: Path) -> None:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    operations = {
        node.op
        for function in saved.meta_graphs[0].graph_def.library.function
        if function.signature.name.startswith("__inference_images")
        for node in function.node_def
    }
    assert {"Conv2D", "Conv2DBackpropInput", "Softmax"} <= operations  # the forward pass
    forbidden = r"Random|Dropout|Assign|Grad|FusedBatchNorm|^If$|^StatelessIf$"
    assert [name for name in operations if re.search(forbidden, name)] == []


def test_the_loaded_object_tells_names_and_size(folder: Path) -> None:
    loaded = tf.saved_model.load(str(folder))
    assert [one.decode() for one in loaded.labels.numpy()] == [
        "background", "biceps", "triceps", "calf",
    ]  # fmt: skip
    assert loaded.image_size.dtype == tf.int32
    assert int(loaded.image_size) == 40
