import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.inspection.inspection import inspect_export
from tf_muscle.roboflow.reader import check_pixels, fingerprint, read_export, read_mask

Found = Callable[[Path], dict[str, Any]]


def contents(root: Path) -> dict[bytes, list[int]]:
    """The photos by their bytes, each with the pixels of its mask."""
    export = read_export(root, allow_leakage=True)
    return {
        example.image_path.read_bytes(): np.bincount(read_mask(example).ravel()).tolist()
        for examples in export.splits.values()
        for example in examples
    }


def leaky(drawn: Any) -> Path:
    """Copies under another name, frames of one video, and one source in two splits."""
    drawn.add("test/upload_jpg.rf.99.jpg", drawn.photo(2), drawn.mask())
    drawn.add("valid/person0_jpg.rf.77.jpg", drawn.photo(50), drawn.mask())
    drawn.add("valid/person0_jpg.rf.00.jpg", drawn.photo(51), drawn.mask())  # a name that is taken
    for number, file in enumerate(("train/person3_jpg.rf.03", "test/person12_jpg.rf.12")):
        drawn.rename(f"{file}.jpg", f"frame_{number:04}_jpg.rf.{number}.jpg")
    return Path(drawn.root)


def test_masks(drawn: Any, found: Found, tmp_path: Path) -> None:
    root = leaky(drawn)
    (root / "README.roboflow.txt").write_text("Gym - v2 2024-09-06\n")
    blank = root / "train" / "person5_jpg.rf.05_mask.png"
    Image.new("L", (999, 500)).save(blank)  # as Roboflow writes it for an unannotated photo
    assert {"near_duplicates", "neighbouring_frames", "refused_by_training"} <= set(found(root))
    before = fingerprint(root)
    inspect_export(str(root), tmp_path / "page", tmp_path / "again")
    assert fingerprint(root) == before
    findings = found(tmp_path / "again")
    assert {one.severity for one in findings.values()} <= {"note"}
    assert contents(tmp_path / "again") == contents(root)
    assert (tmp_path / "again" / "README.roboflow.txt").read_text() == "Gym - v2 2024-09-06\n"
    check_pixels(read_export(tmp_path / "again"))


def test_coco(drawn: Any, found: Found, tmp_path: Path) -> None:
    root = leaky(drawn)
    categories = [
        {"id": 0, "name": "gym", "supercategory": "none"},
        {"id": 1, "name": "biceps", "supercategory": "gym"},
        {"id": 2, "name": "calf", "supercategory": "gym"},
    ]
    for folder in (root / "train", root / "valid", root / "test"):
        document: dict[str, Any] = {"info": {"year": "2026"}, "categories": categories}
        document |= {"images": [], "annotations": []}
        for number, path in enumerate(sorted(folder.glob("*.jpg"))):
            document["images"].append(
                {"id": number, "file_name": path.name, "width": 256, "height": 256, "license": 1}
            )
            for class_id, box in ((1, (50, 40, 90, 100)), (2, (200, 150, 230 - number, 170))):
                left, top, right, bottom = box
                polygon = [left, top, right, top, right, bottom, left, bottom]
                document["annotations"].append(
                    {
                        "id": len(document["annotations"]),
                        "image_id": number,
                        "category_id": class_id,
                        "segmentation": [polygon],
                    }
                )
        (folder / "_annotations.coco.json").write_text(json.dumps(document))
        for path in (*folder.glob("*_mask.png"), folder / "_classes.csv"):
            path.unlink()
    before = contents(root)
    inspect_export(str(root), tmp_path / "page", tmp_path / "again", split_seed=3)
    assert set(found(tmp_path / "again")) <= {"absent_class"}
    assert contents(tmp_path / "again") == before
    document = json.loads((tmp_path / "again/train/_annotations.coco.json").read_text())
    assert document["info"] == {"year": "2026"}
    assert document["images"][0]["license"] == 1


def test_coco_of_other_tools(drawn: Any, tmp_path: Path) -> None:
    """Photos in subfolders, folders of other names, ids in other words."""
    root = Path(drawn.root)
    for folder in (root / "train", root / "valid", root / "test"):
        document: dict[str, Any] = {"categories": [{"id": "1", "name": "biceps"}]}
        document |= {"images": [], "annotations": []}
        (folder / "images").mkdir()
        for number, path in enumerate(sorted(folder.glob("*.jpg"))):
            path.rename(folder / "images" / path.name)
            document["images"].append(
                {"id": str(number), "file_name": path.name, "width": 256, "height": 256.0}
            )
            polygon = [50, 40, 90 + number, 40, 90, 100, 50, 100]
            document["annotations"].append(
                {"id": 0, "image_id": number, "category_id": 1.0, "segmentation": [polygon]}
            )
        (folder / "_annotations.coco.json").write_text(json.dumps(document))
        for path in (*folder.glob("*_mask.png"), folder / "_classes.csv"):
            path.unlink()
    (root / "valid").rename(root / "Val")
    (root / "train").rename(root / "training")
    before = contents(root)
    inspect_export(str(root), tmp_path / "page", tmp_path / "again", split_seed=3)
    assert contents(tmp_path / "again") == before


def test_groups_by_name(drawn: Any, tmp_path: Path) -> None:
    root = Path(drawn.root)
    pattern = r"person(\d)(?:_|\d_)"  # person 1 and persons 10 to 13 are one
    inspect_export(root, resplit=tmp_path / "again", groups=pattern)
    export = read_export(tmp_path / "again")
    split_of = {
        example.source_name: split
        for split, examples in export.splits.items()
        for example in examples
    }
    assert len({split_of[f"person{i}_jpg"] for i in (1, 10, 11, 12, 13)}) == 1
    assert contents(tmp_path / "again") == contents(root)
    with pytest.raises(UserError, match="--groups x is for --resplit: give both"):
        inspect_export(root, groups="x")
    with pytest.raises(UserError, match=r"--groups alice finds no group in the names of 14 of 14"):
        inspect_export(root, resplit=tmp_path / "other", groups="alice")
    assert not (tmp_path / "other").exists()


def test_nothing_is_overwritten(drawn: Any, tmp_path: Path) -> None:
    taken = tmp_path / "again"
    taken.mkdir()
    with pytest.raises(UserError, match=r"--resplit .* exists and is never overwritten"):
        inspect_export(str(drawn.root), tmp_path / "page", taken)
    with pytest.raises(UserError, match="lies in the export"):
        inspect_export(str(drawn.root), tmp_path / "page", drawn.root / "train" / "again")
    assert not (tmp_path / "page").exists()


@pytest.mark.slow
def test_real_video_export(shared: Callable[[str], Path], found: Found, tmp_path: Path) -> None:
    root = shared("exports/indoor_png_mask")
    inspect_export(str(root), tmp_path / "page", tmp_path / "again")
    export = read_export(tmp_path / "again")
    sizes = {split: len(examples) for split, examples in export.splits.items()}
    assert sum(sizes.values()) == 530
    assert sizes["train"] > 400
    assert not {"near_duplicates", "neighbouring_frames"} & set(found(tmp_path / "again"))
