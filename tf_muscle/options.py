"""Every option of a training run: one frozen dataclass per concern.

Each field is an option of `python -m tf_muscle.train` and of the presets, with its default; the
text below it is its help. The defaults are the published recipe. Needs no TensorFlow.
"""

import dataclasses
from typing import Literal, get_args

from tf_muscle import encoders
from tf_muscle.atomic import UNFINISHED
from tf_muscle.errors import (
    UserError,
    at_least,
    between,
    listed,
    plain_name,
    refuse_other_values,
)

SAMPLE = "sample"  # --data sample: the rendered photos that come with the project
Log = Literal["tensorboard", "mlflow", "wandb"]


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The photos."""

    data: str = SAMPLE
    """Roboflow export to train on: a folder or its .zip ("Semantic Segmentation Masks" or "COCO
    Segmentation"), or "sample" for the bundled synthetic photos."""
    image_size: int = 256
    """Height and width, in pixels, of the square that photos become; 256 as in the report."""
    resize: Literal["auto", "pad", "stretch"] = "auto"
    """How a photo becomes a square. pad fills it up to the shape that aspect names and resizes
    that; stretch resizes each photo as it is, as the report did; auto stretches if the export's
    README says that Roboflow did, else it pads."""
    aspect: float = 1.0
    """Width over height, from 0.1 to 10, of the shape that pad fills photos up to: 1 keeps their
    proportions. 0 takes the shape of the export's photos, which then lose no pixel to a border;
    photos that are far wider are predicted in parts of that shape."""
    ignore: int | None = None
    """Value of mask pixels that nobody labelled, such as 255, or id of the COCO category that marks
    them. They are left out of the loss and the scores."""
    split_seed: int = 0
    """Number that decides which photos become valid and test when the export has only train/, and
    which photos are tested in which fold."""
    folds: int = 0
    """Cross-validate: divide the photos of all splits into so many parts, at least 2, and train so
    many models, each tested on the part that it did not see. 0 trains one model on the export's
    own split."""
    groups: str | None = None
    """What may not be in training and test at once, such as a person, session or video: a .csv file
    with a file name and its group in each line, or a regular expression whose first group, or whole
    match, in the file name is the group. Without it, photos that look alike and neighbouring frames
    of a video are kept together. It needs folds or split_groups."""
    split_groups: bool = False
    """Keep groups together, too, where an export that has only train/ is split 80/10/10."""
    allow_leakage: bool = False
    """Go on although copies of one photo are in two splits, which makes the scores better than the
    model is."""
    data_dir: str | None = None
    """Folder of the prepared photos; by default TFDS_DATA_DIR or ~/tensorflow_datasets."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        at_least("image_size", self.image_size, 32)
        if self.aspect:
            between("aspect", self.aspect, 0.1, 10)
        if self.folds and self.folds < 2:
            raise UserError(f"--folds must be 0 or at least 2, got {self.folds}")
        if self.folds and self.split_groups:
            raise UserError(
                "--split_groups is for a single run, and --folds keeps groups together anyway: "
                "leave one of them out"
            )
        if self.groups is not None and not (self.folds or self.split_groups):
            raise UserError(
                f"--groups {self.groups} needs --folds, or --split_groups for an export that has "
                "only train/: give one of them"
            )
        if self.ignore is not None:
            between("ignore", self.ignore, 1, 255)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Random changes to the training photos; the defaults are the report's recipe."""

    horizontal_flip: float = 0.5
    """Probability that a photo is mirrored left to right, 0 to 1."""
    vertical_flip: float = 0.5
    """Probability that a photo is turned upside down, 0 to 1."""
    shear: float = 15.0
    """Largest shear, horizontal and vertical, in degrees from 0 to 45."""
    grayscale: float = 0.25
    """Probability that a photo loses its colours, 0 to 1."""
    blur: float = 1.2
    """Largest sigma of the Gaussian blur, in pixels."""
    noise: float = 0.0022
    """Largest share of pixels that become black or white, 0 to 1."""
    rotate: float = 0.0
    """Largest rotation, in degrees from 0 to 180. The report has none."""
    zoom: float = 0.0
    """Largest change of scale: 0.3 draws a factor of 1/1.3 to 1.3. The report has none."""
    shift: float = 0.0
    """Largest shift, as a share of the image size from 0 to 1. The report has none."""
    geometry_probability: float = 1.0
    """Probability that a photo is sheared, rotated, scaled and shifted at all, 0 to 1. Below 1, a
    short training sees photos as they are, too."""
    brightness: float = 0.0
    """Largest change of brightness and of contrast, 0 to 1: 0.2 adds up to 20 percent of white or
    black and multiplies the contrast by 0.8 to 1.2. The report has none."""
    saturation: float = 0.0
    """Largest change of saturation, 0 to 1: 0.3 multiplies by 0.7 to 1.3. The report has none."""
    hue: float = 0.0
    """Largest shift of the hue, as a share of the colour circle, 0 to 0.5. The report has none."""
    color_probability: float = 1.0
    """Probability that brightness and contrast change at all, 0 to 1, and, drawn separately, that
    saturation and hue do."""
    crop: int = 0
    """Height and width, in pixels, of random crops to train on; 0 trains on whole photos. Two
    thirds of the crops have muscle in them. With a quarter of the pixels a step is four times as
    fast, and a muscle that fills 2 percent of the photo fills 8 of such a crop."""
    augment_backend: Literal["albumentations", "tensorflow"] = "albumentations"
    """Where photos are changed. albumentations: on the processor, fastest where that also trains;
    tensorflow: the same changes on the device that trains, for a GPU that one processor cannot
    keep busy."""
    augment_again: bool = False
    """Make changes, too, that README.roboflow.txt says Roboflow made before the export."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        shares = ("horizontal_flip", "vertical_flip", "grayscale", "noise", "shift", "brightness")
        for name in (*shares, "saturation", "geometry_probability", "color_probability"):
            between(name, getattr(self, name), 0.0, 1.0)
        between("hue", self.hue, 0.0, 0.5)
        between("shear", self.shear, 0.0, 45.0)  # Roboflow's largest; 90 degrees have no picture
        between("rotate", self.rotate, 0.0, 180.0)
        for name in ("blur", "zoom"):
            at_least(name, getattr(self, name), 0.0)
        if self.crop:
            at_least("crop", self.crop, 32)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network: a U-Net, except where the encoder is a plain transformer."""

    encoder_weights: str = "imagenet"
    """Weights that the encoder starts from. imagenet: downloaded, as in the report (those of
    efficientnet_lite0 are in the package, those of kerashub:PRESET are the preset's own); none:
    random; auto: imagenet, or random when there is no download; else the path of an .h5 file of
    segmentation-models' encoder."""
    encoder: str = "resnet34"
    """Network that reads the photo: resnet34 (the report's), resnet18 (trains 1.5 times as fast),
    efficientnet_lite0 (for phones; its ImageNet weights need no network) or kerashub:PRESET, a
    backbone of KerasHub by its name there, hf://USER/NAME or a folder of save_to_preset. MiT and
    DINOv2 take squares of one size, so that --crop is refused."""
    decoder: Literal["transpose", "upsampling"] = "transpose"
    """How the features are brought back to the photo's size. transpose: transposed convolutions, as
    in the report; upsampling: repeated pixels, which DINOv2's decoder does not have."""
    decoder_filters: int = 256
    """Filters of the decoder's first block; each further one has half as many, at least 16. 256 is
    segmentation-models' decoder. With 128, an epoch of efficientnet_lite0 is a third shorter. Every
    block of DINOv2's decoder has this many; 256 is its paper's."""
    head_kernel: Literal[1, 3] = 1
    """Height and width of the last convolution. 1 is the report's; with 3, as in
    segmentation_models.pytorch, the first epochs learn much faster: Adam moves a logit by the
    learning rate times the number of its inputs, of which a 1x1 convolution has 16 only."""
    prior_bias: bool = False
    """Start the logits at the classes' shares of the pixels (Lin et al. 2017, Focal Loss, 3.3). It
    saves the epochs in which a new model only learns that most pixels are background."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        at_least("decoder_filters", self.decoder_filters, 16)
        encoders.refuse_unknown(self.encoder)


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """How the weights are found; the defaults are the report's best run."""

    epochs: int = 30
    """Passes over the training photos; 30 as in the report's best run."""
    batch_size: int = 16
    """Photos in one training step; 16 was best in the report's search."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimizer of the weights. adam was best in the report's search; adamw is Adam with
    weight_decay; sgd is gradient descent with momentum."""
    learning_rate: float = 1e-4
    """Highest learning rate of the schedule; 0.0001 was best in the report's search."""
    beta_1: float = 0.9
    """Decay of Adam's and AdamW's mean of the gradients, 0 to 1; the default is PyTorch's, which
    the report used."""
    beta_2: float = 0.999
    """Decay of Adam's and AdamW's mean of the squared gradients, 0 to 1; the default is PyTorch's,
    which the report used."""
    momentum: float = 0.0
    """Momentum of sgd, 0 to 1. The report names none, and PyTorch's default is 0."""
    weight_decay: float = 0.0
    """Weight decay of adamw, at least 0; it leaves biases and batch normalization alone."""
    schedule: Literal["step", "one_cycle", "constant"] = "step"
    """How the learning rate changes. step: it is cut every step_epochs, PyTorch's StepLR and the
    report's; one_cycle: linear warm-up, then cosine down to 0, for short runs; constant: not at
    all."""
    step_epochs: int = 5
    """Epochs between two cuts of the learning rate in schedule step; 5 as in the report."""
    gamma: float = 0.5
    """Factor of a cut of the learning rate in schedule step, 0 to 1; 0.5 as in the report."""
    warmup: float = 0.2
    """Share of the steps in which schedule one_cycle raises the learning rate, 0 to 1."""
    loss: Literal["cross_entropy", "cross_entropy_dice", "focal"] = "cross_entropy"
    """What the training minimises. cross_entropy is the report's; cross_entropy_dice adds the
    overlap of each muscle, which finds small ones sooner; focal gives less weight to pixels that
    are already right."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weights of the classes in the loss. balanced: how many times more pixels the background has
    than the class, at most class_weight_cap; none: 1 each, as in the report."""
    class_weight_cap: float = 10.0
    """Largest weight that class_weights balanced gives, at least 1. Without a cap, a muscle with 2
    percent of the pixels weighs 50, and the masks grow far too large."""
    ignore_background: bool = False
    """Leave background pixels out of the loss, as the report did "if needed"."""
    tie: float = 0.0
    """Difference in validation mIoU, 0 to 1, within which two epochs are equally good and the later
    one is kept. 20 photos cannot tell 0.01 apart, and the later epoch has the lower learning
    rate."""
    distill: str | None = None
    """Finished run, .keras file or SavedModel folder that teaches: the new model learns its
    probabilities of each augmented photo beside the masks (Hinton et al. 2015, Distilling the
    Knowledge in a Neural Network). A run with folds teaches the mean of its models."""
    distill_weight: float = 2.0
    """Weight of the teacher's probabilities in the loss, at least 0; the masks have 1. Hinton et
    al., section 4.1, give the labels half the weight of the teacher, too."""
    distill_temperature: float = 2.0
    """Temperature that softens the teacher's and the model's probabilities, at least 1; 2 was best
    of 1, 2, 5 and 10 where Hinton et al. distilled an ensemble (section 4.1)."""
    early_stopping: int = 0
    """Epochs without a better validation mIoU after which the training stops; 0 never stops."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        for name in ("epochs", "batch_size", "step_epochs"):
            at_least(name, getattr(self, name), 1)
        for name in ("early_stopping", "weight_decay", "distill_weight"):
            at_least(name, getattr(self, name), 0)
        for name in ("beta_1", "beta_2", "momentum", "gamma", "warmup", "tie"):
            between(name, getattr(self, name), 0.0, 1.0)
        for name in ("class_weight_cap", "distill_temperature"):
            at_least(name, getattr(self, name), 1.0)
        if not 0 < self.learning_rate < float("inf"):
            raise UserError(f"--learning_rate must be above 0, got {self.learning_rate}")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Where and how a run runs."""

    run_name: str | None = None
    """Name of the run's folder in runs_dir, which must be new; by default the preset's name and
    the time."""
    runs_dir: str = "runs"
    """Folder in which the run's folder is made."""
    saved_models_dir: str = "saved_models"
    """Folder in which the run's SavedModel is written, in a folder of the run's name."""
    seed: int = 0
    """Number that decides first weights, order of photos and random changes, 0 to 4294967295."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the arithmetic. auto: bfloat16 where the processor multiplies matrices in it
    (AMX), mixed precision on a GPU, else float32."""
    deterministic: bool = False
    """Compute the same digits in every run on one machine, which is slower."""
    fold: int | None = None
    """Train this fold alone, 1 to folds, so that several machines can share a folder of runs. Give
    all of them the same options and the same run_name; who finishes last writes the report."""
    minutes: float = 0.0
    """End everything, evaluation and pictures too, in about so many minutes after TensorFlow is
    loaded: some steps are timed first, and epochs, which is the most then, is lowered to what fits.
    0 trains all epochs."""
    log: list[Log] = dataclasses.field(default_factory=lambda: ["tensorboard"])
    """Where curves go, one or several. tensorboard: to files in the run's folder; mlflow: to the
    server or file of MLFLOW_TRACKING_URI; wandb: to Weights & Biases, as WANDB_MODE says. The last
    two also get the options, scores, model and figures, which show test photos."""
    preview: bool = False
    """Only write a sheet of augmented training photos to runs_dir/NAME-preview.png, and train
    nothing."""

    def __post_init__(self) -> None:
        refuse_other_values(self)
        between("seed", self.seed, 0, 2**32 - 1)  # numpy takes no other
        between("minutes", self.minutes, 0.0, 1e6)
        plain_name("run_name", self.run_name or "")
        if isinstance(self.log, str) or not set(self.log) <= set(get_args(Log)):
            raise UserError(f"--log must be a list of {listed(get_args(Log))}, got {self.log}")
        if self.run_name and self.run_name.startswith(UNFINISHED):  # which is cleared away
            raise UserError(f"--run_name must not begin with {UNFINISHED}, got {self.run_name}")
