"""A sheet of augmented training photos with their masks: `--preview`."""

from pathlib import Path

from tf_muscle.atomic import replacing
from tf_muscle.config import Config
from tf_muscle.data.augment import Augmenter, without_baked
from tf_muscle.data.augment_tensorflow import TensorFlowAugmenter
from tf_muscle.data.dataset import load_data, print_notes
from tf_muscle.data.pipeline import training_batches
from tf_muscle.errors import UserError
from tf_muscle.report.photo_sheets import preview_sheet
from tf_muscle.runs.assignment import Assignment
from tf_muscle.training.device import seed_everything

PREVIEWED = 16  # photos on the sheet


def preview(config: Config, run_name: str, assignment: Assignment | None = None) -> None:
    """Writes a sheet of augmented training photos with their masks, runs_dir/NAME-preview.png.

    Args:
        config: every option.
        run_name: NAME.
        assignment: which photos are in which split; by default the export's own division.

    Raises:
        UserError: the sheet exists, or cannot be written.
    """
    path = Path(config.run.runs_dir) / f"{run_name}-preview.png"
    if path.exists():
        raise UserError(f"{path} exists and is never overwritten: choose another --run_name")

    data = load_data(config.data, assignment)
    print_notes(config, data)

    seed_everything(config.run.seed, config.run.deterministic)
    recipe, _ = without_baked(config.augment, data.info.baked_augmentation)
    seed = config.run.seed
    on_device = config.augment.augment_backend == "tensorflow"
    batches = training_batches(
        data.splits["train"], PREVIEWED, seed, None if on_device else Augmenter(recipe, seed)
    )
    images, masks = next(iter(batches))
    if on_device:
        images, masks = TensorFlowAugmenter(recipe, seed)(images, masks, 0)
    images, masks = images.numpy(), masks.numpy()
    try:
        with replacing(path) as unfinished:
            preview_sheet(images, masks, data.class_names, unfinished, aspect=data.geometry.aspect)
    except OSError as error:
        raise UserError(f"{path} cannot be made ({error}): choose another --runs_dir") from error
    print(f"written to {path}")
