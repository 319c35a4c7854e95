import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest

from tf_muscle.encoders import LABELS
from tf_muscle.exporting.inference import rebuild
from tf_muscle.model.unet import (
    CORE,
    HEAD,
    build_unet,
    crop_to,
    pad_to_stride,
    set_prior_bias,
)

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
ODD_SIZES = [(64, 64), (32, 96), (45, 71), (33, 64), (1, 31)]


def all_layers(model: keras.Model) -> list[keras.Layer]:
    layers = []
    for layer in model.layers:
        layers += all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


@pytest.mark.parametrize("which", ["fused_unet", "stock_unet"])
def test_architecture_is_the_reports(which: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    layers = all_layers(model)
    by_name = {layer.name: layer for layer in layers}

    # ResNet34: 7x7/2 convolution, max pooling, 3, 4, 6, 3 blocks of two 3x3 convolutions.
    first = by_name["conv0"]
    assert (first.kernel_size, first.strides, first.filters) == ((7, 7), (2, 2), 64)
    assert sum(isinstance(layer, keras.layers.MaxPooling2D) for layer in layers) == 1
    convolutions = [
        match
        for layer in layers
        if (match := re.fullmatch(r"stage(\d)_unit\d+_conv([12])", layer.name))
    ]
    assert Counter(match[1] for match in convolutions) == {"1": 6, "2": 8, "3": 12, "4": 6}
    for match in convolutions:
        convolution = by_name[match[0]]
        assert convolution.kernel_size == (3, 3)
        assert convolution.filters == 64 * 2 ** (int(match[1]) - 1)

    # Decoder: five transposed convolutions, four of them joined by the encoder's features.
    ups = [layer for layer in layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.filters for layer in ups] == [256, 128, 64, 32, 16]
    assert {layer.strides for layer in ups} == {(2, 2)}
    assert sum(isinstance(layer, keras.layers.Concatenate) for layer in layers) == 4
    assert not [layer for layer in layers if isinstance(layer, keras.layers.UpSampling2D)]

    # Head: one 1x1 convolution to logits, no activation, no leftover of the library's 3x3 one.
    head = by_name["logits"]
    assert (head.kernel_size, head.filters) == ((1, 1), 4)
    assert head.activation is keras.activations.linear
    assert "final_conv" not in by_name

    normalizations = [
        layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # 2 around the photo and conv0, 2 a block, 1 after the last, and 2 a decoder block.
    assert len(normalizations) == 2 + 2 * 16 + 1 + 2 * 5
    assert {layer.momentum for layer in normalizations} == {0.9}
    assert {type(layer) is keras.layers.BatchNormalization for layer in normalizations} == {
        which == "stock_unet"
    }
    # ResNet34 without its classifier has 21.3 million weights, as torchvision's has.
    encoder = sum(
        layer.count_params() for layer in layers if layer.name.startswith(("conv0", "bn", "stage"))
    )
    assert encoder == pytest.approx(21.3e6, rel=0.01)


def test_smaller_encoder_and_upsampling_decoder() -> None:
    layers = all_layers(build_unet(3, 32, encoder="resnet18", decoder="upsampling"))
    blocks = [layer.name for layer in layers if re.fullmatch(r"stage\d_unit\d_conv1", layer.name)]
    assert blocks == [f"stage{stage}_unit{unit}_conv1" for stage in range(1, 5) for unit in (1, 2)]
    assert sum(isinstance(layer, keras.layers.UpSampling2D) for layer in layers) == 5
    assert not [layer for layer in layers if isinstance(layer, keras.layers.Conv2DTranspose)]


@pytest.mark.parametrize("fused", [True, False])
def test_efficientnet_and_its_skips(fused: bool) -> None:
    model = build_unet(4, 64, encoder="efficientnet_lite0", fused=fused)
    layers = all_layers(model)
    by_name = {layer.name: layer for layer in layers}
    # Expanded, depthwise and projected in 16 blocks, whose first has nothing to expand; no
    # squeeze-and-excite.
    kinds = Counter(type(layer) for layer in layers)
    assert kinds[keras.layers.DepthwiseConv2D] == 16
    assert kinds[keras.layers.Add] == 9
    assert keras.layers.GlobalAveragePooling2D not in kinds
    encoder = [name for name in by_name if name.startswith(("stem", "block", "top"))]
    relus = [by_name[name] for name in encoder if name.endswith("activation")]
    assert len(relus) == 1 + 15 + 16 + 1
    assert {layer.max_value for layer in relus} == {6.0}

    normalizations = [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    assert len(normalizations) == 49 + 2 * 5
    assert {layer.momentum for layer in normalizations} == {0.9}
    assert {layer.epsilon for layer in normalizations} == {1e-3}
    assert {type(layer) is keras.layers.BatchNormalization for layer in normalizations} == {
        not fused
    }

    # The decoder joins the features of strides 16, 8, 4 and 2, and begins at the last of all.
    joined = [by_name[f"decoder_stage{stage}_concat"].input[1] for stage in range(4)]
    names = [tensor._keras_history.operation.name for tensor in joined]
    assert names == [f"block{stage}a_expand_activation" for stage in (6, 4, 3, 2)]
    first = by_name["decoder_stage0a_transpose"].input
    assert first._keras_history.operation.name == "top_activation"


MEAN_AND_STD = {
    "resnet34": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "resnet18": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "efficientnet_lite0": (0.5, 0.5),
}


@pytest.mark.parametrize("encoder", LABELS)
def test_photos_are_normalized_inside(encoder: str) -> None:
    model = build_unet(2, 64, encoder=encoder)
    normalize = keras.Model(model.input, model.get_layer("normalize").output)
    mean, std = MEAN_AND_STD[encoder]
    expected = (PHOTOS / 255 - mean) / std
    np.testing.assert_allclose(normalize(PHOTOS[:, :64, :64]), expected[:, :64, :64], atol=1e-5)


def edge_padded(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    return np.pad(images, ((0, 0), (0, -height % 32), (0, -width % 32), (0, 0)), mode="edge")


@pytest.mark.parametrize(("filters", "widths"), [(128, [128, 64, 32, 16, 16]), (16, [16] * 5)])
def test_decoder_narrows_down_to_16_filters(filters: int, widths: list[int]) -> None:
    core = build_unet(2, encoder="resnet18", decoder_filters=filters).get_layer(CORE)
    blocks = [core.get_layer(f"decoder_stage{block}b_conv") for block in range(5)]
    assert [block.filters for block in blocks] == widths


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_last_convolution_is_as_large_as_asked_for_also_when_built_again(kernel: int) -> None:
    model = build_unet(3, encoder="resnet18", decoder_filters=16, head_kernel=kernel)
    assert model.get_layer(CORE).get_layer("logits").kernel.shape == (kernel, kernel, 16, 3)
    again = rebuild(model, "resnet18", "transpose", 16, image_size=64)
    photos = PHOTOS[:, :64, :64]
    np.testing.assert_allclose(again(photos), model(photos), atol=1e-4)


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
def test_padding_repeats_the_edge_and_cropping_undoes_it(
    size: tuple[int, int], known: bool
) -> None:
    images = keras.Input((*size, 3) if known else (None, None, 3), dtype="uint8")
    padded = pad_to_stride(images)
    model = keras.Model(images, [padded, crop_to(padded, images)])
    photos = PHOTOS[:, : size[0], : size[1]]
    enlarged, cropped = model(photos)
    np.testing.assert_array_equal(enlarged, edge_padded(photos))
    np.testing.assert_array_equal(cropped, photos)


@pytest.mark.parametrize("size", [(45, 71), (64, 33)])
@pytest.mark.parametrize("which", ["stock_unet", "stock_efficientnet"])
def test_any_size_is_padded_and_cropped(
    which: str, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    stock_unet = request.getfixturevalue(which)
    photos = PHOTOS[:, : size[0], : size[1]]
    logits = np.array(stock_unet(photos))
    assert logits.shape == (2, *size, 4)
    expected = np.array(stock_unet(edge_padded(photos)))[:, : size[0], : size[1]]
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("which", ["unet", "efficientnet"])
def test_fused_and_stock_network_agree(which: str, request: pytest.FixtureRequest) -> None:
    fused_unet = request.getfixturevalue(f"fused_{which}")
    stock_unet = request.getfixturevalue(f"stock_{which}")
    photos = PHOTOS[:, :64, :64]
    expected = np.array(stock_unet(photos))
    assert expected.std() > 0.1  # the statistics are not what they were built with
    np.testing.assert_allclose(fused_unet(photos), expected, atol=1e-4 * np.abs(expected).max())


BARE_PROCESS = """
import sys
sys.modules["tf_muscle"] = sys.modules["segmentation_models"] = None  # their import fails now
import keras
import numpy as np
model = keras.saving.load_model(sys.argv[1])
photos = np.load(sys.argv[2])
np.savez(sys.argv[3], square=model(photos[:, :64, :64]), other=model(photos[:, :50, :81]))
"""


@pytest.mark.parametrize(
    "which", ["stock_unet", pytest.param("stock_efficientnet", marks=pytest.mark.slow)]
)
def test_saved_network_loads_where_only_keras_is(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    stock_unet = request.getfixturevalue(which)
    stock_unet.save(tmp_path / "best.keras")
    np.save(tmp_path / "photos.npy", PHOTOS)
    done = subprocess.run(
        [sys.executable, "-c", BARE_PROCESS, "best.keras", "photos.npy", "logits.npz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = np.load(tmp_path / "logits.npz")
    np.testing.assert_allclose(loaded["square"], stock_unet(PHOTOS[:, :64, :64]), atol=1e-5)
    np.testing.assert_allclose(loaded["other"], stock_unet(PHOTOS[:, :50, :81]), atol=1e-5)


def test_bfloat16_keeps_float32_weights_and_logits(fused_unet: keras.Model) -> None:
    before = keras.config.dtype_policy()
    model = build_unet(4, 64, precision="bfloat16")
    assert keras.config.dtype_policy() is before
    assert model.get_layer(CORE).get_layer("conv0").compute_dtype == "bfloat16"
    assert model.get_layer("normalize").compute_dtype == "float32"
    assert {weight.dtype for weight in model.get_layer(CORE).weights} == {"float32"}
    model.set_weights(fused_unet.get_weights())
    photos = PHOTOS[:, :64, :64]
    logits = model(photos)
    assert logits.dtype == "float32"
    expected = np.array(fused_unet(photos))
    # 50 layers of 8 significant bits each.
    np.testing.assert_allclose(logits, expected, atol=0.1 * np.abs(expected).max())
    assert np.abs(logits - expected).max() > 0  # it did compute in bfloat16


def test_global_policy_is_restored_after_a_failure() -> None:
    before = keras.config.dtype_policy()
    with pytest.raises(ValueError, match="nearest"):
        build_unet(4, 64, decoder="nearest", precision="bfloat16")
    assert keras.config.dtype_policy() is before


def test_prior_bias_is_the_share_of_the_pixels() -> None:
    features = keras.Input((None, None, 2))
    head = keras.layers.Conv2D(4, 1, kernel_initializer="zeros", name=HEAD)
    core = keras.Model(features, head(features))
    set_prior_bias(core, np.array([9700, 200, 100, 0]))
    probabilities = keras.ops.softmax(core(np.ones((1, 1, 1, 2)))).numpy().ravel()
    np.testing.assert_allclose(probabilities, [0.97, 0.02, 0.01, 1e-4], rtol=1e-3)
