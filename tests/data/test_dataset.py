from pathlib import Path

from tf_muscle.data.archive import fingerprint
from tf_muscle.data.dataset import is_synthetic

SAMPLE = Path(__file__).parents[2] / "datasets" / "sample_gym"


def test_the_bundled_photos_are_synthetic_by_whatever_path(small_export: Path) -> None:
    assert is_synthetic({"fingerprint": fingerprint(SAMPLE)})
    assert not is_synthetic({"fingerprint": fingerprint(small_export)})
