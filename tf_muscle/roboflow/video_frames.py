"""Which photos are frames of one video, by their names.

Four kinds of names count:

    squat_mp4-0012, IMG_2030_MOV-7    Roboflow's and our own: the suffix of the video, a number
    frame_0012, clip2_0012            the word frame, or a numbered clip, vid or video
    curl_000012                       six digits behind any other name, as older versions of
                                      predict wrote them
    out0012, scene00012               as ffmpeg's and VLC's manuals name what they cut out

The last two only if at least half of the numbers from the first to the last are there.

Cameras number photos, too: IMG_0012, DSC01234, PXL_20230101_123456789 and p12 are photos, and so is
what calls itself image, img, photo or picture.
"""

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SUFFIXES = r"mp4|m4v|mov|avi|mkv|webm|mpe?g|wmv"
# Too short, or too often a photo's, to count without Roboflow's "_" and "-" around them.
OTHER_SUFFIXES = r"m2ts|mts|ts|flv|3gp|ogv|gif|webp"
# Not "clip2", which may be the only picture of a video.
WORDS = r"(?:video)?frames?|(?:video|vid|clip)[ _-]?\d+(?=\D)"
FRAME = re.compile(
    rf"(.*(?<![a-z])(?:{WORDS}|{SUFFIXES})(?:[^a-z].*?)?(?<!\d)|.*_(?:{OTHER_SUFFIXES})-)(\d+)",
    re.IGNORECASE,
)
NUMBERED = re.compile(
    r"(.*[^\W\d_].*_(?=\d{6}$)|(?:.*[^a-z])?(?:out|output|scene)[_-]?(?=\d{3,6}$))(\d+)",
    re.IGNORECASE,
)
PHOTOS = re.compile(
    r"(?:.*[^a-z])?(?:img|images?|photos?|pictures?|pics?|dsc[fn]?|pxl|p|mvimg|screenshot)[^a-z]*",
    re.IGNORECASE,
)
LEAST_FRAMES = 4  # of `NUMBERED`, before they are taken for a video
# Two frames apart by at most two numbers: in two public exports that holds for 168 of the 170
# frames that were held out. Where a video's frames are numbered in larger steps (every tenth
# frame), the step counts as one, up to one second of ordinary video.
NEIGHBOUR_STEPS = 2
LARGEST_STEP = 30
UPLOAD_SUFFIX = re.compile(r"(?:_(?:jpe?g|png))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Frame:
    """A frame's place: the start of its name, which its video's other frames share."""

    video: str
    number: int


def frame_number(source_name: str) -> Frame | None:
    """The place that a name tells by itself, None if it names no frame."""
    match = FRAME.fullmatch(UPLOAD_SUFFIX.sub("", source_name))
    return Frame(match[1], int(match[2])) if match else None


def find_frames(source_names: Iterable[str]) -> dict[str, Frame]:
    """The frames among the names of an export's photos: name -> place."""
    frames: dict[str, Frame] = {}
    numbered: dict[str, dict[str, Frame]] = defaultdict(dict)  # by the start of the name
    for name in source_names:
        if frame := frame_number(name):
            frames[name] = frame
        elif match := NUMBERED.fullmatch(UPLOAD_SUFFIX.sub("", name)):
            numbered[match[1]][name] = Frame(match[1], int(match[2]))
    for video, places in numbered.items():
        numbers = sorted({frame.number for frame in places.values()})
        if len(numbers) >= LEAST_FRAMES and not PHOTOS.fullmatch(video):
            steps = (numbers[-1] - numbers[0]) // step_of(numbers)
            if 2 * len(numbers) > steps:
                frames |= places
    return frames


def neighbours(frames: Mapping[str, Frame]) -> list[tuple[str, str]]:
    """Pairs of names whose frames are at most `NEIGHBOUR_STEPS` apart, the earlier one first."""
    videos: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(frames):
        videos[frames[name].video][frames[name].number].append(name)
    pairs: list[tuple[str, str]] = []
    for by_number in videos.values():
        numbers = sorted(by_number)
        reach = NEIGHBOUR_STEPS * min(step_of(numbers), LARGEST_STEP)
        for position, number in enumerate(numbers):
            for later in numbers[position + 1 : position + 1 + NEIGHBOUR_STEPS]:
                if later - number <= reach:
                    pairs += itertools.product(by_number[number], by_number[later])
    return pairs


def step_of(numbers: Iterable[int]) -> int:
    """The step by which frames are numbered, such as 10 for every tenth; 0 for a single one.

    Args:
        numbers: different ones, ascending.
    """
    return math.gcd(*(after - before for before, after in itertools.pairwise(numbers)))


def videos_of(frames: Mapping[str, Frame]) -> dict[str, list[str]]:
    """The names of each video's frames, in the order of time."""
    videos = defaultdict(list)
    for name in sorted(frames, key=lambda name: frames[name].number):
        videos[frames[name].video].append(name)
    return dict(videos)
