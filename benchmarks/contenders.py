"""One contender in a process of its own, which `benchmarks.rounds` starts and asks for windows.

A line "N" on standard input runs N steps and answers with what they took; the end of the input ends
the process. Contenders are the model of this package, the unmodified segmentation-models network in
stock Keras, and segmentation_models.pytorch (extra `.[bench]`).
"""

import contextlib
import dataclasses
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

CLASSES = 4
EXPORTED = ("predictor", "saved_model", "litert")
LEARNING_RATE = 1e-4

Step = Callable[[], None]  # one step, over when it returns


@dataclasses.dataclass(frozen=True)
class Work:
    """What a contender does; every field is part of a row of the results."""

    contender: Literal["ours", "predictor", "saved_model", "litert", "stock", "smp"]
    task: Literal["train", "predict"] = "train"
    image_size: int = 256
    batch_size: int = 8
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    encoder: str = "resnet34"
    decoder: Literal["transpose", "upsampling"] = "upsampling"
    decoder_filters: int = 256  # of the first block
    optimizer: Literal["adam", "sgd"] = "adam"
    onednn: Literal["as chosen", "0", "1"] = "as chosen"  # or TF_ENABLE_ONEDNN_OPTS


def batch(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 [B, S, S, 3] and masks uint8 [B, S, S]: what they show costs nothing."""
    rng = np.random.default_rng(0)
    shape = (work.batch_size, work.image_size, work.image_size)
    images = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, shape, dtype=np.uint8)


def encoder_of(name: str, image_size: int) -> Any:
    """What `build_unet` takes of an encoder's name; of KerasHub's "kerashub:" and a preset."""
    import tf_muscle
    from tf_muscle.model.compiled import encoder_asked_for

    return encoder_asked_for(tf_muscle.Config.of(encoder=name, image_size=image_size))


def keras_step(work: Work) -> Step:
    """A training step as Keras' fit runs it, or a forward pass compiled by tf.function."""
    import keras
    import tensorflow as tf

    images, masks = batch(work)
    if work.contender == "ours":
        import tf_muscle
        from tf_muscle.model import optimizers
        from tf_muscle.model.losses import SegmentationLoss
        from tf_muscle.model.unet import build_unet

        model = build_unet(
            CLASSES,
            work.image_size,
            encoder=encoder_of(work.encoder, work.image_size),
            decoder=work.decoder,
            decoder_filters=work.decoder_filters,
            precision=work.precision,
        )
        loss = SegmentationLoss("cross_entropy")
        config = tf_muscle.Config.of(optimizer=work.optimizer, learning_rate=LEARNING_RATE)
        rule = optimizers.optimizer(config.optimization, 1000)
    else:
        from tf_muscle.model.unet import import_segmentation_models

        keras.config.set_dtype_policy(
            work.precision if work.precision == "float32" else f"mixed_{work.precision}"
        )
        model = import_segmentation_models().Unet(
            work.encoder,
            classes=CLASSES,
            activation="softmax",
            encoder_weights=None,
            decoder_block_type=work.decoder,
        )
        images = images.astype(np.float32)  # it takes floats
        loss = keras.losses.SparseCategoricalCrossentropy()
        rules = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
        rule = rules[work.optimizer](LEARNING_RATE)
    if work.task == "predict":
        forward = tf.function(lambda x: model(x, training=False), autograph=False)
        held = tf.constant(images)
        return lambda: forward(held).numpy()
    model.compile(optimizer=rule, loss=loss)
    iterator = iter(tf.data.Dataset.from_tensors((images, masks)).repeat())
    model.make_train_function()

    def step() -> None:
        logs = model.train_function(iterator)
        float(logs["loss"])  # waits for a GPU

    return step


def exported_step(work: Work) -> Step:
    """A forward pass of the file that export writes, in its own runtime or in our predictor."""
    import tensorflow as tf

    from tf_muscle.data.geometry import Geometry
    from tf_muscle.exporting import litert, saved_model
    from tf_muscle.model.unet import build_unet
    from tf_muscle.prediction.predictor import load_predictor

    images, _ = batch(work)
    size = work.image_size if work.contender == "litert" else None
    model = build_unet(
        CLASSES,
        size,
        encoder=encoder_of(work.encoder, work.image_size),
        decoder=work.decoder,
        decoder_filters=work.decoder_filters,
        precision=work.precision,
        fused=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export")
        if work.contender in ("predictor", "saved_model"):
            saved_model.save(model, ["class"] * CLASSES, Geometry("pad", work.image_size), path)
        if work.contender == "predictor":
            forward = load_predictor(path, batch_size=work.batch_size).forward
            return lambda: forward(images)
        if work.contender == "saved_model":
            loaded = saved_model.open_saved_model(path)
            held = tf.constant(images)
            return lambda: loaded.signatures["serving_default"](images=held)["class_ids"].numpy()
        path.write_bytes(litert.convert(model, ["float32"], images)["float32"])
        predict = litert.load(path)

    def one_by_one() -> None:
        for image in images:  # a LiteRT file takes one photo
            predict(image[np.newaxis])

    return one_by_one


def torch_step(work: Work) -> Step:
    """A training step or a forward pass as segmentation_models.pytorch's users write them."""
    import segmentation_models_pytorch as smp
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pixels, masks = batch(work)
    # channels_last is what PyTorch's own guides advise for convolutions, on CPUs as on GPUs.
    layout = torch.channels_last
    images = torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2)
    images = images.to(device).contiguous(memory_format=layout)
    targets = torch.from_numpy(masks.astype(np.int64)).to(device)
    model = smp.Unet(work.encoder, encoder_weights=None, classes=CLASSES)
    model = model.to(device).to(memory_format=layout)
    dtype = getattr(torch, work.precision)

    def autocast() -> contextlib.AbstractContextManager[None]:
        if work.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype)

    if work.task == "predict":
        model.eval()

        def forward() -> None:
            with torch.inference_mode(), autocast():
                model(images).float().cpu().numpy()

        return forward
    loss_of = torch.nn.CrossEntropyLoss()
    rules = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = rules[work.optimizer](model.parameters(), LEARNING_RATE)
    scaler = torch.amp.GradScaler(device.type, enabled=work.precision == "float16")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = loss_of(model(images), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()  # waits for a GPU

    return step


def serve(work: Work) -> None:
    """Answers standard input until it ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries print
    if work.contender in ("ours", *EXPORTED):
        import tf_muscle  # noqa: F401  # chooses TensorFlow's kernels; stock Keras gets its own
    makers = {"smp": torch_step} | dict.fromkeys(EXPORTED, exported_step)
    step = makers.get(work.contender, keras_step)(work)
    for line in sys.stdin:
        seconds = []
        before = time.process_time()
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
        used = time.process_time() - before  # of all threads
        answer = {"seconds": seconds, "processor_seconds": used, "peak_bytes": peak}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(Work(**json.loads(sys.argv[1])))
