"""A network from its .keras file, with what Keras has to know for that."""

from pathlib import Path

import keras

import tf_muscle.model.hub_encoder  # noqa: F401  # makes Keras know what it finds in the file
from tf_muscle.errors import UserError, one_line, shortened


def load_network(path: Path) -> keras.Model:
    """The network in a .keras file, not compiled.

    Raises:
        UserError: the file is damaged, or of another kind; a package is missing.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UserError:  # a package is missing
        raise
    except Exception as error:  # of a damaged file: what its bytes happen to lead to
        reason = shortened(one_line(error))
        raise UserError(
            f"{path} cannot be loaded ({reason}): give the best.keras of a finished run"
        ) from error
