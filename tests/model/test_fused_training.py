"""What was made fast changes no result: the whole network, trained either way."""

import keras
import numpy as np
import pytest

from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.optimizers import optimizer
from tf_muscle.model.unet import CORE, HEAD, build_unet, import_segmentation_models
from tf_muscle.options import OptimizationConfig

SIZE = 32


@pytest.mark.parametrize("decoder", ["transpose", "upsampling"])
def test_network_is_the_librarys(decoder: str) -> None:
    """Its features, with paddings taken into the convolutions, against the unmodified library's."""
    core = build_unet(4, SIZE, encoder="resnet18", decoder=decoder).get_layer(CORE)
    library = import_segmentation_models().Unet(
        "resnet18",
        input_shape=(None, None, 3),
        classes=4,
        encoder_weights=None,
        decoder_block_type=decoder,
    )
    assert any("zero_padding" in layer.name for layer in library.layers)
    library.set_weights([*core.get_weights()[:-2], *library.get_weights()[-2:]])
    ours = keras.Model(core.input, core.get_layer(HEAD).input)
    theirs = keras.Model(library.input, library.get_layer("final_conv").input)
    images = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    expected = theirs(images, training=False).numpy()
    np.testing.assert_allclose(
        ours(images, training=False), expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.slow
def test_fifty_steps_end_where_keras_own_do() -> None:
    """50 steps from the same weights: stock layers and Adam against the fused ones, in float32.

    The sums are taken in another order, and training spreads such differences; within 2 percent
    over the last ten steps they are the same training.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    masks = (images[..., 0] > 200).astype(np.uint8)  # something to learn
    choice = OptimizationConfig(learning_rate=1e-3, schedule="constant")
    fused = build_unet(4, SIZE, encoder="resnet18")
    stock = build_unet(4, SIZE, encoder="resnet18", fused=False)
    stock.set_weights(fused.get_weights())
    losses = []
    for model, rule in (
        (fused, optimizer(choice, 50)),
        (stock, keras.optimizers.Adam(1e-3, epsilon=1e-8)),
    ):
        model.compile(rule, SegmentationLoss("cross_entropy"))
        losses.append([model.train_on_batch(images, masks) for _ in range(50)])
    ours, keras_own = np.array(losses)
    assert keras_own[-1] < 0.5 * keras_own[0]
    np.testing.assert_allclose(ours[:3], keras_own[:3], rtol=5e-3)
    assert ours[-10:].mean() == pytest.approx(keras_own[-10:].mean(), rel=0.02)
