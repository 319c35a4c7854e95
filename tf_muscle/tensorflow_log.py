"""What TensorFlow's libraries write to standard error: hidden, unless it is asked for or needed."""

import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

VERBOSE = "--verbose"
VERBOSE_HELP = "shows also what TensorFlow says of its libraries, this machine and its GPUs."
STANDARD_ERROR = 2  # the file descriptor
LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # the variable that TensorFlow reads: 0 says all, 3 nothing


def set_up(*, verbose: bool) -> None:
    """Decides what TensorFlow may say; before it is imported.

    TensorFlow follows TF_CPP_MIN_LOG_LEVEL once it is loaded. What its libraries say while the
    system loads them no setting hides, so that it is caught at the import.
    """
    if verbose:
        os.environ[LEVEL] = "0"
        return
    os.environ.setdefault(LEVEL, "3")  # only what ends the process
    if "tensorflow" not in sys.modules and not any(map(_is_ours, sys.meta_path)):
        sys.meta_path.insert(0, QuietTensorFlow())


def _is_ours(finder: object) -> bool:
    return isinstance(finder, QuietTensorFlow)


class QuietTensorFlow(MetaPathFinder):
    """Lets `import tensorflow` run in silence, whoever does it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            load = functools.partial(_load_quietly, spec.loader.exec_module)
            spec.loader.exec_module = load  # type: ignore[method-assign]
        return spec


def _load_quietly(load: Callable[[ModuleType], None], tensorflow: ModuleType) -> None:
    with standard_error_held():
        load(tensorflow)
    if has_gpu() and not tensorflow.config.list_physical_devices("GPU"):
        print(
            "WARNING: TensorFlow cannot use this machine's NVIDIA GPU and computes on the "
            f'processor: {VERBOSE} shows what it says; pip install ".[gpu]" adds its libraries',
            file=sys.stderr,
        )


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU that CUDA_VISIBLE_DEVICES does not hide."""
    found = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
    return found and os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1")


@contextmanager
def quiet_converter() -> Iterator[None]:
    """Silences LiteRT, which follows no setting, unless --verbose was given."""
    with nullcontext() if os.environ.get(LEVEL) == "0" else standard_error_held():
        yield


@contextmanager
def standard_error_held() -> Iterator[None]:
    """Holds back what is written to standard error, by C libraries too; an error lets it out."""
    try:
        held = tempfile.TemporaryFile()  # noqa: SIM115
        shown = os.dup(STANDARD_ERROR)
    except OSError:  # no room for it, or standard error is closed
        yield
        return
    with held:
        os.dup2(held.fileno(), STANDARD_ERROR)
        failed = True
        try:
            yield
            failed = False
        finally:
            if sys.stderr:
                sys.stderr.flush()
            os.dup2(shown, STANDARD_ERROR)
            os.close(shown)
            if failed:
                held.seek(0)
                os.write(STANDARD_ERROR, held.read())
