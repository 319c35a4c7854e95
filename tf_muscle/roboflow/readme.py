"""What Roboflow did to the photos, from the README.roboflow.txt beside the splits.

It resizes all photos and augments the training images before the export. Its README says so in
these words:

    The following pre-processing was applied to each image:
    * Auto-orientation of pixel data (with EXIF-orientation stripping)
    * Resize to 640x640 (Stretch)

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
PREPROCESSING = "pre-processing was applied"
AUGMENTATION = "augmentation was applied"
BOXES = "applied to the bounding boxes"
# The others, "Fit within", "Fit (black edges)" and the like, keep the proportions.
RESIZE = re.compile(
    r"Resize to (?P<width>\d+) ?[x\u00d7] ?(?P<height>\d+) \(Stretch\b", re.IGNORECASE
)
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
    lists = {
        heading: lines
        for heading, lines in _lists(root).items()
        if AUGMENTATION in heading or BOXES in heading
    }
    # What is done only inside the boxes, no option does.
    applied = [
        line for heading, lines in lists.items() if AUGMENTATION in heading for line in lines
    ]
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


def read_stretched(root: Path) -> bool:
    """Whether Roboflow's README says that all photos were stretched to a square.

    Args:
        root: the export's folder; a missing README says nothing.
    """
    resized = [
        match
        for heading, lines in _lists(root).items()
        if PREPROCESSING in heading
        for line in lines
        if (match := RESIZE.match(line))
    ]
    return bool(resized) and resized[-1]["width"] == resized[-1]["height"]


def _lists(root: Path) -> dict[str, list[str]]:
    """The lines of the README's lists by the line above each."""
    readme = root / README
    if not readme.is_file():
        return {}
    with readme.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LONGEST)
    lists: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in map(str.strip, text.splitlines()):
        if any(words in line for words in (PREPROCESSING, AUGMENTATION, BOXES)):
            current = lists.setdefault(line, [])
        elif line.startswith("*") and current is not None:
            current.append(line.lstrip("* "))
        elif line:
            current = None
    return lists
