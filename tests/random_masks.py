"""Masks that agree in half of their pixels."""

import numpy as np


def random_masks(
    seed: int, true_ids: list[int], predicted_ids: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of three photos of 20x30 pixels, uint8, of these class ids."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(true_ids, (3, 20, 30)).astype(np.uint8)
    guess = rng.choice(predicted_ids, truth.shape).astype(np.uint8)
    agreeing = rng.random(truth.shape) < 0.5
    return truth, np.where(agreeing & np.isin(truth, predicted_ids), truth, guess)
