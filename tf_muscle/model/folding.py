"""Folds batch normalization into convolutions: the same network for inference, with less to do."""

from collections import Counter
from typing import Any

import keras
import numpy as np

CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
)


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """Copies a model with every batch normalization folded that stands right behind a convolution.

    At inference a batch normalization is a factor and a summand for each channel, which the
    convolution before it can take into its kernel and bias. It stays where its input comes from
    anywhere else or is read by another layer too: the network is a pre-activation ResNet, where
    most follow an addition. The one before the first convolution stays as well, since the zeros
    that pad its output stand for another value than zeros in its input.

    Args:
        model: functional, also with functional models inside; it is left as it is. The
            copy shares the layers of KerasHub with it.

    Returns:
        A model with the same inputs and outputs (float32 rounding apart) and the same layer names
        without the folded layers. It is for inference: it has no batch statistics to train with.
    """
    folded = foldable(model)
    normalized_by = {convolution: bn for bn, convolution in folded.items()}
    originals: dict[keras.Operation, keras.Operation] = {}  # by their copies

    def clone(operation: keras.Operation) -> keras.Operation:
        if type(operation).__module__.partition(".")[0] == "keras_hub":
            # Not every layer of KerasHub can be made again from its configuration.
            originals[operation] = operation
            return operation
        config = operation.get_config()
        if operation in normalized_by:
            config["use_bias"] = True
        copy = type(operation).from_config(config)
        originals[copy] = operation
        return copy

    def call(copy: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        return args[0] if originals.get(copy) in folded else copy(*args, **kwargs)

    result = keras.models.clone_model(
        model, clone_function=clone, call_function=call, recursive=True
    )
    for copy, original in originals.items():
        if original in normalized_by:
            copy.set_weights(_folded_weights(original, normalized_by[original]))
        elif original not in folded and isinstance(original, keras.Layer):
            copy.set_weights(original.get_weights())
    return result


def foldable(model: keras.Model) -> dict[keras.layers.BatchNormalization, keras.Layer]:
    """The batch normalizations that can be folded, each with its convolution."""
    found: dict[keras.layers.BatchNormalization, keras.Layer] = {}
    readers = Counter(id(tensor) for tensor in model.outputs)
    for operation in model.operations:
        for node in operation._inbound_nodes:
            readers.update(id(tensor) for tensor in node.input_tensors)
    convolutions = {
        id(operation.output): operation
        for operation in model.operations
        if isinstance(operation, CONVOLUTIONS)
        and len(operation._inbound_nodes) == 1
        and operation.activation is keras.activations.linear
        and operation.data_format == "channels_last"
    }
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            found |= foldable(operation)
        elif isinstance(operation, keras.layers.BatchNormalization):
            single = len(operation._inbound_nodes) == 1 and operation.axis in (-1, 3)
            tensor = id(operation.input) if single else None
            if tensor in convolutions and readers[tensor] == 1:
                found[operation] = convolutions[tensor]
    return found


def _folded_weights(
    convolution: keras.Layer, bn: keras.layers.BatchNormalization
) -> list[np.ndarray]:
    """Kernel and bias of gamma (conv(x) + bias - mean) / sqrt(variance + epsilon) + beta."""
    mean, variance = (
        np.array(statistic, np.float64) for statistic in (bn.moving_mean, bn.moving_variance)
    )
    gamma = 1.0 if bn.gamma is None else np.array(bn.gamma, np.float64)
    beta = 0.0 if bn.beta is None else np.array(bn.beta, np.float64)
    bias = 0.0 if convolution.bias is None else np.array(convolution.bias, np.float64)
    factor = gamma / np.sqrt(variance + bn.epsilon)  # [C]
    kernel = np.array(convolution.kernel)
    if isinstance(convolution, keras.layers.Conv2DTranspose):  # [H, W, out, in]
        kernel = kernel * factor[:, None]
    elif isinstance(convolution, keras.layers.DepthwiseConv2D):  # [H, W, in, outputs of each]
        kernel = kernel * factor.reshape(kernel.shape[2:])
    else:  # [H, W, in, out]
        kernel = kernel * factor
    return [kernel, (bias - mean) * factor + beta]
