from collections.abc import Sequence

import numpy as np
import pytest

from tf_muscle.lab.repetitions import find_repetitions
from tf_muscle.prediction.timeline import Timeline
from tf_muscle.prediction.tracks import Track, Tracker, frame_regions

HEIGHT, WIDTH = 180, 320
Spot = tuple[int, float, float, float]  # class id, x, y and radius in pixels


def drawn(spots: Sequence[Spot], scale: float = 1.0) -> np.ndarray:
    """Discs of muscle: class ids, uint8."""
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    ys, xs = np.mgrid[:height, :width]
    class_ids = np.zeros((height, width), np.uint8)
    for class_id, x, y, radius in spots:
        class_ids[np.hypot(xs - scale * x, ys - scale * y) < scale * radius] = class_id
    return class_ids


def tracked(frames: Sequence[Sequence[Spot]], scale: float = 1.0) -> tuple[Track, ...]:
    """Follows spots through frames at 25 a second; the probability of class c is 1 - c / 10."""
    tracker = Tracker()
    for number, spots in enumerate(frames):
        class_ids = drawn(spots, scale)
        tracker.add(number / 25, frame_regions((1 - class_ids / 10).astype(np.float32), class_ids))
    return tracker.tracks(len(frames))


def discs(radius: float) -> float:
    """Share of the frame that a disc covers."""
    return np.pi * radius**2 / (HEIGHT * WIDTH)


def test_regions_of_a_frame() -> None:
    class_ids = drawn([(1, 60, 50, 10), (1, 200, 50, 6), (2, 60, 120, 8)])
    class_ids[:, 60] = 0  # two halves, a pixel apart
    class_ids[170, 300] = 1  # a speck
    regions = frame_regions((1 - class_ids / 10).astype(np.float32), class_ids)
    assert [region.class_id for region in regions] == [1, 1, 2]
    places = {(round(r.center[0] * np.sqrt(HEIGHT * WIDTH), -1)) for r in regions}
    assert places == {60, 200}
    assert [region.mean_probability for region in regions] == pytest.approx([0.9, 0.9, 0.8])
    first = regions[0]
    assert first.area == np.count_nonzero(class_ids[:, :100] == 1) / class_ids.size
    top, left = first.corner
    height, width = first.mask.shape
    inside = class_ids[top : top + height, left : left + width] == 1
    np.testing.assert_array_equal(first.mask, inside)


def test_a_muscle_that_rests_comes_back_on_its_track() -> None:
    """The arm has moved a little when the muscle works again, after a long pause."""
    frames = [[(1, 60, 50, 10)]] * 20 + [[]] * 500 + [[(1, 75, 55, 10)]] * 20
    (track,) = tracked(frames)
    assert (track.class_id, track.person, track.side) == (1, 1, "")
    seen = np.flatnonzero(track.area).tolist()
    assert seen == [*range(20), *range(520, 540)]
    assert track.area[0] == pytest.approx(discs(10), rel=0.05)
    assert np.isnan(track.probability[100])
    assert track.probability[530] == pytest.approx(0.9)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_two_arms_are_one_person(scale: float) -> None:
    """They work in turns; centres 50 pixels apart, 2.8 times the size of a disc of radius 10."""
    frames = [[(1, 60 if i % 20 < 10 else 110, 50, 10)] for i in range(200)]
    tracks = tracked(frames, scale)
    assert [(track.person, track.side) for track in tracks] == [(1, "left"), (1, "right")]
    np.testing.assert_array_equal(tracks[0].area > 0, np.arange(200) % 20 < 10)
    np.testing.assert_array_equal(tracks[1].area > 0, np.arange(200) % 20 >= 10)


def test_two_people_are_told_apart_and_never_summed() -> None:
    """One near the camera at 0.5 Hz, one far at 1 Hz; a calf of the far one, too."""
    seconds = np.arange(0, 10, 1 / 25)
    near = 12 * np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * 0.5 * seconds))
    far = 5 * np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * 1.0 * seconds))
    frames = [
        [(1, 60, 50, one), (1, 260, 60, other), (2, 255, 120, other)]
        for one, other in zip(near, far, strict=True)
    ]
    tracks = tracked(frames)
    assert [(one.person, one.class_id) for one in tracks] == [(1, 1), (2, 1), (2, 2)]
    whole = sum(one.area for one in tracks if one.class_id == 1)
    muscles, nothing = ("biceps", "calf"), np.full((len(seconds), 2), np.nan)
    area = np.stack([whole, tracks[2].area], axis=1)
    largest = Timeline(muscles, seconds, area, nothing, tracks)
    second = Timeline(muscles, seconds, area, nothing, tracks, person=2)
    absent = Timeline(muscles, seconds, area, nothing, tracks, person=3)
    assert {name: len(times) for name, times in largest.repetitions.items()} == {
        "biceps": 5, "calf": 0,
    }  # fmt: skip
    assert {name: len(times) for name, times in second.repetitions.items()} == {
        "biceps": 10, "calf": 10,
    }  # fmt: skip
    np.testing.assert_allclose(second.repetitions["biceps"], 0.5 + np.arange(10), atol=1 / 25)
    assert largest.told == "repetitions: biceps 5, calf 0; of person 1 of 2, the largest"
    assert "of person 2 of 2, chosen" in second.told
    assert "there is no person 3" in absent.told
    assert absent.counted == 1


def test_a_region_is_followed_across_the_frame() -> None:
    frames = [[(1, 20 + 2.5 * i, 50, 10), (1, 280 - 2.5 * i, 140, 9)] for i in range(100)]
    tracks = tracked(frames)
    assert len(tracks) == 2
    assert all((track.area > 0).all() for track in tracks)
    assert sorted(track.area.mean() for track in tracks) == pytest.approx(
        [discs(9), discs(10)], rel=0.05
    )


def test_what_flickers_elsewhere_is_no_person() -> None:
    random = np.random.default_rng(0)
    frames = []
    for i in range(600):
        spots: list[Spot] = [(1, 60, 50, 10)] if i % 50 < 30 else []
        if random.random() < 0.1:
            spots.append((1, random.uniform(120, 310), random.uniform(10, 170), 3))
        frames.append(spots)
    (track,) = tracked(frames)
    assert np.count_nonzero(track.area) == 360
    assert len(find_repetitions(np.arange(600) / 25, track.area, track.probability)) == 12


def test_no_muscle_at_all() -> None:
    assert tracked([[]] * 5) == ()
    nothing = np.zeros((5, 1))
    timeline = Timeline(("biceps",), np.arange(5) / 25, nothing, np.full((5, 1), np.nan), ())
    assert timeline.told == "repetitions: biceps 0"
    assert timeline.people == 0
