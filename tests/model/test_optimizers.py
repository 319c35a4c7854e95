import math
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tf_muscle.config import from_options
from tf_muscle.model.optimizers import learning_rate_schedule, optimizer
from tf_muscle.options import OptimizationConfig

STEPS = 30  # 480 photos in batches of 16


def rates(config: OptimizationConfig, steps_per_epoch: int = STEPS) -> np.ndarray:
    """The rate of every step of a training."""
    schedule = learning_rate_schedule(config, steps_per_epoch)
    return np.array([float(schedule(step)) for step in range(config.epochs * steps_per_epoch)])


def test_unh_gym_halves_every_five_epochs() -> None:
    preset = Path(__file__).parents[2] / "configs" / "unh_gym.yaml"
    config = from_options(yaml.safe_load(preset.read_text()))
    by_epoch = rates(config.optimization).reshape(30, STEPS)
    for epoch, of_epoch in enumerate(by_epoch):
        # PyTorch's StepLR(step_size=5, gamma=0.5), stepped after every epoch.
        np.testing.assert_allclose(of_epoch, 1e-4 * 0.5 ** (epoch // 5), rtol=1e-6)
    # At the very boundaries: the last step of epoch 5, the first of epoch 6.
    assert by_epoch[4, -1] == pytest.approx(1e-4)
    assert by_epoch[5, 0] == pytest.approx(5e-5)
    assert by_epoch[29, -1] == pytest.approx(3.125e-6)


def test_step_schedule_when_steps_are_many() -> None:
    """The exponent is computed in float32: it must not round up to the next epoch."""
    config = OptimizationConfig(epochs=60, step_epochs=7, gamma=0.1)
    schedule = learning_rate_schedule(config, 9999)
    for drop in range(1, 8):
        first = drop * 7 * 9999
        assert float(schedule(first - 1)) == pytest.approx(1e-4 * 0.1 ** (drop - 1), rel=1e-5)
        assert float(schedule(first)) == pytest.approx(1e-4 * 0.1**drop, rel=1e-5)


def test_one_cycle_climbs_linearly_and_falls_as_a_cosine() -> None:
    config = OptimizationConfig(epochs=10, learning_rate=1e-3, schedule="one_cycle", warmup=0.2)
    values = rates(config)
    assert values[0] == pytest.approx(1e-3 / 25)
    assert values[30] == pytest.approx((1e-3 / 25 + 1e-3) / 2)  # half of the 60 steps up
    assert values.argmax() == 60
    assert values[60] == pytest.approx(1e-3)
    for step in (61, 150, 180, 299):
        expected = 1e-3 * (1 + math.cos(math.pi * (step - 60) / 240)) / 2
        assert values[step] == pytest.approx(expected, rel=1e-3, abs=1e-10)
    assert values[-1] < 1e-6
    assert float(learning_rate_schedule(config, STEPS)(300)) == pytest.approx(0, abs=1e-10)


def test_one_cycle_without_warmup_and_of_warmup_only() -> None:
    config = OptimizationConfig(epochs=1, learning_rate=1e-3, schedule="one_cycle", warmup=0.0)
    assert rates(config)[0] == pytest.approx(1e-3)
    config = OptimizationConfig(epochs=1, learning_rate=1e-3, schedule="one_cycle", warmup=1.0)
    assert np.all(np.diff(rates(config)) > 0)


def test_constant() -> None:
    config = OptimizationConfig(epochs=4, learning_rate=3e-3, schedule="constant")
    np.testing.assert_allclose(rates(config), 3e-3, rtol=1e-6)


def test_optimizer_follows_its_schedule() -> None:
    chosen = optimizer(OptimizationConfig(), STEPS)
    chosen.build([keras.Variable(1.0)])
    assert float(chosen.learning_rate) == pytest.approx(1e-4)
    chosen.iterations.assign(5 * STEPS)  # as a restored checkpoint does
    assert float(chosen.learning_rate) == pytest.approx(5e-5)


def test_report_optimizer() -> None:
    chosen = optimizer(OptimizationConfig(), STEPS)
    assert isinstance(chosen, keras.optimizers.Adam)
    assert (chosen.beta_1, chosen.beta_2, chosen.epsilon) == (0.9, 0.999, 1e-8)
    assert chosen.weight_decay is None


def steps_of(chosen: keras.optimizers.Optimizer, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A weight after some steps of random gradients, and the optimizer's state."""
    rng = np.random.default_rng(0)
    weight = keras.Variable(rng.normal(size=(3, 4)).astype(np.float32))
    for scale in np.geomspace(1e-6, 1e3, steps):
        chosen.apply([np.float32(scale * rng.normal(size=(3, 4)))], [weight])
    return np.array(weight), [np.array(variable) for variable in chosen.variables]


@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("adam", keras.optimizers.Adam(0.01, epsilon=1e-8)),
        ("adamw", keras.optimizers.AdamW(0.01, epsilon=1e-8, weight_decay=0.1)),
    ],
)
def test_fused_update_is_keras_own(name: str, stock: keras.optimizers.Optimizer) -> None:
    config = OptimizationConfig(
        optimizer=name, learning_rate=0.01, schedule="constant", weight_decay=0.1
    )
    fused = optimizer(config, STEPS)
    weight, state = steps_of(fused, 25)
    expected_weight, expected_state = steps_of(stock, 25)
    np.testing.assert_allclose(weight, expected_weight, rtol=1e-5)
    # The last two are the moments; Keras' own also has its constant learning rate.
    for mine, its in zip(state[-2:], expected_state[-2:], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4)


def test_fused_adam_against_the_paper() -> None:
    """Kingma and Ba 2015, algorithm 1, the variant of section 2's end (epsilon hat), in numpy."""
    config = OptimizationConfig(learning_rate=0.1, schedule="constant", beta_1=0.8, beta_2=0.9)
    chosen = optimizer(config, STEPS)
    weight, expected, m, v = keras.Variable(1.0), 1.0, 0.0, 0.0
    for step, gradient in enumerate([1.0, -2.0, 0.5], start=1):
        chosen.apply([np.float32(gradient)], [weight])
        m = 0.8 * m + 0.2 * gradient
        v = 0.9 * v + 0.1 * gradient**2
        rate = 0.1 * math.sqrt(1 - 0.9**step) / (1 - 0.8**step)
        expected -= rate * m / (math.sqrt(v) + 1e-8)
        assert float(weight) == pytest.approx(expected, rel=1e-6)


def test_fused_adam_is_serializable() -> None:
    chosen = optimizer(OptimizationConfig(schedule="constant"), STEPS)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(chosen))
    assert type(again) is type(chosen)


