"""What every exported model computes: masks and probabilities of photos."""

from typing import Any

import keras
import tensorflow as tf

from tf_muscle.model.folding import fold_batch_normalization
from tf_muscle.model.unet import CORE, HEAD, build_unet
from tf_muscle.runs.encoder import HubEncoder


def results(logits: tf.Tensor, temperature: float = 1.0) -> dict[str, tf.Tensor]:
    """The outputs of an export: `class_ids` uint8 [B, H, W], `probabilities` float32 [B, H, W, K].

    Args:
        logits: float32 [B, H, W, K].
        temperature: of the probabilities; the class ids are the same at any.
    """
    return {
        "class_ids": tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8),
        "probabilities": tf.nn.softmax(logits if temperature == 1 else logits / temperature),
    }


def rebuild(
    model: keras.Model,
    encoder: str | HubEncoder,
    decoder: str,
    decoder_filters: int = 256,
    image_size: int | None = None,
    precision: str = "float32",
) -> keras.Model:
    """The same network for one image size, or in another precision.

    Args:
        model: a model of `build_unet`, from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        encoder: of the model, as `build_unet` takes it.
        decoder: "transpose" or "upsampling".
        decoder_filters: of the decoder's first block.
        image_size: height and width in pixels; None: any.
        precision: "float32", "bfloat16" or "float16"; weights stay float32.
    """
    class_count = model.output_shape[-1]
    twin = build_unet(
        class_count,
        image_size,
        encoder=encoder,
        decoder=decoder,
        decoder_filters=decoder_filters,
        head_kernel=model.get_layer(CORE).get_layer(HEAD).kernel_size[0],
        fused=False,
        precision=precision,
    )
    twin.get_layer(CORE).set_weights(model.get_layer(CORE).get_weights())
    return twin


def frozen(
    model: keras.Model, batch_size: int | None = None, temperature: float = 1.0
) -> tf.types.experimental.PolymorphicFunction:
    """The folded model as one function of `images`, with its weights as constants.

    The converters to other formats take it as it is; variables and tensors that Keras layers hold,
    such as the mean of a Normalization, they leave out (LiteRT) or turn into inputs (ONNX).

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        batch_size: for a function of one batch size.
        temperature: of the probabilities.
    """
    folded = fold_batch_normalization(model)
    spec = tf.TensorSpec((batch_size, *model.input_shape[1:]), tf.uint8, "images")

    @tf.function(input_signature=[spec], autograph=False)
    def with_variables(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return results(folded(images, training=False), temperature)

    return constant_weights(with_variables.get_concrete_function())


def constant_weights(
    concrete: tf.types.experimental.ConcreteFunction,
) -> tf.types.experimental.PolymorphicFunction:
    """The same function of `images` with constants in place of the variables that it reads.

    oneDNN lays constant kernels out for the processor once. Those of variables it takes as they
    are if there is one photo, which then takes 2 to 10 times as long (docs/performance.md).

    Args:
        concrete: its only input is called images.
    """
    # TensorFlow's own converters use it, but it has no public name.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec.from_tensor(concrete.inputs[0], "images")
    with_constants = convert_variables_to_constants_v2(concrete)

    @tf.function(input_signature=[spec], autograph=False)
    def function(images: tf.Tensor) -> Any:
        outputs = with_constants(images)
        return tf.nest.pack_sequence_as(concrete.structured_outputs, outputs)

    return function
