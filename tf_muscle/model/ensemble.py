"""The networks of a run's folds as one network."""

from collections.abc import Sequence

import keras
from keras import ops

from tf_muscle.model.loading import load_network
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.folds import trained_runs

# Of a probability, so that its logarithm is finite, and no smaller than 8 bits have room for.
SMALLEST = 1e-7


def load_networks(run: RunFolder) -> list[keras.Model]:
    """The network of a finished run; of a run with folds, that of each fold.

    Raises:
        UserError: a training is not finished, or its best.keras is damaged.
    """
    return [load_network(one.model) for one in trained_runs(run)]


def averaged(networks: Sequence[keras.Model]) -> keras.Model:
    """One network with the mean of the probabilities of several; a single one is left as it is.

    Its logits are the logarithm of that mean, of which a softmax makes the mean again. The mean is
    taken of probabilities: in 8-bit integers they are finer than log-probabilities.

    Args:
        networks: each from uint8 images [B, H, W, 3] to logits [B, H, W, K]; they are renamed.

    Returns:
        A network from uint8 images [B, H, W, 3] to logits [B, H, W, K], built of Keras' own layers.
    """
    if len(networks) == 1:
        return networks[0]
    images = keras.Input(networks[0].input_shape[1:], dtype="uint8", name="image")
    probabilities = []
    for number, network in enumerate(networks, 1):
        network.name = f"network_{number}"  # layers of one network need names of their own
        probabilities.append(ops.softmax(network(images)))
    mean = ops.mean(ops.stack(probabilities), axis=0)
    logits = ops.log(ops.maximum(mean, SMALLEST))
    return keras.Model(images, logits, name="mean_of_networks")


def cost_sentence(count: int) -> str:
    """What the mean of several networks costs."""
    return (
        f"The mean of {count} networks, one a fold: about {count} times the time and size of one."
    )
