"""The manifest of a run, run.json: what went in, where it ran, what came out.

Needs no TensorFlow.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_muscle.config import Config
from tf_muscle.errors import UserError
from tf_muscle.runs.environment import Environment
from tf_muscle.runs.folder import OLDER_GEOMETRY, RunFolder, read_json


def make_manifest(
    run: RunFolder,
    config: Config,
    environment: Environment,
    metrics: Mapping[str, Mapping[str, Any]],
    saved_model: Path,
) -> dict[str, Any]:
    """Gathers what a rerun needs and is compared with.

    Args:
        run: with all its files written.
        config: the resolved options.
        environment: the content of environment.json.
        metrics: the content of metrics.json; the manifest repeats its single numbers.
        saved_model: folder of the SavedModel.
    """
    info, machine = environment.info, environment.machine
    # Not the event files for TensorBoard, which hold the time of day.
    outputs = (
        *(run.config, run.environment, run.history, run.metrics, run.model, run.report),
        run.encoder,
    )
    return {
        "data": {
            "name": environment.data,
            "fingerprint": info.fingerprint,
            "num_examples": info.num_examples,
            "synthetic": environment.synthetic,
        },
        "seeds": {"seed": config.run.seed, "split_seed": config.data.split_seed},
        "deterministic": config.run.deterministic,
        "config": config.flat(),
        "versions": machine.versions,
        "machine": {
            "processor": machine.processor,
            "kernels": machine.kernels.name,
            "device": machine.device,
            "precision": machine.precision.name,
        },
        "encoder_weights": str(environment.encoder_weights),
        "teacher": dataclasses.asdict(environment.teacher) if environment.teacher else None,
        "resumed": list(environment.resumed),
        "metrics": {
            split: {name: value for name, value in record.items() if isinstance(value, float)}
            for split, record in metrics.items()
        },
        "outputs": digests(run.path, [*outputs, *run.figures.iterdir()]),
        "saved_model": {
            "folder": str(saved_model),
            "outputs": digests(saved_model, saved_model.rglob("*")),
        },
    }


def digests(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of the files among `paths`, by their names relative to `folder`."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(paths)
        if path.is_file()
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(run: RunFolder) -> dict[str, Any]:
    """Reads run.json.

    Raises:
        UserError: the run is not complete, or the file is damaged.
    """
    if not run.manifest.is_file():
        raise UserError(
            f"{run.manifest} is missing, so the run is not complete: finish it by "
            f"--resume {run.path}"
        )

    def parse(record: Any) -> dict[str, Any]:
        return dict(record) | {"config": OLDER_GEOMETRY | record["config"]}

    return read_json(run.manifest, parse, f"train again by --config {run.config}")


def changed_outputs(run: RunFolder, manifest: Mapping[str, Any]) -> list[str]:
    """The files that are missing or differ from what the run wrote; files added since are no fault.

    A SavedModel that is no longer in its place was taken along, as it is meant to be.
    """
    saved_model = Path(manifest["saved_model"]["folder"])
    expected = [(run.path, manifest["outputs"])]
    if saved_model.is_dir():
        expected.append((saved_model, manifest["saved_model"]["outputs"]))
    return [
        f"{path} ({'changed' if path.is_file() else 'missing'})"
        for folder, outputs in expected
        for path, digest in ((folder / name, digest) for name, digest in outputs.items())
        if not path.is_file() or _sha256(path) != digest
    ]


def differences(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is no longer as it was, each as "name: then -> now"."""
    return [
        f"{name}: {recorded.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in dict.fromkeys([*recorded, *now])
        if recorded.get(name) != now.get(name)
    ]
