import random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.errors import UserError
from tf_muscle.processor import Choice, Processor
from tf_muscle.training import device

AMX, NO_AMX = (
    Processor("Z80", 1, Choice("oneDNN", ""), Choice(name, f"the processor has {has} AMX"))
    for name, has in (("bfloat16", "an"), ("float32", "no"))
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the machine look as if it had these GPUs, or none."""

    def pretend(*gpus: dict[str, Any], amx: bool = False) -> None:
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(gpus))
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: list(gpus))
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu)
        monkeypatch.setattr(device, "this_processor", lambda: AMX if amx else NO_AMX)

    return pretend


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")],
)
def test_precision_on_a_gpu(machine: Any, capability: tuple[int, int], expected: str) -> None:
    machine({"compute_capability": capability})
    assert device.choose_precision("auto").name == expected
    assert device.choose_precision("float16").name == "float16"
    assert device.choose_precision("float32") == Choice("float32", "as asked")


def test_gpu_that_does_not_tell_its_capability_takes_float32(machine: Any) -> None:
    machine({})
    assert device.choose_precision("auto").name == "float32"
    assert device.description() == "GPU"


def test_precision_on_a_processor(machine: Any) -> None:
    machine(amx=True)
    assert device.choose_precision("auto") == Choice("bfloat16", "the processor has an AMX")
    machine(amx=False)
    assert device.choose_precision("auto") == Choice("float32", "the processor has no AMX")
    assert device.choose_precision("bfloat16") == Choice("bfloat16", "as asked")
    with pytest.raises(UserError, match="--precision float16 needs a GPU"):
        device.choose_precision("float16")


def test_description(machine: Any) -> None:
    machine()
    assert device.description() == "CPU"
    machine({"device_name": "Tesla T4"}, {"device_name": "Tesla V100"})
    assert device.description() == "Tesla T4, Tesla V100"


def test_gpus_that_are_hidden_from_the_process_do_not_count(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the chief of a search hides them."""
    machine()
    gpu = {"device_name": "Tesla T4", "compute_capability": (7, 5)}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    assert device.description() == "CPU"
    assert device.choose_precision("auto").name == "float32"


def test_strategy(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    machine({})
    assert device.strategy() is tf.distribute.get_strategy()
    machine({}, {})
    assert device.strategy() == "mirrored"


def test_same_seed_same_draws() -> None:
    def draws() -> tuple[float, float, float]:
        device.seed_everything(7, deterministic=False)
        return random.random(), float(np.random.rand()), float(tf.random.uniform(()))

    assert draws() == draws()


def test_a_batch_that_the_gpus_cannot_share_is_refused() -> None:
    device.refuse_uneven_batches(16, 1)
    device.refuse_uneven_batches(16, 4)
    with pytest.raises(UserError, match="--batch_size 9 cannot be shared by 2 GPUs"):
        device.refuse_uneven_batches(9, 2)
