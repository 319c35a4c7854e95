"""Sending to the Hugging Face Hub and opening from there, against a stand-in of its API."""

import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from hub_stand_in import TOKEN, Hub, serving
from tiny_run import tiny_folds, tiny_run

from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.export import main as export
from tf_muscle.exporting.hub import local_model, push, repository_of
from tf_muscle.exporting.packed import pack
from tf_muscle.page.opening import trained_on_synthetic
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.folder import RunFolder
from tf_muscle.runs.manifest import digests

ADDRESS = "hf://anna/curls"
PHOTO = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub for this process, with a cache of its own and a token that it takes."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install -e .[hub]")
    with serving() as hub:
        # Where HF_ENDPOINT, HF_HUB_CACHE, HF_TOKEN_PATH and HF_HUB_DISABLE_XET are kept once read.
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def with_manifest(run: RunFolder) -> RunFolder:
    """Writes what of run.json is read here."""
    record = {
        "config": {},
        "data": {"synthetic": True},
        "outputs": digests(run.path, [run.model]),
    }
    run.manifest.write_text(json.dumps(record))
    return run


@pytest.fixture(scope="module")
def run(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("hub")
    run = tiny_run(folder / "tiny", small_export, folder / "tfds", size=40)
    pack(run.model, ("background", "biceps", "triceps", "calf"), Geometry("pad", 40))
    return with_manifest(run)


def test_a_model_goes_there_and_comes_back(
    run: RunFolder, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    words = [str(run.path), "--saved_models_dir", str(tmp_path), "--push", ADDRESS]
    assert run_command(export, words) == 0
    files = hub.repositories["anna/curls"]
    assert hub.private == {"anna/curls": True}
    assert files["best.keras"] == run.model.read_bytes()
    assert files["run.json"] == run.manifest.read_bytes()
    assert {"saved_model/saved_model.pb", "saved_model/README.md"} <= set(files)
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: keras\n")
    assert f'load_predictor("{ADDRESS}")' in card
    printed = capsys.readouterr().out
    told, sent = printed.index(f"{ADDRESS} gets"), printed.index("sent: http")
    for name in set(files) - {".gitattributes"}:
        assert told < printed.index(f"  {name} (") < sent
    assert str(tmp_path) not in card

    predictor = load_predictor(ADDRESS)
    expected = load_predictor(run.model).predict(PHOTO)
    np.testing.assert_allclose(
        predictor.predict(PHOTO).probabilities, expected.probabilities, atol=1e-5
    )
    assert predictor.class_names == ("background", "biceps", "triceps", "calf")
    downloaded = Path(local_model(ADDRESS))
    # No SavedModel of a stranger reaches the disk.
    assert {path.name for path in downloaded.parent.iterdir()} == {
        "best.keras", "run.json", "README.md"
    }  # fmt: skip
    assert trained_on_synthetic(str(downloaded))

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert Path(local_model(ADDRESS)) == downloaded, "offline, the cache does"
    with pytest.raises(UserError, match=r"hf://anna/other \(.*\): .*go online$"):
        local_model("hf://anna/other")


@pytest.mark.slow
def test_a_second_version_keeps_what_is_there(
    run: RunFolder, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But nothing that tells of the model before: its calibration would change this one's masks."""
    mine = {"notes.txt": b"mine", "plots/run.json": b"mine", "litert/float32.tflite": b"whole"}
    old = dict.fromkeys(("calibration.json", "fold_1/run.json", "fold_2/run.json"), b"old")
    hub.repositories["anna/curls"] = {".gitattributes": b"", "README.md": b"old", **mine, **old}
    words = [str(run.path), "--saved_models_dir", str(tmp_path), "--push", ADDRESS]
    assert run_command(export, words) == 0
    files = hub.repositories["anna/curls"]
    assert {name: files[name] for name in mine} == mine
    assert not set(old) & set(files)
    assert ".gitattributes" in files
    assert files["README.md"] != b"old"
    assert files["run.json"] == run.manifest.read_bytes()
    printed = capsys.readouterr().out
    assert (
        "These tell of the model before and are removed: "
        "calibration.json, fold_1/run.json, fold_2/run.json\n"
        "These stay in it as they are: litert/float32.tflite, notes.txt, plots/run.json\n"
    ) in printed


def test_types_that_are_not_sent_again_leave_no_file_of_another_model(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"new")
    sent = {"best.keras": tmp_path / "file", "litert/float32.tflite": tmp_path / "file"}
    old = ("litert/int8.tflite", "litert/mine.tflite", "onnx/model.onnx", "run.json")
    hub.repositories["anna/curls"] = dict.fromkeys(old, b"old")
    push(ADDRESS, sent, "again")
    assert set(hub.repositories["anna/curls"]) == {*sent, "litert/mine.tflite", "onnx/model.onnx"}


@pytest.mark.slow
def test_folds_go_there_as_their_mean(small_export: Path, hub: Hub, tmp_path: Path) -> None:
    run = tiny_folds(tmp_path / "folds", small_export, tmp_path / "tfds", size=40)
    for fold in run.fold_runs:
        with_manifest(fold)
    words = [str(run.path), "--saved_models_dir", str(tmp_path), "--push", ADDRESS]
    assert run_command(export, words) == 0
    files = hub.repositories["anna/curls"]
    assert {"fold_1/run.json", "fold_2/run.json"} <= set(files)
    expected = load_predictor(run).predict(PHOTO).probabilities
    np.testing.assert_allclose(
        load_predictor(ADDRESS).predict(PHOTO).probabilities, expected, atol=1e-5
    )


def test_nothing_is_asked_or_sent_without_the_option(
    run: RunFolder, hub: Hub, tmp_path: Path
) -> None:
    assert run_command(export, [str(run.path), "--saved_models_dir", str(tmp_path)]) == 0
    load_predictor(run)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (None, "--push hf://anna/curls needs a token of the Hub that may write: set HF_TOKEN"),
        ("hf_wrong", "Invalid user token"),
    ],
)
def test_without_a_good_token_nothing_is_exported(
    run: RunFolder, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, token: str | None, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.delenv("HF_TOKEN")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    out = tmp_path / "saved_models"
    words = [str(run.path), "--saved_models_dir", str(out), "--push", ADDRESS]
    assert run_command(export, words) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert not hub.repositories


@pytest.mark.slow
def test_a_refusal_in_the_end_leaves_the_export(
    run: RunFolder, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A token that may read only: the Hub knows it and makes no repository for it."""
    monkeypatch.setattr(
        "hub_stand_in.Handler.create",
        lambda self, asked: self.answer(403, {"error": "You don't have the rights"}),
    )
    words = [str(run.path), "--saved_models_dir", str(tmp_path), "--push", ADDRESS]
    assert run_command(export, words) == 2
    error = capsys.readouterr().err
    assert "403" in error
    assert "what was exported is complete; give another --name" in error
    assert (tmp_path / "tiny" / "saved_model.pb").is_file()


@pytest.mark.parametrize(
    "address",
    [
        "anna/curls",
        "hf://anna",
        "hf://anna/curls/more",
        "hf://anna/",
        "hf://an na/curls",
        "hf://a/b--c",
    ],
)
def test_malformed_addresses_are_refused(address: str, hub: Hub) -> None:
    with pytest.raises(UserError, match=r"^--push must be given as hf://USER/NAME, got "):
        repository_of(address, "--push")
    assert hub.requests == []


def test_a_model_other_than_the_manifests_is_not_sent(
    run: RunFolder, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run.manifest.read_text()
    try:
        run.manifest.write_text(record.replace('"best.keras": "', '"best.keras": "0'))
        words = [str(run.path), "--saved_models_dir", str(tmp_path), "--push", ADDRESS]
        assert run_command(export, words) == 2
    finally:
        run.manifest.write_text(record)
    assert "is not the model that" in capsys.readouterr().err
    assert not hub.repositories


def test_a_strangers_program_is_not_opened(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["eve/program"] = {"saved_model.pb": b"", "tf/x.keras": b""}
    with pytest.raises(UserError, match=r"one \.keras file in its top folder.*has none"):
        load_predictor("hf://eve/program")
    code = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Lambda(lambda x: x)])
    code.save(tmp_path / "code.keras")
    hub.repositories["eve/code"] = {"model.keras": (tmp_path / "code.keras").read_bytes()}
    with pytest.raises(UserError, match=r"model\.keras cannot be loaded \(.*[Ll]ambda"):
        load_predictor("hf://eve/code")
    hub.repositories["eve/both"] = {"a.keras": b"", "b.keras": b""}
    with pytest.raises(UserError, match=r"has a\.keras, b\.keras"):
        load_predictor("hf://eve/both")


def test_a_repository_that_is_not_there(hub: Hub) -> None:
    with pytest.raises(UserError, match=r"^hf://anna/none \(.*\): check the name"):
        load_predictor("hf://anna/none")
