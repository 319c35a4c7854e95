"""The compiled model as `fit` takes it."""

from pathlib import Path
from typing import Any

import numpy as np
from train_options import TINY, train_config

from tf_muscle.data.dataset import load_data
from tf_muscle.model.compiled import compiled_model


def test_the_first_step_is_traced_once(small_export: Path, tmp_path: Path) -> None:
    """Twice where variables, such as the optimizer's, are made in it."""
    config = train_config(*TINY, "--data", str(small_export), "--data_dir", str(tmp_path))
    model, _ = compiled_model(config, load_data(config.data), "float32", steps_per_epoch=2)
    traced: list[Any] = []
    step = model.train_step
    model.train_step = lambda data: traced.append(data) or step(data)
    images, masks = np.zeros((4, 32, 32, 3), np.uint8), np.zeros((4, 32, 32), np.uint8)
    model.fit(images, masks, batch_size=2, verbose=0)
    assert int(model.optimizer.iterations) == 2
    assert len(traced) == 1
