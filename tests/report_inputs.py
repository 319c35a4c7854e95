"""Names of classes and options of the run that tests/report writes reports and cards of."""

NAMES = ["background", "biceps", "triceps", "calf"]
OPTIONS = {
    "image_size": 128,
    "resize": "pad",
    "encoder": "resnet18",
    "loss": "focal",
    "resume": None,
    "encoder_weights": "auto",
}
