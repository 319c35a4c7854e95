"""The undocumented members of KerasTuner that the search touches are those of docs/internals.md."""

import re
from pathlib import Path

import keras_tuner
import pytest

from tf_muscle.tuner import oracle, trial_runner
from tf_muscle.tuner.oracle import BayesianOracle, HyperbandOracle, ListedOracle, ResumableOracle
from tf_muscle.tuner.trial_runner import TrialRunner

ROOT = Path(__file__).parents[2]
OURS = (ResumableOracle, ListedOracle, BayesianOracle, HyperbandOracle, TrialRunner)
# What KerasTuner documents as to be overridden.
HOOKS = {
    "__init__",
    "create_trial",
    "end_trial",
    "get_best_trials",
    "get_state",
    "on_trial_begin",
    "on_trial_end",
    "populate_space",
    "pre_create_trial",
    "run_trial",
    "search",
    "set_state",
    "update_trial",
}


def listed() -> dict[str, tuple[str, str]]:
    """Member -> where it is touched and the tests that watch it, of the table of KerasTuner."""
    page = (ROOT / "docs" / "internals.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `keras_tuner\.(\S+)` \| `(\S+)` \| .* \| (.+) \|$", page, re.MULTILINE)
    return {member: (where, tests) for member, where, tests in rows}


def test_at_most_eight_are_listed_and_exist() -> None:
    assert 0 < len(listed()) <= 8
    for member, (where, tests) in listed().items():
        found = keras_tuner
        for name in member.split("."):
            found = getattr(found, name)  # an upgrade may take it away
        assert (ROOT / where).is_file()
        for file, test in re.findall(r"`(\w+\.py)::(\w+)`", tests):
            assert f"def {test}(" in (ROOT / "tests" / "tuner" / file).read_text()


@pytest.mark.parametrize("ours", OURS)
def test_overridden_members_are_listed(ours: type) -> None:
    theirs = [base for base in ours.__mro__ if base.__module__.startswith("keras_tuner")]
    overridden = {name for name in vars(ours) if any(name in vars(base) for base in theirs)} - {
        "__module__",
        "__doc__",
        "__dict__",
        "__weakref__",
    }
    assert overridden - HOOKS <= {member.split(".")[-1] for member in listed()}


@pytest.mark.parametrize("module", [oracle, trial_runner])
def test_private_members_are_listed(module: object) -> None:
    source = Path(module.__file__).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    private = set(re.findall(r"[\w)]\.(_[a-z]\w*)", source))
    assert private <= {member.split(".")[-1] for member in listed()}
