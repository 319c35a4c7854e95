"""Stands in for your own photos in docs/tutorial.md: `python tools/tutorial_photos.py [FOLDER]`.

Writes three things made of the bundled sample, as you and Roboflow would:

    mine.zip     the first version of an export: 120 training photos with masks, valid, test
    photos/      40 photos of other people, without masks
    mine2.zip    the second version: those 40 with their masks, too
"""

import sys
import zipfile
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "sample_gym"
FIRST, NEW = 120, 40  # four photos of each person


def main(folder: Path) -> None:
    """Writes the three into a folder.

    Raises:
        FileExistsError: one of them is there already.
    """
    training = sorted((SAMPLE / "train").glob("*.jpg"), key=number)
    first, new = training[:FIRST], training[FIRST : FIRST + NEW]
    write_export(folder / "mine.zip", first)
    write_export(folder / "mine2.zip", first + new)
    photos = folder / "photos"
    photos.mkdir()
    for photo in new:
        (photos / f"gym_{number(photo)}.jpg").write_bytes(photo.read_bytes())


def number(photo: Path) -> int:
    """The number in the name of a photo of the sample, which counts people and their photos."""
    return int(photo.name.split("_")[1])


def write_export(path: Path, training: list[Path]) -> None:
    """Zips training photos, their masks, and the sample's other splits."""
    masks = [photo.with_name(f"{photo.stem}_mask.png") for photo in training]
    others = [*(SAMPLE / "valid").iterdir(), *(SAMPLE / "test").iterdir()]
    with zipfile.ZipFile(path, "x") as export:
        for file in [SAMPLE / "train" / "_classes.csv", *training, *masks, *others]:
            export.write(file, file.relative_to(SAMPLE))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