def test_sgd() -> None:
    chosen = optimizer(OptimizationConfig(optimizer="sgd", momentum=0.5, learning_rate=0.1), STEPS)
    weight = keras.Variable(1.0)
    chosen.apply([np.float32(1)], [weight])
    assert float(weight) == pytest.approx(0.9)
    chosen.apply([np.float32(1)], [weight])
    assert float(weight) == pytest.approx(0.9 - 0.1 * (0.5 + 1))


def test_adamw_decays_kernels_only() -> None:
    """With gradients of zero, decay is all that moves a weight: by learning rate times decay."""
    config = OptimizationConfig(
        optimizer="adamw", weight_decay=0.1, learning_rate=0.01, schedule="constant"
    )
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, bias_initializer="ones"),
            keras.layers.BatchNormalization(beta_initializer="ones"),
            keras.layers.Conv2DTranspose(2, 2, bias_initializer="ones"),
        ]
    )
    before = [np.array(weight) for weight in model.trainable_weights]
    chosen = optimizer(config, STEPS)
    chosen.apply([np.zeros_like(value) for value in before], model.trainable_weights)
    names = [weight.name for weight in model.trainable_weights]
    assert names == ["kernel", "bias", "gamma", "beta", "kernel", "bias"]
    for name, weight, value in zip(names, model.trainable_weights, before, strict=True):
        factor = 1 - 0.01 * 0.1 if name == "kernel" else 1.0
        np.testing.assert_allclose(np.array(weight), value * factor, rtol=1e-6)
