"""Models on the Hugging Face Hub, hf://USER/NAME: sent there by `export --push`, opened from there.

Of a repository only one .keras file and the small files beside it are downloaded: Keras opens it
without running code in it, whereas a SavedModel is a program.
"""

import os
import re
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path

from tf_muscle.errors import UserError, listed, one_line, refuse_missing, shortened
from tf_muscle.exporting.tested import megabytes
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.manifest import digests, read_manifest

PREFIX = "hf://"
MODEL = "best.keras"  # as a run calls it
# What is downloaded: nothing in folders, where `push` puts SavedModels and the like.
CHOSEN = ["*.keras", "calibration.json", "run.json", "README.md"]
IN_FOLDERS = "*/*"
# Files that not every push sends: left there from an earlier one, they would be taken for a part of
# the new model.
OF_A_MODEL = re.compile(
    r"calibration\.json|run\.json|fold_\d+/run\.json|litert/(float32|float16|dynamic|int8)\.tflite"
)
FRONT_MATTER = """---
library_name: keras
pipeline_tag: image-segmentation
tags:
- tf_muscle
- keras
- image-segmentation
---

"""


def local_model(model: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """What to open in place of a model on the Hub; any other model is left as it is.

    Args:
        model: hf://USER/NAME, or a path or name.

    Returns:
        The path of the .keras file in huggingface_hub's cache: the newest that the Hub has, or the
        one that was last downloaded where the Hub cannot be reached or HF_HUB_OFFLINE is set.

    Raises:
        UserError: the address is malformed, there is no such repository, it is private, it has not
            exactly one .keras file, or huggingface_hub is not installed.
    """
    if not (isinstance(model, str) and model.startswith(PREFIX)):
        return model
    repository = repository_of(model, "a model on the Hub")
    from huggingface_hub import snapshot_download

    with _hub_errors(
        model, "check the name, log in by hf auth login if it is private, or go online"
    ):
        folder = Path(
            snapshot_download(repository, allow_patterns=CHOSEN, ignore_patterns=IN_FOLDERS)
        )
    found = sorted(folder.glob("*.keras"))
    named = folder / MODEL
    if named not in found and len(found) != 1:
        names = listed([path.name for path in found]) or "none"
        raise UserError(
            f"{model} must have one .keras file in its top folder, or {MODEL} among several, has "
            f"{names}: download by hand what you trust, and give its path"
        )
    return named if named in found else found[0]


def repository_of(address: str, asked: str) -> str:
    """USER/NAME of hf://USER/NAME.

    Args:
        address: as the user gave it.
        asked: what for, as the user called it.

    Raises:
        UserError: it is malformed, or huggingface_hub is not installed.
    """
    name = address.removeprefix(PREFIX)
    form = f"{asked} must be given as {PREFIX}USER/NAME, got {shortened(address)}"
    if not address.startswith(PREFIX) or name.count("/") != 1:
        raise UserError(form)
    refuse_missing(asked, "hub", ["huggingface_hub"])
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"{form} ({one_line(error)})") from error
    return name


def check_token(address: str) -> None:
    """Asks the Hub whether it takes the user's token, before an export is made for it.

    Raises:
        UserError: there is no token, the Hub refuses it, or cannot be reached.
    """
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise UserError(
            f"--push {address} needs a token of the Hub that may write: set HF_TOKEN, or log in by "
            "hf auth login"
        )
    with _hub_errors(f"--push {address}", "set HF_TOKEN to a token that may write, or go online"):
        HfApi().whoami()


def refuse_other_model(run: RunFolder) -> None:
    """Refuses to send a model with the manifest of another one.

    Raises:
        UserError: the run has no manifest, or its model was changed since.
    """
    recorded = read_manifest(run)["outputs"].get(run.model.name)
    if recorded != digests(run.path, [run.model]).get(run.model.name):
        raise UserError(
            f"{run.model} is not the model that {run.manifest} tells of: put it back as the run "
            "wrote it"
        )


def push(address: str, files: Mapping[str, Path], message: str) -> None:
    """Sends files to a repository in one commit; says first which.

    A new repository is private. In one that is there, a file of the same name gets a new version,
    and what an earlier push told of its model is removed if this one has nothing in its place: its
    calibration, manifests, and LiteRT files where others are sent. What is replaced or removed
    stays in the repository's history. Other files stay as they are.

    Args:
        address: hf://USER/NAME.
        files: name in the repository -> path.
        message: of the commit.

    Raises:
        UserError: the Hub refuses it or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    repository, api = repository_of(address, "--push"), HfApi()
    remedy = "what was exported is complete; give another --name to export and send it again"
    with _hub_errors(f"--push {address}", remedy):
        is_new = not api.repo_exists(repository)
        there = set() if is_new else set(api.list_repo_files(repository))
        removed = _outdated(there, files)
        print(f"{address} gets {len(files)} files:")
        for name, path in files.items():
            print(f"  {name} ({megabytes(path):.3f} MB)")
        if is_new:
            print("The repository is made, and is private until you change that on the Hub")
        if removed:
            print(f"These tell of the model before and are removed: {', '.join(removed)}")
        if kept := sorted(one for one in there - {*files, *removed} if one[0] != "."):
            print(f"These stay in it as they are: {listed(kept)}")
        api.create_repo(repository, private=True, exist_ok=True)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, str(path)) for name, path in files.items()),
            *(CommitOperationDelete(name) for name in removed),
        ]
        commit = api.create_commit(repository, operations, commit_message=message)
    print(f"sent: {commit.commit_url}")


def _outdated(there: Set[str], files: Mapping[str, Path]) -> list[str]:
    """What an earlier push sent and would be taken for a part of this one.

    Exports in formats that this push does not send stay whole, each with its own README.
    """
    sent_folders = {name.partition("/")[0] for name in files}
    return sorted(
        name
        for name in there - set(files)
        if OF_A_MODEL.fullmatch(name)
        and (not name.startswith("litert/") or "litert" in sent_folders)
    )


@contextmanager
def _hub_errors(what: str, remedy: str) -> Iterator[None]:
    """Turns what huggingface_hub raises into one sentence.

    Raises:
        UserError: in place of any error.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of huggingface_hub, of its HTTP client or of hf_xet
        raise UserError(f"{what} ({shortened(one_line(error))}): {remedy}") from error
