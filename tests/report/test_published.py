import pytest
from report_inputs import NAMES

from tf_muscle.report import published


def test_trials_at_the_floor() -> None:
    """Ten of the thirteen published trials never left background alone."""
    trials = published.TRIALS
    assert len(trials) == 13
    assert len({(t.learning_rate, t.batch_size, t.optimizer) for t in trials}) == 13
    assert sum(round(t.val_mean_iou, 3) == 0.245 for t in trials) == 10
    assert max(trials, key=lambda t: t.val_mean_iou) == published.BEST_RUN
    assert published.SCORES["mean_iou"][1] == str(published.BEST_RUN.val_mean_iou)
    assert published.SCORES["loss"][1] == str(published.BEST_RUN.val_loss)


@pytest.mark.parametrize(
    ("class_names", "same"),
    [
        (NAMES, True),
        (["background", "Activated Calf", "activated_biceps", "activated-triceps"], True),
        (NAMES[:3], False),
        ([*NAMES, "quadriceps"], False),
        (["background", "biceps", "biceps", "calf"], False),
        (["background", "wall", "door", "bin"], False),
    ],
)
def test_published_classes(class_names: list[str], same: bool) -> None:
    assert published.has_published_classes(class_names) == same
