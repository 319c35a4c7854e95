"""Files that changed under the same name have another digest."""

from pathlib import Path

import pytest

from tf_muscle.errors import UserError
from tf_muscle.prediction.fingerprints import files_digest, model_digest


def test_a_model_that_was_trained_anew_has_another_digest(tmp_path: Path) -> None:
    model = tmp_path / "best.keras"
    model.write_bytes(b"one")
    first = model_digest(str(model))
    model.write_bytes(b"two")
    assert model_digest(str(model)) != first
    model.write_bytes(b"one")
    moved = model.rename(tmp_path / "moved.keras")
    assert model_digest(str(moved)) == first == files_digest([moved])


def test_all_files_of_a_saved_model_count(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables").mkdir()
    weights = tmp_path / "variables/variables.data-00000-of-00001"
    weights.write_bytes(b"one")
    first = model_digest(str(tmp_path))
    weights.write_bytes(b"two")
    assert model_digest(str(tmp_path)) != first


def test_the_model_in_the_package_has_one_and_a_word_has_none(tmp_path: Path) -> None:
    assert model_digest(None) == model_digest(None)
    with pytest.raises(UserError, match="is no model"):
        model_digest(str(tmp_path / "none"))
