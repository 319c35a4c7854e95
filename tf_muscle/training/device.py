"""What the machine has: processor or GPUs, and the precision that pays on it."""

import keras
import tensorflow as tf

from tf_muscle.errors import UserError
from tf_muscle.processor import Choice, this_processor


def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy over all visible GPUs if there are several, else TensorFlow's default."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def refuse_uneven_batches(batch_size: int, replicas: int) -> None:
    """Refuses a batch that several devices cannot share evenly.

    Raises:
        UserError: the batch size is no multiple of the number of devices.
    """
    if batch_size % replicas:
        raise UserError(
            f"--batch_size {batch_size} cannot be shared by {replicas} GPUs: take a multiple of "
            f"{replicas}, or hide GPUs with CUDA_VISIBLE_DEVICES"
        )


def description() -> str:
    """The devices in words, for the run's records."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return "CPU"
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
    ]
    return ", ".join(names)


def choose_precision(option: str) -> Choice:
    """Resolves `--precision`.

    Returns:
        The precision. On a processor only AMX makes bfloat16 pay for every network: measured
        here, a training step was 1.8 times as fast with it. With the older AVX512_BF16 alone it
        depends on maker and network, see docs/performance.md.

    Raises:
        UserError: float16 on a processor, where TensorFlow has no fast kernels for it.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if option == "float16" and not gpus:
        raise UserError(
            "--precision float16 needs a GPU (on this CPU a step would take 100 times as long); "
            "use --precision auto"
        )
    if option != "auto":
        return Choice(option, "as asked")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        major, minor = details.get("compute_capability", (0, 0))
        if major >= 8:
            return Choice("bfloat16", f"the GPU has compute capability {major}.{minor}")
        if major >= 7:
            return Choice("float16", f"the GPU has compute capability {major}.{minor}")
        return Choice("float32", "the GPU has no tensor cores")
    return this_processor().precision


def seed_everything(seed: int, deterministic: bool) -> None:
    """Seeds Python, numpy and TensorFlow; `deterministic` also pins the order of every sum."""
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
