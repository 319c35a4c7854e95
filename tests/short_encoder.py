"""ResNet18 with one narrow convolution a stage, for what the tests train, save and export.

TensorFlow traces each layer in each function: a training, its scores and its export take seconds a
layer altogether, whatever the size of the photos. Around the encoder all is as users have it. The
real ResNet18 is in tests/model and tests/test_export.py, and in the commands that tests start as
processes.

Run as a script, this file is `python -m tf_muscle.train` with the short encoder.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from classification_models.models import resnet

NAME = "resnet18"
REAL = resnet.MODELS_PARAMS[NAME]
NARROWER = 4  # times


def _short_block(
    filters: int, stage: int, block: int, strides: tuple[int, int], **unused: object
) -> Callable[[Any], Any]:
    """In the place of `resnet.residual_conv_block`: its first convolution, under the same names."""

    def apply(features: Any) -> Any:
        conv, norm, relu, _ = resnet.handle_block_names(stage, block)
        layers = resnet.layers  # those that the network is built with
        features = layers.BatchNormalization(name=f"{norm}1", **resnet.get_bn_params())(features)
        features = layers.Activation("relu", name=f"{relu}1")(features)
        features = layers.ZeroPadding2D(padding=(1, 1))(features)
        options = resnet.get_conv_params(strides=strides, name=f"{conv}1")
        return layers.Conv2D(filters // NARROWER, (3, 3), **options)(features)

    return apply


SHORT = resnet.ModelParams(NAME, (1, 1, 1, 1), _short_block, None)


def shorten() -> None:
    """From now on, "resnet18" is the short one in this process."""
    resnet.MODELS_PARAMS[NAME] = SHORT


@contextmanager
def real_encoder() -> Iterator[None]:
    """For as long as it lasts, "resnet18" is the real one."""
    resnet.MODELS_PARAMS[NAME] = REAL
    try:
        yield
    finally:
        shorten()


if __name__ == "__main__":
    from tf_muscle.command import run_command
    from tf_muscle.train import main

    shorten()
    raise SystemExit(run_command(main))
