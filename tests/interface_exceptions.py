"""What the benchmarks and experiments take from inside the package, file by file."""

# A benchmark that measures a part of the training needs that part, which no user calls.
EXCEPTIONS = {
    # The pieces that it hands out, and a network with random weights.
    "benchmarks/cluster.py": {
        "tf_muscle.cluster.address",
        "tf_muscle.cluster.pieces",
        "tf_muscle.model.unet",
    },
    # One training step and one forward pass, without data, run folder or report around them.
    "benchmarks/contenders.py": {
        "tf_muscle.data.geometry",
        "tf_muscle.exporting",
        "tf_muscle.model",
        "tf_muscle.model.compiled",
        "tf_muscle.model.losses",
        "tf_muscle.model.unet",
        "tf_muscle.prediction.predictor",
    },
    "benchmarks/encoders.py": {"tf_muscle.model.unet"},  # how many weights a network has
    # The steps of an epoch, once from files and once from memory.
    "benchmarks/end_to_end.py": {
        "tf_muscle.command",
        "tf_muscle.config",
        "tf_muscle.data.augment",
        "tf_muscle.data.dataset",
        "tf_muscle.data.pipeline",
        "tf_muscle.model.compiled",
        "tf_muscle.training.device",
    },
    # Decoding and augmentation, without a model.
    "benchmarks/input_pipeline.py": {
        "tf_muscle.data.augment",
        "tf_muscle.data.augment_tensorflow",
        "tf_muscle.data.geometry",
        "tf_muscle.data.pipeline",
        "tf_muscle.data.prepare",
    },
    "benchmarks/options.py": {"tf_muscle.training.device"},  # the precision that training takes
    "benchmarks/prepare.py": {"tf_muscle.data.prepare"},  # the preparing alone
    # The two commands that it is about, and how an export names its files.
    "benchmarks/spoiled_masks.py": {
        "tf_muscle.command",
        "tf_muscle.labelling.review",
        "tf_muscle.roboflow.archive",
        "tf_muscle.roboflow.split_folder",
        "tf_muscle.train",
    },
    "benchmarks/startup.py": {"tf_muscle.__main__"},  # which commands there are
    # LiteRT files of networks that were never trained.
    "benchmarks/litert.py": {"tf_muscle.exporting", "tf_muscle.model.unet"},
    # The stages of a prediction one by one, with a network that was never trained.
    "benchmarks/live.py": {
        "tf_muscle.data.geometry",
        "tf_muscle.exporting",
        "tf_muscle.exporting.inference",
        "tf_muscle.exporting.packed",
        "tf_muscle.model.unet",
        "tf_muscle.prediction.frames",
        "tf_muscle.prediction.predictor",
        "tf_muscle.prediction.video",
        "tf_muscle.runs.calibration",
    },
    "benchmarks/video.py": {
        "tf_muscle.data.geometry",
        "tf_muscle.model.unet",
        "tf_muscle.prediction",
        "tf_muscle.prediction.frames",
        "tf_muscle.prediction.outputs",
        "tf_muscle.prediction.photos",
        "tf_muscle.prediction.predictor",
        "tf_muscle.prediction.results_folder",
        "tf_muscle.prediction.smoothing",
        "tf_muscle.prediction.stream",
        "tf_muscle.prediction.video",
    },
    # The training of a model again and again, and what suggest's command calls.
    "benchmarks/suggested_labels.py": {
        "tf_muscle.command",
        "tf_muscle.config",
        "tf_muscle.data.augment",
        "tf_muscle.data.dataset",
        "tf_muscle.data.pipeline",
        "tf_muscle.exporting.packed",
        "tf_muscle.labelling.run_suggest",
        "tf_muscle.model.compiled",
        "tf_muscle.model.unet",
        "tf_muscle.roboflow.pixels",
        "tf_muscle.roboflow.reader",
        "tf_muscle.roboflow.records",
        "tf_muscle.runs.assignment",
        "tf_muscle.training.device",
        "tf_muscle.training.evaluation",
    },
    # What a training's optimizer leaves as it is, for a copy of it.
    "benchmarks/shared_batches.py": {"tf_muscle.model.optimizers"},
    # Steps of a copy of the network that a training would have.
    "benchmarks/two_processes.py": {
        "tf_muscle.command",
        "tf_muscle.config",
        "tf_muscle.data.dataset",
        "tf_muscle.data.pipeline",
        "tf_muscle.model.compiled",
        "tf_muscle.model.optimizers",
    },
    # A video's averages and repetitions one by one.
    "benchmarks/video_masks.py": {
        "tf_muscle.prediction.frames",
        "tf_muscle.prediction.outputs",
        "tf_muscle.prediction.predictor",
        "tf_muscle.lab.repetitions",
        "tf_muscle.prediction.smoothing",
        "tf_muscle.prediction.timeline",
        "tf_muscle.prediction.tracks",
    },
}
