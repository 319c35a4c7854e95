"""One preparation at a time for each config, and none of a killed one's files left behind."""

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import filelock

from tf_muscle.atomic import locked

INCOMPLETE = "*/incomplete.*_*"  # <config>/incomplete.<random>_<version>: renamed when complete


@contextmanager
def exclusive_preparation(config_dir: Path) -> Iterator[None]:
    """Holds the lock of `<data_dir>/<data set>/<config>` and removes what killed preparations left.

    A second process waits here until the first has ended. The system frees the lock of a killed
    process, so a folder whose lock can be had belongs to no living preparation. That holds for the
    other configs too, whose export may have changed so that nobody prepares them again.
    """
    with _locked(config_dir):
        # Not Path.glob, which fails when another process removes a folder that it is in.
        for leftover in glob.glob(INCOMPLETE, root_dir=config_dir.parent):  # noqa: PTH207
            owner = config_dir.parent / Path(leftover).parent
            lock = nullcontext() if owner == config_dir else _locked(owner, timeout=0)
            with suppress(filelock.Timeout), lock:
                shutil.rmtree(config_dir.parent / leftover, ignore_errors=True)
        yield


@contextmanager
def _locked(config_dir: Path, timeout: float = -1) -> Iterator[None]:
    config_dir.parent.mkdir(parents=True, exist_ok=True)
    with locked(config_dir.with_name(f".{config_dir.name}.lock"), timeout):
        try:
            yield
        finally:
            with suppress(OSError):  # not empty, once the data are there
                config_dir.rmdir()
