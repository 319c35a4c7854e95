"""What is said of a single file that cannot be used, and of all files at fault in one sentence."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tf_muscle.errors import UserError, listed
from tf_muscle.roboflow.image_files import MAX_PIXELS
from tf_muscle.roboflow.records import Example
from tf_muscle.roboflow.split_folder import COCO_FILE

LINE_ENDS = (
    "PNG files whose first line end was changed ({count}): {files}; something took them for text, "
    "as git does without `*.png binary` in .gitattributes, so download the export from Roboflow "
    "again."
)
UNREADABLE = (
    "Unreadable or truncated files ({count}): {files}; replace them or download the export from "
    "Roboflow again."
)
TOO_LARGE = (
    f"Images of more than {MAX_PIXELS:,} pixels ({{count}}): {{files}}; have Roboflow resize them "
    "when it exports."
)
NOT_PHOTO = (
    "Images that are neither JPEG nor PNG inside ({count}): {files}; export them from Roboflow "
    "again, which writes JPEG, or convert them."
)
NOT_IDS = (
    "Masks whose pixels are not class ids ({count}): {files}; a mask is an 8-bit grey or a palette "
    'PNG, so export it from Roboflow as "Semantic Segmentation Masks" again.'
)
MASK_SIZE = (
    "Masks of another size than their image ({count}): {files}; export both from Roboflow again, "
    "with Auto-Orient if the photos come from a phone."
)
LISTED_SIZE = (
    "Images of another size than " + COCO_FILE + " beside them says ({count}): {files}; export "
    "both from Roboflow again, with Auto-Orient if the photos come from a phone."
)
TURNED_OR_NOT = (
    "Photos that viewers turn by their EXIF orientation, with masks that fit them turned and as "
    "stored alike ({count}): {files}; export both from Roboflow again with Auto-Orient, or save "
    "the photos upright without that orientation."
)
UNLISTED_IDS = (
    "Masks with class ids that _classes.csv does not list ({count}): {files}; export masks and "
    "class list from Roboflow together again, or leave the pixels of a value that nobody labelled "
    "out of training and scores by --ignore, such as --ignore 255."
)

T = TypeVar("T")


class BadFileError(UserError):
    """One file fails a check: the sentence to complete, and how to name the file in it."""

    def __init__(self, sentence: str, file: str) -> None:
        super().__init__(sentence.format(count=1, files=file))
        self.sentence = sentence
        self.file = file


def check_each(
    check: Callable[[Example], T], splits: Mapping[str, Sequence[Example]]
) -> dict[str, list[T]]:
    """Calls `check` on every example; further kinds of problems are notes of the error raised."""

    def attempt(example: Example) -> T | BadFileError:
        try:
            return check(example)
        except BadFileError as error:
            return error

    results: dict[str, list[T]] = {split: [] for split in splits}
    problems: dict[str, list[str]] = defaultdict(list)
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock
        for split, examples in splits.items():
            for outcome in pool.map(attempt, examples):
                if isinstance(outcome, BadFileError):
                    problems[outcome.sentence].append(outcome.file)
                else:
                    results[split].append(outcome)
    if problems:
        first, *others = (
            UserError(sentence.format(count=len(files), files=listed(files)))
            for sentence, files in problems.items()
        )
        for other in others:
            first.add_note(str(other))
        raise first
    return results
