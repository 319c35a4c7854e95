import numpy as np
import pytest
from made_signals import activity, made_envelope, starts, video

from tf_muscle.lab.agreement import Agreement, emg_repetitions, onset_agreement
from tf_muscle.lab.envelope import Envelope
from tf_muscle.lab.repetitions import find_repetitions


def test_bland_and_altmans_numbers_by_hand() -> None:
    """Differences 0.1, 0.2, 0.3: mean 0.2, standard deviation 0.1."""
    agreement = Agreement(np.array([1.1, 2.2, 3.3]), np.array([1.0, 2.0, 3.0]), 0, 0)
    assert agreement.bias == pytest.approx(0.2)
    assert agreement.deviation == pytest.approx(0.1)
    assert agreement.limits == pytest.approx((0.2 - 0.196, 0.2 + 0.196))


def test_few_pairs_have_no_limits() -> None:
    one = Agreement(np.array([1.1]), np.array([1.0]), 0, 0)
    assert (one.bias, one.deviation, one.limits) == (pytest.approx(0.1), None, None)
    none = Agreement(np.zeros(0), np.zeros(0), 2, 3)
    assert (none.bias, none.deviation, none.limits) == (None, None, None)


def test_made_emg_has_its_onsets() -> None:
    """A rise of 0.25 s crosses a fifth of its height after 0.05 s."""
    onsets = starts(1)
    found = np.array([one.start for one in emg_repetitions(made_envelope(onsets))])
    np.testing.assert_allclose(found, onsets + 0.05, atol=0.06)


def envelope_of(onsets: np.ndarray, last: float) -> Envelope:
    at = np.arange(0, last, 0.01)
    return Envelope(at, activity(at, onsets), "made")


def test_known_delays_are_measured() -> None:
    """The muscle is seen 80 ms after each contraction, two contractions in one signal only."""
    onsets = starts(2)
    film = video(np.delete(onsets, 3) + 0.08, 50)
    signal = film.signals[0]
    repetitions = find_repetitions(film.seconds, signal.area, signal.probability)
    emg = envelope_of(np.delete(onsets, 5) + 0.35, 25)
    agreement = onset_agreement(film.seconds, repetitions, emg, 0.35)
    assert len(agreement.difference) == len(onsets) - 2
    np.testing.assert_allclose(agreement.difference, 0.08, atol=0.02)
    assert (agreement.video_alone, agreement.emg_alone) == (1, 1)


def test_onsets_without_a_partner_do_not_part_a_pair() -> None:
    """The sum over all would be smallest if the first went with the second, and so on."""
    film = video(np.array([1.0, 3.05]), 50)
    area = film.signals[0].area
    repetitions = find_repetitions(film.seconds, area, film.signals[0].probability)
    seconds = np.append(film.seconds, np.arange(film.seconds[-1] + 0.02, 8, 0.02))
    agreement = onset_agreement(seconds, repetitions, envelope_of(np.array([3.0, 5.0]), 8), 0.0)
    np.testing.assert_allclose(agreement.difference, [0.05], atol=0.02)
    assert (agreement.video_alone, agreement.emg_alone) == (1, 1)


def test_what_only_one_signal_covers_does_not_count() -> None:
    onsets = starts(3)
    film = video(onsets, 50)
    signal = film.signals[0]
    repetitions = find_repetitions(film.seconds, signal.area, signal.probability)
    agreement = onset_agreement(film.seconds, repetitions, envelope_of(onsets, onsets[4] + 1), 0.0)
    assert (agreement.video_alone, agreement.emg_alone) == (0, 0)
    assert len(agreement.difference) == 5


def test_a_contraction_cut_off_at_its_start_has_no_onset() -> None:
    onsets = np.array([-0.5, 2.0, 4.5])
    at = np.arange(0, 8, 0.02)
    area = 0.02 * activity(at, onsets)
    repetitions = find_repetitions(at, area, np.ones(len(at)))
    assert len(repetitions) == 3
    agreement = onset_agreement(at, repetitions, envelope_of(onsets, 8), 0.0)
    np.testing.assert_allclose(agreement.video, [2.05, 4.55], atol=0.03)
    assert (agreement.video_alone, agreement.emg_alone) == (0, 0)


def test_nothing_to_pair() -> None:
    at = np.arange(0, 8, 0.02)
    agreement = onset_agreement(at, (), envelope_of(np.array([2.0]), 8), 0.0)
    assert (len(agreement.video), agreement.video_alone, agreement.emg_alone) == (0, 0, 1)
