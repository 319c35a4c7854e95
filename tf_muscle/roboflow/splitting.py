"""Which photo is in which split: shared photos found, missing splits held out."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tf_muscle.errors import UserError, listed
from tf_muscle.roboflow.records import Example
from tf_muscle.roboflow.video_frames import NEIGHBOUR_STEPS, find_frames, neighbours, videos_of

HELD_OUT = 0.1  # of the sources, for each of valid and test: 80/10/10
PIECES = 10  # that a video is cut into
FRAMES_NOTE = (
    "Photos of valid and test with a neighbouring frame of the same video in another split"
)


def shared_sources(splits: Mapping[str, Sequence[Example]]) -> dict[str, list[str]]:
    """Finds the sources that lie in more than one split: source name -> those splits."""
    found: dict[str, list[str]] = defaultdict(list)
    for split, examples in splits.items():
        for source in dict.fromkeys(example.source_name for example in examples):
            found[source].append(split)
    return {source: names for source, names in sorted(found.items()) if len(names) > 1}


def shared_videos(splits: Mapping[str, Sequence[Example]]) -> dict[str, list[str]]:
    """Finds the videos with frames in more than one split: start of their names -> those splits."""
    frames = find_frames({example.source_name for found in splits.values() for example in found})
    found: dict[str, set[str]] = defaultdict(set)
    for split, examples in splits.items():
        for example in examples:
            if example.source_name in frames:
                found[frames[example.source_name].video].add(split)
    return {
        video: [split for split in splits if split in names]
        for video, names in sorted(found.items())
        if len(names) > 1
    }


def leaking_frames(splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """The sources of valid and test that are neighbouring frames of one in another split."""
    split_of = {e.source_name: split for split, examples in splits.items() for e in examples}
    found = {
        name
        for pair in neighbours(find_frames(split_of))
        for name in pair
        if split_of[pair[0]] != split_of[pair[1]] and split_of[name] != "train"
    }
    return sorted(found)


def hold_out(
    train: Sequence[Example], missing: Sequence[str], seed: int
) -> dict[str, tuple[Example, ...]]:
    """Takes the missing splits out of the training examples.

    Sources are ranked by a hash of the seed and their name and move with all their copies, so that
    the outcome depends on neither order nor platform, and augmented copies of a photo never part.
    The frames of a video move together, too. Where the videos are too few or too long for that,
    each is cut by time: one block of it goes to each missing split, and the frames of the others
    that are beside a block are left out.

    Args:
        train: the examples to divide.
        missing: the splits to fill, "valid" and/or "test".
        seed: gives another division.

    Returns:
        The examples of "train" and of each missing split, each at least one source.

    Raises:
        UserError: there are fewer sources than splits to fill.
    """
    sources = sorted({example.source_name for example in train})
    if len(sources) <= len(missing):
        raise UserError(
            f"train holds {len(sources)} source photos, too few to hold out "
            f"{' and '.join(missing)}; add photos or export with a split made in Roboflow."
        )
    frames = find_frames(sources)
    groups = {source: [source] for source in sources if source not in frames} | videos_of(frames)
    chosen = _whole(groups, missing, seed) or _cut(groups, missing, seed)
    return {
        split: tuple(example for example in train if chosen.get(example.source_name) == split)
        for split in ("train", *missing)
    }


def hold_out_note(
    before: Sequence[Example], splits: Mapping[str, Sequence[Example]], missing: Sequence[str]
) -> str:
    """Tells what `hold_out` did, in words that follow "The export has no test folder: ".

    Args:
        before: the training examples that were divided.
        splits: what came of them.
        missing: the splits that were filled.
    """
    found = {split: splits[split] for split in ("train", *missing)}
    frames = find_frames({example.source_name for example in before})
    left_out = len(before) - sum(map(len, found.values()))
    if cut := shared_videos(found):
        return (
            f"the videos are too few or too long to be held out whole, so the frames of "
            f"{listed(list(cut))} were cut by time, {left_out} images beside the cuts left out "
            "(scores tell of other moments of these videos), and others held out from train"
        )
    videos = " and whole videos with all their frames" if frames else ""
    return f"whole photos with all their copies{videos} were held out from train"


def _whole(groups: Mapping[str, list[str]], missing: Sequence[str], seed: int) -> dict[str, str]:
    """Source -> split, with no group in two splits; empty if too little is left to train on."""
    wanted = max(1, round(HELD_OUT * sum(map(len, groups.values()))))
    for enough in (wanted, wanted // 2, wanted // 4):
        chosen = {source: "train" for group in groups.values() for source in group}
        counts = dict.fromkeys(missing, 0)
        # Of a fitting size first, so that one long video does not make a split too large.
        ranked = sorted(_ranked(groups, seed), key=lambda name: max(len(groups[name]), enough))
        for split in missing:
            while ranked and counts[split] < enough:
                size = len(groups[ranked[0]])
                if counts[split] and size > enough:
                    break
                chosen.update(dict.fromkeys(groups[ranked.pop(0)], split))
                counts[split] += size
        left = len(chosen) - sum(counts.values())
        if min(counts.values()) and left >= max(counts.values()):
            return chosen
    return {}


def _cut(groups: Mapping[str, list[str]], missing: Sequence[str], seed: int) -> dict[str, str]:
    """Source -> split, the longer groups cut in their order; what is left out has no split."""
    chosen: dict[str, str] = {}
    single = [name for name, group in groups.items() if len(group) <= len(missing)]
    size = round(HELD_OUT * len(single))
    for number, name in enumerate(_ranked(single, seed)):
        place = number // size if size else len(missing)
        split = missing[place] if place < len(missing) else "train"
        chosen.update(dict.fromkeys(groups[name], split))
    for name, group in groups.items():
        if name not in single:
            chosen |= _cut_one(group, missing, _digest(name, seed)[0])
    if not {"train", *missing} <= set(chosen.values()):
        raise UserError(
            f"train holds {sum(map(len, groups.values()))} frames of {len(groups)} videos, too few "
            f"to hold out {' and '.join(missing)}; add photos or export with a split made in "
            "Roboflow."
        )
    return chosen


def _cut_one(group: Sequence[str], missing: Sequence[str], draw: int) -> dict[str, str]:
    """Cuts a block for each missing split out of a video, far from each other."""
    pieces = min(PIECES, len(group))
    apart = pieces // len(missing)
    splits: list[str | None] = ["train"] * len(group)
    ends = []
    for number, split in enumerate(missing):
        piece = draw % apart + number * apart
        start, stop = (edge * len(group) // pieces for edge in (piece, piece + 1))
        splits[start:stop] = [split] * (stop - start)
        ends.append((start, stop))
    held_out = sum(stop - start for start, stop in ends)
    for gap in range(
        NEIGHBOUR_STEPS, 0, -1
    ):  # a smaller one where little would be left to train on
        beside = {
            place
            for start, stop in ends
            for place in (*range(start - gap, start), *range(stop, stop + gap))
            if 0 <= place < len(group) and splits[place] == "train"
        }
        if len(group) - held_out - len(beside) > held_out:
            for place in beside:
                splits[place] = None
            break
    return {source: split for source, split in zip(group, splits, strict=True) if split}


def _ranked(names: Iterable[str], seed: int) -> list[str]:
    return sorted(names, key=lambda name: _digest(name, seed))


def _digest(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
