"""Exports that were in order before a few things were changed in them."""

import functools
import io
import json
import os
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hostile_bytes import damaged, file_names, texts
from hostile_pictures import pictures
from hypothesis import strategies as st
from PIL import Image

WIDTH, HEIGHT = 12, 8
PHOTOS = {"train": ["a_jpg.rf.01.jpg", "b.png"], "valid": ["c.jpg"], "test": ["d.jpg"]}
POLYGON = [2, 1, 4, 1, 4, 3, 2, 3]
README = (
    b"muscles\n\nThe following augmentation was applied to create 3 versions of each image:\n"
    b"* 50% probability of horizontal flip\n* Random shear of between -15 and +15 degrees\n"
)
# Tokens of JSON that hardly any writer writes; 0 stands for the value that was there.
TOKENS = [
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e308", "1e308", "null", "true", "[]", "{}", '""'),
    *("-1", "0", "0.5", "1", "256", "4294967296", "9" * 400, "9" * 4299, "9" * 5000, "[[]]", "[0]"),
    *(
        '"1"',
        '"\\ud800"',
        '"\\u0000"',
        '"a\\nb"',
        '".."',
        '"/etc/passwd"',
        '"b.png"',
        '"Background"',
    ),
    *(
        "[" * 900 + "]" * 900,
        "[" * 200_000,
        '{"a":' * 900 + "0" + "}" * 900,
        '"' + "x" * 100_000 + '"',
    ),
]
COORDINATES = [0, 1, 2, 3, 4, 7, 8, 11, 12, 12.5, -1, -3, 24, 25, 1e9, 1e308, -1e308, 0.1, True]


@dataclass(frozen=True)
class Export:
    """Files by path; links and folders in place of files; and how a zip of them is packed."""

    files: dict[str, bytes]
    links: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    pipes: tuple[str, ...] = ()

    def write(self, root: Path) -> None:
        """Writes it as a folder."""
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name in (*self.links, *self.folders, *self.pipes):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        for name, target in self.links.items():
            (root / name).symlink_to(target)
        for name in self.folders:
            (root / name).mkdir()
        for name in self.pipes:
            os.mkfifo(root / name)


def picture(image_format: str, mask: bool = False) -> bytes:
    """A photo of noise, or a mask with two pixels of class 1."""
    if mask:
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        pixels[1, 2:4] = 1
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format)
    return file.getvalue()


def coco_document(split: str) -> dict[str, Any]:
    """The annotations of a split."""
    photos = PHOTOS[split]
    return {
        "categories": [
            {"id": 0, "name": "muscles"},
            {"id": 1, "name": "biceps"},
            {"id": 2, "name": "calf"},
        ],
        "images": [
            {"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for i, name in enumerate(photos)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 1,
                "segmentation": [list(POLYGON)],
                "bbox": [2, 1, 2, 2],
            }
            for i in range(len(photos))
        ],
    }


@functools.cache
def valid_files(kind: str) -> dict[str, bytes]:
    """An export in order, "masks" or "coco"."""
    files = {"README.roboflow.txt": README}
    for split, photos in PHOTOS.items():
        for name in photos:
            stem, _, suffix = name.rpartition(".")
            files[f"{split}/{name}"] = picture("JPEG" if suffix == "jpg" else "PNG")
            if kind == "masks":
                files[f"{split}/{stem}_mask.png"] = picture("PNG", mask=True)
        if kind == "masks":
            classes = b"Pixel Value, Class\n0, background\n1, biceps\n2, calf"
            files[f"{split}/_classes.csv"] = classes
        else:
            files[f"{split}/_annotations.coco.json"] = json.dumps(coco_document(split)).encode()
    return files


@st.composite
def class_lists(draw: st.DrawFn) -> bytes:
    """A _classes.csv."""
    ids = draw(
        st.sampled_from(
            [["0", "1", "2"], ["0"], [], ["1", "2"], ["0", "0"], list(map(str, range(300)))]
        )
        | st.lists(st.sampled_from(["0", "1", "2", "-1", "1.0", "", "²", "0x1", "9" * 5000, "٣"]))
    )
    header = draw(
        st.sampled_from(["Pixel Value, Class", "pixel value,class", "filename, a", "", "Class"])
    )
    quote = draw(st.sampled_from(["", '"', '"""', "'"]))
    rows = [header]
    for number, class_id in enumerate(ids):
        name = "background" if number == 0 and draw(st.booleans()) else draw(texts)
        rows.append(f"{class_id}, {quote}{name}{quote}")
    text = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])).join(rows)
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"]))
    return text.encode(encoding, "replace")


