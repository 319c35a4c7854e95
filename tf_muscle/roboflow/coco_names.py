r"""Which file an image entry of _annotations.coco.json means.

Tools write "images/p.jpg", "./p.jpg", "images\p.jpg", "C:\photos\p.jpg", "arm%201.jpg", names
without suffix or in another case, and composed or decomposed letters. Such a name is taken where
exactly one file of the split fits it.
"""

import itertools
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from tf_muscle.roboflow.split_folder import IMAGE_SUFFIXES


@dataclass(frozen=True)
class FoundFiles:
    """What the names in one split's entries lead to.

    Attributes:
        files: name -> file, from the split folder.
        absent: names that no file fits.
        outside: names that lead out of the split folder, where no file of that name is in it.
        ambiguous: name -> the files that it fits, more than one.
    """

    files: Mapping[str, str]
    absent: tuple[str, ...]
    outside: tuple[str, ...]
    ambiguous: Mapping[str, tuple[str, ...]]


def find_files(names: Iterable[str], files: Iterable[str]) -> FoundFiles:
    """Finds the file of each entry.

    Args:
        names: "file_name" of the entries.
        files: all files below the split folder, from there, with "/".
    """
    index = _Index(files)
    found: dict[str, str] = {}
    absent, outside = [], []
    ambiguous: dict[str, tuple[str, ...]] = {}
    for name in names:
        path = PurePosixPath(_composed(name.strip().replace("\\", "/")))
        fitting: list[str] = []
        if ".." not in path.parts:
            decoded = PurePosixPath(_composed(unquote(str(path))))
            candidates = itertools.chain(index.candidates(path), index.candidates(decoded))
            fitting = next(filter(None, candidates), [])
        if len(fitting) == 1:
            found[name] = fitting[0]
        elif fitting:
            ambiguous[name] = tuple(sorted(fitting))
        elif path.is_absolute() or PureWindowsPath(path).drive or ".." in path.parts:
            outside.append(name)
        else:
            absent.append(name)
    return FoundFiles(found, tuple(absent), tuple(outside), ambiguous)


def named_files(annotations: bytes, files: Iterable[str]) -> set[str]:
    """The files that the entries of an annotation file lead to; none if it is no COCO file."""
    try:
        entries = json.loads(annotations)["images"]
        names = [str(entry["file_name"]) for entry in entries]
    except (ValueError, RecursionError, LookupError, TypeError):
        return set()
    return set(find_files(names, files).files.values())


class _Index:
    """The files of a split, by what a name may have in common with theirs."""

    def __init__(self, files: Iterable[str]) -> None:
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_folded_path: dict[str, list[str]] = defaultdict(list)
        self._by_folded_base: dict[str, list[str]] = defaultdict(list)
        for file in files:
            path = _composed(file)
            self._by_path[path].append(file)
            self._by_folded_path[path.casefold()].append(file)
            self._by_folded_base[path.casefold().rpartition("/")[2]].append(file)

    def candidates(self, path: PurePosixPath) -> Iterator[list[str]]:
        """The files that fit a name, the best fit first."""
        folded = str(path).casefold()
        suffixes = () if folded.endswith(IMAGE_SUFFIXES) else IMAGE_SUFFIXES
        yield self._by_path.get(str(path), [])
        yield self._by_folded_path.get(folded, [])
        yield [file for end in suffixes for file in self._by_folded_path.get(folded + end, [])]
        for ends in ([""], suffixes):  # with a folder that is missing here or there
            yield [
                file
                for end in ends
                for file in self._by_folded_base.get(path.name.casefold() + end, [])
                if _same_folders(folded, _composed(file).casefold())
            ]


def _same_folders(one: str, other: str) -> bool:
    """Whether the folders of one path end those of the other."""
    shorter, longer = sorted((one.split("/")[:-1], other.split("/")[:-1]), key=len)
    return longer[len(longer) - len(shorter) :] == shorter


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
