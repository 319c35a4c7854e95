import pytest

from tf_muscle.roboflow.video_frames import Frame, find_frames, frame_number, step_of, videos_of


@pytest.mark.parametrize(
    ("source", "frame"),
    [
        ("frame_0012_jpg", ("frame_", 12)),
        ("frame12", ("frame", 12)),
        ("Frame-0012_png_jpg", ("Frame-", 12)),
        ("squat_mp4-0012_jpg", ("squat_mp4-", 12)),
        ("squat_mp4-000123", ("squat_mp4-", 123)),
        ("IMG_2030_MOV-7_jpg", ("IMG_2030_MOV-", 7)),
        ("00012_mts-7_jpg", ("00012_mts-", 7)),
        ("cam_TS-7", ("cam_TS-", 7)),
        ("curl_gif-3", ("curl_gif-", 3)),
        ("clip2_0012_jpg", ("clip2_", 12)),
        ("gym_videoframe_3_jpg", ("gym_videoframe_", 3)),
        ("IMG_0012_jpg", None),
        ("clip2_jpg", None),
        ("calf_0000_jpg", None),
        ("removal_12", None),
        ("weights_12", None),
        ("parts-12", None),
        ("squat_mp4_jpg", None),
        ("curl_000012", None),  # not by itself
    ],
)
def test_frame_number(source: str, frame: tuple[str, int] | None) -> None:
    assert frame_number(source) == (frame and Frame(*frame))


def numbered(stem: str, numbers: range) -> list[str]:
    return [f"{stem}{number:06}" for number in numbers]


def test_six_digits_are_frames_where_the_numbers_are_dense() -> None:
    names = numbered("curl_", range(0, 40)) + numbered("übung_", range(0, 400, 10))
    assert len(find_frames(names)) == 80
    assert find_frames(names)["curl_000007"] == Frame("curl_", 7)
    uploaded = [f"{name}_jpg" for name in names]
    assert len(find_frames(uploaded)) == 80
    half = [name for place, name in enumerate(names[:40]) if place % 5 in (0, 1, 3)]
    assert len(find_frames(half)) == len(half)  # the others were deleted, or are in another export


@pytest.mark.parametrize("stem", ["out", "Output_", "gym-out-", "scene"])
def test_names_of_ffmpeg_and_vlc(stem: str) -> None:
    names = [f"{stem}{number:04}_png" for number in range(1, 30)]
    assert videos_of(find_frames(names)) == {stem: names}
    assert find_frames(names[:3]) == {}
    assert find_frames([name.replace(stem, "workout") for name in names]) == {}


@pytest.mark.parametrize(
    "names",
    [
        numbered("IMG_", range(12, 60)),
        numbered("my_photo_", range(0, 60)),
        numbered("DSC", range(0, 60)),
        numbered("PXL_20230101_", range(123450, 123480)),
        numbered("2007_", range(0, 60)),  # Pascal VOC
        numbered("", range(0, 60)),
        numbered("curl_", range(0, 3)),
        [f"squat_{number * number:06}" for number in range(60)],
        [f"p{number}" for number in range(1, 19)],
        [f"DSC{number:05}" for number in range(60)],
        [f"IMG_{number:04}_jpg" for number in range(700, 760)],
        [f"squat-{number}" for number in range(60)],
    ],
)
def test_numbered_photos_are_no_frames(names: list[str]) -> None:
    assert find_frames(names) == {}


def test_order_of_time() -> None:
    names = ["a_mp4-10", "a_mp4-9", "b_mp4-1", "a_mp4-2", "arm"]
    assert videos_of(find_frames(names)) == {
        "a_mp4-": ["a_mp4-2", "a_mp4-9", "a_mp4-10"],
        "b_mp4-": ["b_mp4-1"],
    }
    assert step_of([2, 8, 10]) == 2
    assert step_of([5]) == 0
