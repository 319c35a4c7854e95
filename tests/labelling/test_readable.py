from pathlib import Path

from PIL import Image

from tf_muscle.labelling.readable import fault


def test_why_a_photo_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (30, 20)).save(path)
    assert fault(path) is None
    Image.new("1", (8000, 7000)).save(path)
    assert fault(path) == "a.png has 8000x7000 pixels, more than 51,000,000"
    Image.new("1", (20_000, 9000)).save(path)
    assert fault(path) == "a.png has far too many pixels, more than 51,000,000"
    path.write_bytes(b"hello")
    assert fault(path) == "a.png is damaged (cannot identify image file)"
