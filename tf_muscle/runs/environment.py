"""Where a run was trained, on what and from what: environment.json, read and written here alone."""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tf_muscle.config import PACKAGE
from tf_muscle.processor import Choice
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.runs.folder import (
    PUT_BACK,
    RunFolder,
    read_json,
    refuse_other_export,
    write_json,
)
from tf_muscle.runs.teacher import Teacher

RECORDED_PACKAGES = (
    "tf_muscle",
    "tensorflow",
    "keras",
    "segmentation-models",
    "tensorflow-datasets",
    "albumentations",
    "numpy",
)
SOURCES = ("tf_muscle", "tf_muscle.tuner", "tf_muscle.roboflow_segmentation")
NOTHING_CHANGED = "nothing changed"  # between a run's start and its going on
# Keys of environment.json beside those of `versions`.
MACHINE = ("processor", "kernels", "device", "precision")
NO_VERSIONS = {
    *MACHINE, "encoder_weights", "augmentation_left_out", "loss", "data", "minutes", "resumed",
    "teacher",
    "unlabeled",  # of runs with an option of that name, see `config.REMOVED`
}  # fmt: skip
UNKNOWN = "unknown"  # stands for what runs from before it was recorded do not tell
# As `EncoderStart.__str__` writes it.
ENCODER_START = re.compile(
    r"(?P<kind>random|imagenet|file|kerashub)"
    r"(, because (?P<reason>.+)"
    r"|((?<=imagenet) \(|(?<=file) |(?<=kerashub) )(?P<file>.+)"
    r"(, | \()(?P<checksum>(md5|sha256) \w+)\))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class EncoderStart:
    """What the encoder's weights were before the training.

    Attributes:
        kind: ImageNet's weights, those of a user's file or of a KerasHub preset, or random ones.
        file: name of the file or preset that they were read from.
        checksum: of that file or of the preset's weights, "md5 ..." or the start of "sha256 ...".
        reason: why they are random although ImageNet's were preferred.
    """

    kind: Literal["imagenet", "file", "kerashub", "random"]
    file: str | None = None
    checksum: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        """As files and tables have it; the inverse of `parse`."""
        if self.kind == "imagenet":
            return f"imagenet ({self.file}, {self.checksum})"
        if self.kind in ("file", "kerashub"):
            return f"{self.kind} {self.file} ({self.checksum})"
        return f"random, because {self.reason}" if self.reason else "random"

    @classmethod
    def parse(cls, text: str) -> "EncoderStart":
        """Reads what `str` gave.

        Raises:
            ValueError: the text is another.
        """
        if not (match := ENCODER_START.fullmatch(text)):
            raise ValueError(f"encoder_weights: {text}")
        fields: dict[str, Any] = match.groupdict()
        return cls(**fields)


@dataclass(frozen=True)
class Machine:
    """What decides the last digits of a training.

    Attributes:
        versions: of `versions`.
        processor: its name and threads.
        kernels: what computes on it, "oneDNN", "Eigen" or "TensorFlow's own", and why.
        device: "CPU", or the names of the GPUs.
        precision: what the training computes in, "float32", "bfloat16" or "float16", and why.
    """

    versions: Mapping[str, str]
    processor: str
    kernels: Choice
    device: str
    precision: Choice

    def to_json(self) -> dict[str, str]:
        """As environment.json has it."""
        return {**self.versions, **{name: str(getattr(self, name)) for name in MACHINE}}


@dataclass(frozen=True)
class Environment:
    """The content of environment.json.

    Attributes:
        machine: that the run was started on.
        encoder_weights: what the encoder really started from.
        augmentation_left_out: options that are off, since the exported photos carry them already.
        loss: the configuration of `SegmentationLoss`.
        data: `--data`.
        synthetic: the photos are rendered.
        info: of the data set.
        resumed: what had changed, in words, each time that the run went on.
        minutes: the budget that decided its epochs; 0 for none.
        teacher: of a run with `distill`.
    """

    machine: Machine
    encoder_weights: EncoderStart
    augmentation_left_out: tuple[str, ...]
    loss: Mapping[str, Any]
    data: str
    synthetic: bool
    info: DataInfo
    resumed: tuple[str, ...] = ()
    minutes: float = 0.0
    teacher: Teacher | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Environment":
        """Reads the object in environment.json; keys that older runs lack may be missing.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_json` gave.
        """
        data = record["data"]
        return cls(
            machine=Machine(
                {name: value for name, value in record.items() if name not in NO_VERSIONS},
                record.get("processor", UNKNOWN),
                Choice.parse(record.get("kernels", UNKNOWN)),
                record.get("device", UNKNOWN),
                Choice.parse(record.get("precision", UNKNOWN)),
            ),
            encoder_weights=EncoderStart.parse(record.get("encoder_weights", "random")),
            augmentation_left_out=tuple(record.get("augmentation_left_out", ())),
            loss=dict(record.get("loss", {})),
            data=data.get("name", UNKNOWN),
            synthetic=data.get("synthetic", False),
            info=DataInfo.from_json(data),
            resumed=tuple(record.get("resumed", ())),
            minutes=record.get("minutes", 0.0),
            teacher=Teacher(**record["teacher"]) if "teacher" in record else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The object in environment.json."""
        return {
            **self.machine.to_json(),
            "encoder_weights": str(self.encoder_weights),
            "augmentation_left_out": list(self.augmentation_left_out),
            "loss": dict(self.loss),
            "data": {"name": self.data, "synthetic": self.synthetic}
            | dataclasses.asdict(self.info),
            **({"minutes": self.minutes} if self.minutes else {}),
            **({"resumed": list(self.resumed)} if self.resumed else {}),
            **({"teacher": dataclasses.asdict(self.teacher)} if self.teacher else {}),
        }


def read_environment(run: RunFolder) -> Environment:
    """Reads environment.json.

    Raises:
        UserError: it is missing or damaged.
    """
    remedy = f"{PUT_BACK}, or, to predict, move the model into a folder of its own"
    return read_json(run.environment, Environment.from_json, remedy)


def refuse_changed_data(run: RunFolder, data: str, fingerprint: str) -> None:
    """Refuses to go on with a run on other data than it was started on.

    Args:
        run: an interrupted run.
        data: where its export lies now.
        fingerprint: of what lies there.

    Raises:
        UserError: these are other photos or masks.
    """
    if not run.environment.is_file():  # killed before it was written
        return
    refuse_other_export(run, data, fingerprint, read_environment(run).info.fingerprint)


def record_resume(run: RunFolder, data: str, machine: Machine) -> None:
    """Adds to the environment that the run was resumed, and what has changed since its start.

    Args:
        run: an interrupted run.
        data: where its export lies now.
        machine: the machine it is resumed on.
    """
    environment = read_environment(run)
    then = environment.machine.to_json()
    changed = [
        f"{name} {then[name]} -> {now}"
        for name, now in machine.to_json().items()
        if then.get(name, UNKNOWN) not in (now, UNKNOWN)
    ]
    resumed = (*environment.resumed, ", ".join(changed) or NOTHING_CHANGED)
    environment = dataclasses.replace(environment, data=data, resumed=resumed)
    write_json(run.environment, environment.to_json())


def versions() -> dict[str, str]:
    """Python, the platform, the packages that decide results, and the checkout's commit.

    `tf_muscle source` tells code apart that has the same version or commit: 16 hex digits.
    """
    record = {"python": platform.python_version(), "platform": platform.platform()}
    for package in RECORDED_PACKAGES:
        record[package] = importlib.metadata.version(package)
    if importlib.util.find_spec("keras_hub"):
        record["keras-hub"] = importlib.metadata.version("keras-hub")
    record["tf_muscle source"] = _source_digest()
    if (PACKAGE.parent / ".git").exists() and shutil.which("git"):
        commit = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        if commit.returncode == 0:
            record["git_commit"] = commit.stdout.strip()
    return record


def _source_digest() -> str:
    """Of all code by its names when installed, so that a checkout and its wheel have the same."""
    files = {}
    for package in SOURCES:
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            for path in Path(folder).rglob("*.py"):
                files[Path(*package.split("."), path.relative_to(folder)).as_posix()] = path
    source = hashlib.sha256()
    for name, path in sorted(files.items()):
        source.update(name.encode())
        source.update(path.read_bytes())
    return source.hexdigest()[:16]
