import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.data.geometry import Geometry
from tf_muscle.labelling.candidates import (
    Candidate,
    Place,
    Pool,
    as_frames,
    examined,
    sampled,
    sampled_frames,
)
from tf_muscle.labelling.uncertainty import Uncertainty
from tf_muscle.prediction.frames import Frame

GEOMETRY = Geometry("pad", 16)
VIDEO = Path("curl.mp4")


class Light:
    """Says that light is muscle; its features are the colours of the four quarters."""

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = images[..., :1].astype(np.float32) / 255
        quarters = images.reshape(len(images), 2, 8, 2, 8, 3).mean(axis=(2, 4))
        return np.concatenate([1 - shares, shares], axis=-1)[None], quarters


def moving(count: int, rate: int = 10) -> Iterator[Frame]:
    """A light row that goes down."""
    for number in range(count):
        image = np.zeros((16, 12, 3), np.uint8)
        image[number % 16] = 255
        yield Frame(number / rate, image)


def likeliest(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=-1).astype(np.uint8)


def test_frames_are_taken_with_the_next_one() -> None:
    samples = list(sampled_frames(VIDEO, moving(11), 0.5, GEOMETRY))
    assert [one.place for one in samples] == [
        Place(VIDEO, 0, 0.0), Place(VIDEO, 5, 0.5), Place(VIDEO, 10, 1.0),
    ]  # fmt: skip
    frames = [frame.image for frame in moving(11)]
    np.testing.assert_array_equal(samples[1].square, GEOMETRY.fit(frames[5]))
    np.testing.assert_array_equal(samples[1].next_square, GEOMETRY.fit(frames[6]))
    assert samples[2].next_square is None  # the last
    assert [one.place.frame for one in sampled_frames(VIDEO, moving(3), 0, GEOMETRY)] == [0, 1, 2]
    (only,) = sampled_frames(VIDEO, moving(1), 0.5, GEOMETRY)
    assert only.next_square is None


def test_what_is_known_of_a_picture() -> None:
    image = np.zeros((16, 8, 3), np.uint8)
    image[:4] = 255
    after = np.zeros_like(image)
    samples = [
        sampled(Place(VIDEO, 0, 0.0), image, GEOMETRY, after),
        sampled(Place(Path("photo.jpg")), image, GEOMETRY),
    ]
    one, photo = examined(Light(), samples, likeliest, batch_size=2)
    assert one.areas == pytest.approx([0.25])  # the padding at both sides is no part of it
    assert photo.uncertainty == Uncertainty(pytest.approx(0, abs=1e-6), None, None)
    assert one.uncertainty.flicker is not None
    assert one.uncertainty.flicker > 0.5
    assert np.linalg.norm(one.features.astype(float)) == pytest.approx(1, abs=1e-3)
    frames = as_frames([one, photo])
    assert frames.videos.tolist() == [0, -1]


def test_the_most_uncertain_are_kept_in_their_order() -> None:
    pool = Pool(most=3)
    for number, entropy in enumerate([0.5, 0.1, 0.9, 0.3, 0.7, 0.2]):
        place = Place(VIDEO, number, float(number))
        nothing = np.zeros(1)
        pool.add(Candidate(place, Uncertainty(entropy), nothing, nothing, nothing))
    assert [one.place.frame for one in pool.kept()] == [0, 2, 4]
    assert pool.seen == 6


def test_memory_does_not_grow_with_the_video() -> None:
    def peak(count: int) -> int:
        pool = Pool(most=20)
        samples = sampled_frames(VIDEO, moving(count), 0.2, GEOMETRY)
        tracemalloc.start()
        for candidate in examined(Light(), samples, likeliest, batch_size=4):
            pool.add(candidate)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert pool.seen == -(-count // 2)
        return highest

    peak(100)  # what is made once
    assert peak(2000) < 1.2 * peak(200) + 50_000
