"""Which muscles are working, pixel by pixel: semantic segmentation of gym photos.

    import tf_muscle

    config = tf_muscle.Config.from_preset("muscles", data="EXPORT.zip")
    run = tf_muscle.train(config)
    predictor = tf_muscle.load_predictor(run)
    print(predictor.predict("photo.jpg").rows)

The names in `__all__` are the interface for Python. Each is imported when it is first asked for, so
that `import tf_muscle` takes no time and needs no TensorFlow. It only chooses TensorFlow's kernels
for this processor, for which it has to come before `import tensorflow`. All else may change.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tf_muscle import processor as _processor

if TYPE_CHECKING:
    from tf_muscle.config import Config
    from tf_muscle.exporting.run_export import export
    from tf_muscle.inspection.inspection import inspect_export
    from tf_muscle.prediction.predictor import load_predictor
    from tf_muscle.prediction.video import predict_video
    from tf_muscle.roboflow.reader import read_export
    from tf_muscle.training.comparison import compare
    from tf_muscle.training.evaluation import evaluate
    from tf_muscle.training.start import train

__version__ = "0.1.0"

__all__ = [
    "Config",
    "compare",
    "evaluate",
    "export",
    "inspect_export",
    "load_predictor",
    "predict_video",
    "read_export",
    "train",
]

_MODULES = {
    "Config": "tf_muscle.config",
    "compare": "tf_muscle.training.comparison",
    "evaluate": "tf_muscle.training.evaluation",
    "export": "tf_muscle.exporting.run_export",
    "inspect_export": "tf_muscle.inspection.inspection",
    "load_predictor": "tf_muscle.prediction.predictor",
    "predict_video": "tf_muscle.prediction.video",
    "read_export": "tf_muscle.roboflow.reader",
    "train": "tf_muscle.training.start",
}


if not TYPE_CHECKING:  # else a misspelt name would be of the type Any

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `tf_muscle.train` the function when the module tf_muscle/train.py is imported.

    Python binds a submodule to its package by setting the attribute of its name. The module stays
    in `sys.modules`, so that `from tf_muscle.train import main` finds it.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
_processor.this_processor()
