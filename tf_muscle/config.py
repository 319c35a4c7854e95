"""What a run is made of: one frozen dataclass per concern, from a preset and the command line.

A preset is a flat YAML file (configs/*.yaml); the command line overrides it; an unknown key fails.
Every option of `python -m tf_muscle.train` is a field here, its default and the reason beside it.
Needs no TensorFlow.
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Any, Literal

import yaml

from tf_muscle.atomic import UNFINISHED
from tf_muscle.errors import UserError

SAMPLE = "sample"  # --data sample: the rendered photos that come with the project
PACKAGE = Path(__file__).resolve().parent


def at_least(name: str, value: float, lowest: float) -> None:
    """Refuses an option that is too small."""
    if not value >= lowest:
        raise UserError(f"--{name} must be at least {lowest}, got {value}")


def between(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuses an option out of its range."""
    if not lowest <= value <= highest:
        raise UserError(f"--{name} must lie between {lowest} and {highest}, got {value}")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The photos."""

    data: str = SAMPLE
    """Roboflow export, a folder or its .zip ("Semantic Segmentation Masks" or "COCO Segmentation"),
    or "sample" for the bundled synthetic photos."""
    image_size: int = 256
    """Height and width in pixels that the model trains at; 256 is the report's."""
    resize: Literal["auto", "pad", "stretch"] = "auto"
    """How a photo that is not square reaches the network: pad keeps its proportions and fills the
    square up, stretch distorts it as the report did. auto pads, unless the export's README says
    that Roboflow stretched its photos to a square."""
    ignore: int | None = None
    """Value of mask pixels that nobody labelled, such as 255, or id of the COCO category that marks
    them: left out of the loss and the scores."""
    split_seed: int = 0
    """Decides which photos become valid and test when the export has only train/."""
    allow_leakage: bool = False
    """Go on although copies of one photo stand in two splits (the scores are then too good)."""
    data_dir: str | None = None
    """Where the prepared data set is kept; TFDS's own folder by default."""

    def __post_init__(self) -> None:
        at_least("image_size", self.image_size, 32)
        if self.ignore is not None:
            between("ignore", self.ignore, 1, 255)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Random changes to the training photos; the defaults are the report's recipe."""

    horizontal_flip: float = 0.5
    """Probability of mirroring left to right."""
    vertical_flip: float = 0.5
    """Probability of turning upside down."""
    shear: float = 15.0
    """Largest shear in degrees, horizontal and vertical."""
    grayscale: float = 0.25
    """Probability of losing the colours."""
    blur: float = 1.2
    """Largest sigma of the Gaussian blur in pixels."""
    noise: float = 0.0022
    """Largest share of pixels that become black or white."""
    rotate: float = 0.0
    """Largest rotation in degrees. Not in the report, like those below."""
    zoom: float = 0.0
    """Largest change of scale: 0.3 draws a factor of 1/1.3 to 1.3."""
    shift: float = 0.0
    """Largest shift as a share of the image size."""
    brightness: float = 0.0
    """Largest change of brightness and of contrast: 0.2 adds up to 20 percent of white or black
    and draws a factor of contrast of 0.8 to 1.2."""
    crop: int = 0
    """Train on random crops of so many pixels, two thirds of them with muscle in; 0: whole photos.
    A quarter of the pixels makes a step four times as fast, and 2 percent foreground 8."""
    augment_backend: Literal["albumentations", "tensorflow"] = "albumentations"
    """albumentations: on the processor, fastest where that also trains; tensorflow: the same recipe
    in batches on the device that trains, for a GPU that one processor cannot feed."""
    augment_again: bool = False
    """Augment online too what README.roboflow.txt says is already in the exported photos."""

    def __post_init__(self) -> None:
        shares = ("horizontal_flip", "vertical_flip", "grayscale", "noise", "shift", "brightness")
        for name in shares:
            between(name, getattr(self, name), 0.0, 1.0)
        between("shear", self.shear, 0.0, 45.0)  # Roboflow's largest; 90 degrees have no picture
        between("rotate", self.rotate, 0.0, 180.0)
        for name in ("blur", "zoom"):
            at_least(name, getattr(self, name), 0.0)
        if self.crop:
            at_least("crop", self.crop, 32)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The U-Net."""

    encoder_weights: str = "imagenet"
    """imagenet, none, auto (imagenet, or random weights when it cannot be downloaded), or an .h5
    file of segmentation-models' encoder."""
    encoder: Literal["resnet34", "resnet18"] = "resnet34"
    """ResNet34 is the report's; ResNet18 trains 1.5 times as fast."""
    decoder: Literal["transpose", "upsampling"] = "transpose"
    """Transposed convolutions are the report's; upsampling repeats pixels instead."""
    prior_bias: bool = False
    """Start the logits at the classes' shares of the pixels (Lin et al. 2017, Focal Loss, 3.3),
    which saves the epochs in which a new head learns no more than that background is common."""


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """How the weights are found; the defaults are the report's best run."""

    epochs: int = 30
    """Passes over the training photos; the report's best run had 30."""
    batch_size: int = 16
    """Photos in a step; 16 won the report's search."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """adam won the report's search; adamw adds weight_decay."""
    learning_rate: float = 1e-4
    """The schedule's highest; 1e-4 won the report's search."""
    beta_1: float = 0.9
    """Of Adam and AdamW; the report's, and PyTorch's default."""
    beta_2: float = 0.999
    """Likewise."""
    momentum: float = 0.0
    """Of SGD; the report names none, and PyTorch's default is none."""
    weight_decay: float = 0.0
    """Of AdamW."""
    schedule: Literal["step", "one_cycle", "constant"] = "step"
    """step: PyTorch's StepLR; one_cycle: linear warm-up, then cosine to 0, for short runs."""
    step_epochs: int = 5
    """Epochs between two cuts of schedule step; the report's."""
    gamma: float = 0.5
    """What a cut multiplies the learning rate by; the report's."""
    warmup: float = 0.2
    """Share of one_cycle's steps that climb."""
    loss: Literal["cross_entropy", "cross_entropy_dice", "focal"] = "cross_entropy"
    """cross_entropy is the report's; cross_entropy_dice adds the overlap of each muscle, which
    finds small ones sooner; focal counts pixels that are already right less."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: background pixels over the class's pixels, at most class_weight_cap."""
    class_weight_cap: float = 10.0
    """2 percent foreground asks for 50, which floods the masks."""
    ignore_background: bool = False
    """Leave background pixels out of the loss, as the report did "if needed"."""
    tie: float = 0.0
    """Validation mIoU within this of the best is a tie, which the later epoch wins: 20 photos
    cannot tell 0.01 apart, and the later epoch has the lower learning rate."""
    early_stopping: int = 0
    """Stop after so many epochs without a better validation mIoU; 0 never stops."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "step_epochs"):
            at_least(name, getattr(self, name), 1)
        for name in ("early_stopping", "weight_decay"):
            at_least(name, getattr(self, name), 0)
        for name in ("beta_1", "beta_2", "momentum", "gamma", "warmup", "tie"):
            between(name, getattr(self, name), 0.0, 1.0)
        at_least("class_weight_cap", self.class_weight_cap, 1.0)
        if not 0 < self.learning_rate < float("inf"):
            raise UserError(f"--learning_rate must be above 0, got {self.learning_rate}")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Where and how a run runs."""

    run_name: str | None = None
    """Folder in runs_dir; an existing one is never overwritten. By default the preset's name and
    the time."""
    runs_dir: str = "runs"
    """Where the run's folder goes."""
    saved_models_dir: str = "saved_models"
    """Where the SavedModel of the run goes, in a folder of the run's name."""
    seed: int = 0
    """Of the weights, the order of the photos and the augmentation."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 where the processor multiplies matrices in it (AMX), mixed precision on a GPU,
    else float32."""
    deterministic: bool = False
    """The same digits in every run on one machine, slower."""
    preview: bool = False
    """Write a sheet of augmented training photos to runs_dir/NAME-preview.png and stop."""

    def __post_init__(self) -> None:
        between("seed", self.seed, 0, 2**32 - 1)  # numpy takes no other
        if self.run_name and (Path(self.run_name).name != self.run_name or self.run_name == ".."):
            raise UserError(
                f"--run_name must be a plain name, got {self.run_name}; --runs_dir takes a path"
            )
        if self.run_name and self.run_name.startswith(UNFINISHED):
            raise UserError(
                f"--run_name must not begin with {UNFINISHED}, which is cleared away, "
                f"got {self.run_name}"
            )


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a training run.

    The defaults are the published recipe. `Config.of` takes options by their names alone, and each
    is described where it stands in this module, and by `python -m tf_muscle.train --help`.

    Args:
        data: `DataConfig`: the photos, the size that the model trains at.
        augment: `AugmentConfig`: random changes to the training photos.
        model: `ModelConfig`: encoder, decoder and the weights that they start from.
        optimization: `OptimizationConfig`: loss, optimizer, epochs, batch size.
        run: `RunConfig`: where the run goes, its seed and precision.

    Raises:
        UserError: options contradict each other.

    Example:
        >>> import tf_muscle
        >>> config = tf_muscle.Config.of(data="muscles.zip", epochs=10, learning_rate=1e-3)
        >>> config.optimization.epochs
        10
        >>> config.optimization.batch_size
        16
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.augment.crop > self.data.image_size:
            raise UserError(
                f"--crop must be at most --image_size, {self.data.image_size}, "
                f"got {self.augment.crop}"
            )

    @classmethod
    def of(cls, **options: Any) -> "Config":
        """Builds a configuration from options by their names, as `--help` and presets have them.

        Args:
            **options: fields of the five concerns; what is left out keeps its default.

        Raises:
            UserError: there is no such option, or a value is out of its range.
        """
        names = list(cls().flat())
        for name in options:
            if name not in names:
                alike = difflib.get_close_matches(name, names, 1)
                meant = f"; {alike[0]} is one" if alike else ""
                raise UserError(f"{name} is no option{meant}: see python -m tf_muscle.train --help")
        return from_options(options)

    def flat(self) -> dict[str, Any]:
        """All options by their names, as a preset and config.yaml hold them."""
        return {
            name: value
            for concern in dataclasses.fields(self)
            for name, value in dataclasses.asdict(getattr(self, concern.name)).items()
        }

    def save(self, path: Path) -> None:
        """Writes the options as YAML that `--config` reads."""
        path.write_text(yaml.safe_dump(self.flat(), sort_keys=False), encoding="utf-8")


def from_options(options: dict[str, Any]) -> Config:
    """Builds the configuration from flat options; every field has to be there or keeps its default.

    Raises:
        UserError: a value is out of its range.
    """
    return Config(
        **{
            concern.name: concern.type(  # type: ignore[operator]
                **{
                    field.name: options[field.name]
                    for field in dataclasses.fields(concern.type)  # type: ignore[arg-type]
                    if field.name in options
                }
            )
            for concern in dataclasses.fields(Config)
        }
    )


def bundled(name: str) -> Path:
    """A folder that ships with the project: "configs" or "sample_gym".

    The wheel holds it inside the package, a checkout beside or below its top folder.
    """
    for path in (PACKAGE / name, PACKAGE.parent / name, PACKAGE.parent / "datasets" / name):
        if path.is_dir():
            return path
    raise UserError(f"the bundled folder {name} is missing; install tf_muscle again")
