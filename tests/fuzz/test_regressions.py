"""Inputs that broke a promise once, each with the reason; they stay as they were found."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_exports import Export, coco_document, valid_files
from hostile_pictures import chunk, png
from hostile_videos import PLAYLISTS, film
from PIL import Image
from promises import NAMES, check_export, check_film, check_photo, fresh_folder, predictor

from tf_muscle.errors import UserError
from tf_muscle.prediction.photos import read_photo
from tf_muscle.prediction.sources import find_sources
from tf_muscle.roboflow.reader import fingerprint, read_export


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Reads an export and gives the sentence with which it is refused."""

    def read(files: dict[str, bytes], **more: Any) -> str:
        folder = fresh_folder(tmp_path / "work") / "muscles"
        Export(files, **more).write(folder)
        with pytest.raises(UserError) as caught:
            check_export(folder)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 6_000
        return str(caught.value)

    return read


def coco(annotation: dict[str, Any], width: int = 12, height: int = 8) -> dict[str, bytes]:
    """An export whose photo train/b.png has this annotation and this size."""
    document = coco_document("train")
    document["annotations"] = [{"image_id": 1, "category_id": 1} | annotation]
    document["images"][1] |= {"width": width, "height": height}
    files = dict(valid_files("coco"))
    files["train/_annotations.coco.json"] = json.dumps(document).encode()
    if (width, height) != (12, 8):
        files["train/b.png"] = png(width, height)
    return files


def test_a_link_to_a_private_photo_was_followed(refused: Callable[..., str]) -> None:
    told = refused(valid_files("masks"), links={"train/b.png": "../../../outside/secret.jpg"})
    assert "Symbolic links that lead out of the export (1): train/b.png" in told


def test_a_link_to_an_endless_device_was_read_without_end(refused: Callable[..., str]) -> None:
    told = refused(valid_files("masks"), links={"valid/_classes.csv": "/dev/zero"})
    assert "valid/_classes.csv" in told


@pytest.mark.parametrize("kind", ["folders", "pipes"])
@pytest.mark.parametrize("name", ["_classes.csv", "_annotations.coco.json"])
def test_a_pipe_or_folder_as_a_list_hung_or_crashed(
    kind: str, name: str, refused: Callable[..., str]
) -> None:
    files = valid_files("masks" if name.endswith("csv") else "coco")
    assert f"train/{name}" in refused(files, **{kind: (f"train/{name}",)})


def test_a_pipe_as_an_export_hung(tmp_path: Path) -> None:
    Export({}, pipes=("pipe.zip",)).write(tmp_path)
    with pytest.raises(UserError, match="neither a folder nor a"):
        fingerprint(tmp_path / "pipe.zip")


def test_a_path_too_long_for_the_system_crashed() -> None:
    for path in ("a" * 5_000, "~nobody_of_this_name/x"):
        with pytest.raises(UserError, match="does not exist") as caught:
            fingerprint(path)
        assert len(str(caught.value)) < 500
    with pytest.raises(UserError, match="is no source"):
        find_sources(["a" * 5_000])


def test_the_number_of_no_camera_crashed() -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_sources(["99999999999999"])


@pytest.mark.parametrize(
    ("segmentation", "told"),
    [
        ([[10**400, 1, 2, 3, 4, 5]], "far outside"),  # OverflowError
        ([[0, 0, 24, 16] * 50_000], "pixels round"),  # 80 bytes of memory for each pixel
        ({"size": [8, 12], "counts": "o" * 3_000_000}, "damaged"),  # an integer of 2 MB, for hours
        ({"size": [8, 12], "counts": [14.5, 81.5]}, "damaged"),  # pycocotools cut the halves off
        ({"size": "a\nb" * 9_000, "counts": ""}, "encoding of size a"),  # a sentence of 27 KB
    ],
)
def test_outlines_that_crashed_or_took_too_long(
    segmentation: Any, told: str, refused: Callable[..., str]
) -> None:
    assert told in refused(coco({"segmentation": segmentation}))


def test_many_polygons_in_one_outline_took_the_square_of_their_number(tmp_path: Path) -> None:
    corners = np.random.default_rng(0).integers(0, 1_900, (5_000, 2)).tolist()
    squares = [[x, y, x + 50, y, x + 50, y + 50, x, y + 50] for x, y in corners]
    folder = tmp_path / "muscles"
    Export(coco({"segmentation": squares}, 2_000, 2_000)).write(folder)
    check_export(folder)


def test_a_class_name_of_two_lines_went_into_the_list_of_tfds(refused: Callable[..., str]) -> None:
    files = dict(valid_files("masks"))
    for split in ("train", "valid", "test"):
        files[f"{split}/_classes.csv"] = b'Pixel Value, Class\n0, background\n1, "bi\nceps"'
    assert r"bi\nceps" in refused(files)
    document = coco_document("train")
    document["categories"][1]["name"] = "\ud800"
    files = dict(valid_files("coco"))
    for split in ("train", "valid", "test"):
        content = json.dumps(coco_document(split) | {"categories": document["categories"]})
        files[f"{split}/_annotations.coco.json"] = content.encode()
    assert "control characters" in refused(files)


def test_a_class_list_of_many_megabytes_took_fifty_times_as_much(
    refused: Callable[..., str],
) -> None:
    files = {**valid_files("masks"), "train/_classes.csv": b"0,a\n" * 300_000}
    assert "more than 1,000,000 bytes" in refused(files)


