"""Which augmentation an export already carries, from the README.roboflow.txt beside its splits.

Roboflow augments the training images before the export. Its README says so in these words:

    The following augmentation was applied to create 3 versions of each source image:
    * 50% probability of horizontal flip
    * Random shear of between -15° to +15° horizontally and -15° to +15° vertically
    * Random brigthness adjustment of between -25 and +25 percent
    * Salt and pepper noise was applied to 0.97 percent of pixels

    The following transformations were applied to the bounding boxes of each image:
    * Random Gaussian blur of between 0 and 10 pixels
"""

import re
from pathlib import Path

README = "README.roboflow.txt"
LONGEST = 100_000  # characters that are read; Roboflow writes some 1,500

# What the line of each augmentation contains. "brigthness" is Roboflow's own spelling. No README
# was found that names grayscale, hue, saturation, cutout or mosaic; they are here should one do so.
PHRASES = {
    "horizontal_flip": r"horizontal flip",
    "vertical_flip": r"vertical flip",
    "shear": r"\bshear",
    "grayscale": r"gr[ae]yscale",
    "blur": r"\bblur",
    "noise": r"\bnoise",
    "rotate": r"\brotat",  # by any angle, and the 90-degree rotations
    "crop": r"\bcrop",
    "brightness": r"\bbri(gth|ght)ness",
    "exposure": r"\bexposure",
    "saturation": r"\bsaturation",
    "hue": r"\bhue",
    "cutout": r"\bcutout",
    "mosaic": r"\bmosaic",
}


def read_baked_augmentation(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reads what Roboflow's README says about augmentation.

    Args:
        root: the export's folder; a missing README names no augmentation.

    Returns:
        The options (keys of `PHRASES`, in their order) that were applied to whole training images,
        and a sentence for each of the two lists, which quotes all of its lines.
    """
    readme = root / README
    if not readme.is_file():
        return (), ()
    applied: list[str] = []
    lists: dict[str, list[str]] = {}  # by the line above each
    current: list[str] | None = None
    with readme.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LONGEST)
    for line in map(str.strip, text.splitlines()):
        if "augmentation was applied" in line:
            current = lists[line] = applied
        elif "applied to the bounding boxes" in line:
            current = lists[line] = []  # only inside the boxes: no option does that
        elif line.startswith("*") and current is not None:
            current.append(line.lstrip("* "))
        elif line:
            current = None
    options = tuple(
        option
        for option, phrase in PHRASES.items()
        if any(re.search(phrase, line, re.IGNORECASE) for line in applied)
    )
    notes = tuple(
        f"{README} says: {heading} {', '.join(lines) or 'none is named'}."
        for heading, lines in lists.items()
    )
    return options, notes