@st.composite
def segmentations(draw: st.DrawFn) -> Any:
    """Outlines in order and not."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return [draw(st.lists(st.sampled_from(COORDINATES), max_size=12))]
    if kind == 1:
        points = draw(st.sampled_from([3, 1_000, 100_000]))
        return [[0, 0, 24, 16] * (points // 2), POLYGON]
    if kind == 2:
        return [POLYGON] * draw(st.sampled_from([0, 1, 1_000, 20_000]))
    counts: Any = draw(
        st.lists(st.integers(0, 96), max_size=6)
        | st.sampled_from(
            [[96], [14, 82], [14.5, 81.5], [True, 95], [-1, 97], [0] * 10_000, [None]]
        )
        | st.sampled_from(
            ["T31", "", "o" * 100_000, "\x7f", "é", "P3", [["1"]], {"a": 1}, [10**30]]
        )
        | st.text(alphabet=[chr(code) for code in range(40, 128)], max_size=12)
    )
    size = draw(
        st.sampled_from([[HEIGHT, WIDTH], [WIDTH, HEIGHT], [8.0, 12.0], [-8, -12], "a\nb", 1])
    )
    if kind < 5:
        return {"size": [HEIGHT, WIDTH] if kind == 3 else size, "counts": counts}
    return draw(st.recursive(st.none() | st.integers() | texts, st.lists, max_leaves=8))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON document."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, child in inside for place in places(child, (*path, key)))]


@st.composite
def coco_files(draw: st.DrawFn, split: str) -> bytes:
    """An _annotations.coco.json."""
    document = coco_document(split)
    token = None
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(places(document)[1:]))
        holder: Any = functools.reduce(lambda inside, key: inside[key], above, document)
        change = draw(st.integers(0, 4))
        if change == 0 and document.get("annotations"):
            annotation = {"id": 9, "image_id": 0, "category_id": 1}
            document["annotations"] = [
                annotation | {"segmentation": deepcopy(draw(segmentations()))}
            ]
        elif change == 1:
            del holder[last]
        elif change == 2 and isinstance(holder, list):
            holder.append(holder[last])
        elif change == 3:
            holder[last] = draw(st.integers(-2, 300) | texts | st.floats())
        else:
            holder[last] = "@@"
            token = draw(st.sampled_from(TOKENS))
    text = json.dumps(document)
    if text.count("@@") <= 10:  # not megabytes for each point of 20,000 polygons
        text = text.replace('"@@"', token or "0")
    if draw(st.integers(0, 9)) == 0:
        text = text.replace('{"id": 0', '{"id": 1, "id": 0', 1)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"])))


@st.composite
def exports(draw: st.DrawFn) -> Export:
    """A folder with one to three things changed."""
    kind = draw(st.sampled_from(["masks", "coco"]))
    files = dict(valid_files(kind))
    links: dict[str, str] = {}
    folders: list[str] = []
    pipes: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        folder, _, file = name.rpartition("/")
        change = draw(st.integers(0, 11))
        if change == 0:
            files[name] = draw(damaged(files[name]))
        elif change == 1:
            suffix = draw(
                st.sampled_from([".jpg", ".png", ".PNG", "_mask.png", ".webp", "", ".csv"])
            )
            files[f"{folder or 'train'}/{draw(file_names)}{suffix}"] = files.pop(name)
        elif change == 2:
            del files[name]
        elif change == 3:
            outside = [
                "../outside/secret.jpg",
                "/dev/zero",
                "/etc/passwd",
                "..",
                ".",
                file,
                "absent",
            ]
            links[name] = draw(st.sampled_from(["../" + outside[0], *outside]))
        elif change == 4:
            draw(st.sampled_from([folders, pipes])).append(name)
        elif change == 5:
            files["README.roboflow.txt"] = draw(damaged(README))
        elif change in (6, 7, 8) and kind == "coco":
            split = draw(st.sampled_from(list(PHOTOS)))
            files[f"{split}/_annotations.coco.json"] = draw(coco_files(split))
        elif change in (6, 7) and kind == "masks":
            content = draw(class_lists())
            for split in PHOTOS if draw(st.booleans()) else ["valid"]:
                files[f"{split}/_classes.csv"] = content
        else:
            files[
                draw(st.sampled_from([n for n in valid_files(kind) if n[-3:] in ("jpg", "png")]))
            ] = draw(pictures())
        if not files:
            break
    taken = set(links) | set(folders) | set(pipes)
    return Export(
        {name: content for name, content in files.items() if name not in taken},
        links,
        tuple(name for name in dict.fromkeys(folders) if name not in links),
        tuple(name for name in dict.fromkeys(pipes) if name not in set(links) | set(folders)),
    )