def test_a_name_that_is_not_utf8_crashed_tfds(refused: Callable[..., str]) -> None:
    files = dict(valid_files("masks"))
    files["train/\udcff.png"] = files.pop("train/b.png")
    files["train/\udcff_mask.png"] = files.pop("train/b_mask.png")
    assert "names are not UTF-8 (2)" in refused(files)


def test_a_value_of_100_kilobytes_was_quoted_whole(refused: Callable[..., str]) -> None:
    document = coco_document("train")
    document["images"][0]["width"] = "x" * 100_000
    files = {**valid_files("coco"), "train/_annotations.coco.json": json.dumps(document).encode()}
    assert '"width"' in refused(files)


def test_a_mask_with_a_chunk_before_its_header_crashed(refused: Callable[..., str]) -> None:
    mask = valid_files("masks")["train/b_mask.png"]
    mask = mask[:8] + chunk(b"tEXt", b"a\0b") + mask[8:]
    assert "Unreadable" in refused({**valid_files("masks"), "train/b_mask.png": mask})


def test_a_bomb_of_900_million_pixels_was_called_unreadable(refused: Callable[..., str]) -> None:
    for bomb in (png(30_000, 30_000, 1), png(13_000, 13_000, 1)):
        told = refused({**valid_files("masks"), "train/b.png": bomb})
        assert "more than 51,000,000 pixels (1): train/b.png" in told


def test_a_jpeg_of_thousands_of_scans_takes_minutes(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:end] + content[scan:end] * 3_000 + content[end:])
    with pytest.raises(UserError, match="a JPEG of 3010 scans"):
        read_photo(path)


def test_damaged_exif_cost_the_photo(tmp_path: Path) -> None:
    Image.new("RGB", (9, 5)).save(tmp_path / "a.jpg", exif=b"Exif\0\0E" + bytes(20))
    folder = fresh_folder(tmp_path / "work")
    check_photo(tmp_path / "a.jpg", folder / "out")
    assert read_photo(tmp_path / "a.jpg").shape == (5, 9, 3)


@pytest.mark.parametrize("stem", ["a" * 250, "筋" * 82, "\udcff"])
def test_names_that_left_no_room_or_no_letters_for_outputs(stem: str, tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "work")
    Image.new("RGB", (9, 5)).save(tmp_path / "a.png")
    path = (tmp_path / "a.png").rename(tmp_path / f"{stem}.png")
    check_photo(path, folder / "out")


def test_a_photo_as_postscript_was_given_to_ghostscript(tmp_path: Path) -> None:
    Image.new("RGB", (9, 5)).save(tmp_path / "a.eps")
    path = (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    with pytest.raises(UserError, match="cannot be read as a photo"):
        read_photo(path)


@pytest.mark.parametrize("content", PLAYLISTS)
def test_a_playlist_that_is_called_a_video_fetched_other_files(
    content: bytes, tmp_path: Path
) -> None:
    folder = fresh_folder(tmp_path / "work")
    (folder / "a.mp4").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as a video"):
        check_film(folder / "a.mp4", folder / "out")


def test_a_video_wider_than_the_encoder_takes_crashed(tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "work")
    (folder / "a.avi").write_bytes(film("avi", "rawvideo", "bgr24", 20_000, 20))
    with pytest.raises(UserError, match="20000x20"):
        check_film(folder / "a.avi", folder / "out")


def test_frames_too_close_in_time_for_an_mp4_crashed(tmp_path: Path) -> None:
    content = film("mp4", "libx264", "yuv420p", 32, 16)
    place = content.index(b"mdhd") + 16  # units a second (ISO 14496-12, 8.4.2)
    folder = fresh_folder(tmp_path / "work")
    (folder / "a.mp4").write_bytes(
        content[:place] + struct.pack(">I", 2**31 - 1) + content[place + 4 :]
    )
    check_film(folder / "a.mp4", folder / "out")


@pytest.mark.parametrize("stem", ["$\\frac$", "\udcff", "concat:a|b", "a\nb"])
def test_names_of_videos_that_matplotlib_or_ffmpeg_took_for_more(stem: str, tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "work")
    path = folder / f"{stem}.mp4"
    path.write_bytes(film("mp4", "libx264", "yuv420p", 32, 16))
    check_film(path, folder / "out")


def test_a_video_whose_name_rich_took_for_markup_lost_a_part_of_it(tmp_path: Path) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from tf_muscle.prediction.into_folder import add_videos
    from tf_muscle.prediction.results_folder import ResultsFolder

    path = tmp_path / "[bold]arm.mp4"
    path.write_bytes(film("mp4", "libx264", "yuv420p", 32, 16))
    with (
        ResultsFolder(tmp_path / "out", NAMES, "overlay") as results,
        Progress(console=Console(file=io.StringIO())) as progress,
    ):
        assert add_videos(results, predictor(), [path], 0.1, progress) == 0
        assert progress.tasks[0].description == r"\[bold]arm.mp4"


def test_a_class_called_like_a_formula_crashed_the_figures(tmp_path: Path) -> None:
    from tf_muscle.report.plots import confusion_heatmap

    names = ("background", "$\\frac$")
    confusion_heatmap(np.eye(2, dtype=int), names, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").is_file()


def test_an_export_without_anything_wrong_is_read(tmp_path: Path) -> None:
    for kind in ("masks", "coco"):
        Export(valid_files(kind)).write(tmp_path / kind)
        check_export(tmp_path / kind)
        assert read_export(tmp_path / kind).class_names == ("background", "biceps", "calf")
