"""The address at which the chief of a search on a cluster listens; no Ray is started here."""

import os

import pytest

from tf_muscle.cluster.address import Cluster
from tf_muscle.errors import UserError
from tf_muscle.tuner.on_cluster import become_chief
from tf_muscle.tuner.workers import VARIABLES

pytest.importorskip("ray", reason="needs the extra cluster")


@pytest.fixture(autouse=True)
def no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part in a search is given to the process of the tests."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")


def known_as(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr("tf_muscle.cluster.ray_workers.own_address", lambda address: host)


def test_an_address_that_no_other_machine_reaches_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known_as(monkeypatch, "127.0.1.1")
    with pytest.raises(UserError, match=r"--cluster auto knows this machine as 127\.0\.1\.1, "):
        become_chief(Cluster("auto"))
    assert not os.environ[VARIABLES[0]]


def test_a_cluster_on_this_machine_alone_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(monkeypatch, "192.0.2.1")
    assert become_chief(Cluster("local")).kind == "chief"
    assert os.environ[VARIABLES[1]] == "127.0.0.1"
