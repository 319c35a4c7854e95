"""A .tflite file as LiteRT's own interpreter runs it; needs no TensorFlow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_muscle.processor import this_processor
from tf_muscle.tensorflow_log import quiet_converter


def open_file(
    path: Path, threads: int | None = None
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Opens a file that `litert.convert` made.

    Args:
        path: of the file.
        threads: from 1; by default one for each core.

    Returns:
        From `images`, uint8 [1, S, S, 3], to `inference.results`. The arrays are copies.

    Raises:
        ValueError: LiteRT cannot read it.
    """
    from ai_edge_litert.interpreter import Interpreter

    # From its content, since Windows cannot rename a folder with a mapped file in it.
    with quiet_converter():
        interpreter = Interpreter(
            model_content=path.read_bytes(), num_threads=threads or this_processor().threads
        )
        interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner("serving_default")
    return lambda images: {name: one.copy() for name, one in runner(images=images).items()}
