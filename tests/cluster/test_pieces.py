"""Pieces in a loop, and how a cluster is divided; no Ray is started here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import in_order, results
from tf_muscle.errors import UserError


def test_a_loop_makes_the_function_once_and_keeps_the_order() -> None:
    made = []

    def make() -> Callable[[int], int]:
        made.append(1)
        return lambda number: number**2

    assert list(results([3, 1, 2], make, None)) == [(0, 9), (1, 1), (2, 4)]
    assert made == [1]
    assert list(results([], make, None)) == []
    assert made == [1]


def test_results_that_come_early_wait_for_their_turn() -> None:
    assert list(in_order([(2, "c"), (0, "a"), (1, "b"), (3, "d")])) == ["a", "b", "c", "d"]


def test_a_cluster_is_taken_out_of_the_options() -> None:
    pytest.importorskip("ray", reason="needs the extra cluster")
    options = {"cluster": "auto", "worker_gpus": 0.5, "other": 1}
    assert Cluster.asked(options) == Cluster("auto", 0.5)
    assert options == {"other": 1}
    assert Cluster.asked({"cluster": None, "worker_gpus": None}) is None
    assert Cluster.asked({"cluster": "local", "worker_gpus": None}) == Cluster("local", 1.0)
    for gpus in (0.0, 1.5, 17.0):
        with pytest.raises(UserError, match="--worker_gpus must"):
            Cluster.asked({"cluster": "local", "worker_gpus": gpus})


@pytest.mark.parametrize(
    "address",
    ["autoo", "", "lab", "lab:", ":6379", "lab:0", "lab:65536", "ray://lab:10001", "lab:80/x"],
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(
        UserError, match=f"--cluster must be local, auto or HOST:PORT, got {address}"
    ):
        Cluster.asked({"cluster": address})


def test_gpus_without_a_cluster_are_refused() -> None:
    with pytest.raises(UserError, match=r"--worker_gpus 0\.5 needs --cluster"):
        Cluster.asked({"cluster": None, "worker_gpus": 0.5})


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'--cluster local needs ray: .*-e "\.\[cluster\]"'):
        Cluster.asked({"cluster": "local"})


@pytest.mark.parametrize(
    ("nodes", "pieces", "gpus", "expected"),
    [
        ([(2, 0)], 2, 1.0, (2, 1, 0)),
        ([(16, 0)] * 4, 1000, 1.0, (64, 1, 0)),  # a core each
        ([(16, 0)] * 4, 5, 1.0, (5, 8, 0)),  # with 9 only four would find a place
        ([(16, 0)] * 4, 4, 1.0, (4, 16, 0)),
        ([(16, 0)] * 4, 1, 1.0, (1, 16, 0)),
        ([(8, 0), (2, 0)], 5, 1.0, (5, 2, 0)),
        ([(16, 2), (16, 2), (4, 0)], 1000, 1.0, (4, 8, 1.0)),  # none without a GPU
        ([(16, 2)], 1000, 0.5, (4, 4, 0.5)),
        ([(16, 4)], 3, 2.0, (2, 8, 2.0)),
        ([(10, 1)], 1000, 0.1, (10, 1, 0.1)),
        ([(16, 2)], 1000, 0.4, (4, 4, 0.4)),  # two on each GPU: none is on both
    ],
)
def test_a_cluster_is_divided(
    nodes: list[tuple[int, float]], pieces: int, gpus: float, expected: tuple[int, int, float]
) -> None:
    pytest.importorskip("ray", reason="needs the extra cluster")
    from tf_muscle.cluster.ray_workers import share

    divided = share(nodes, pieces, gpus)
    assert (divided.workers, divided.cores, divided.gpus) == expected


def test_a_cluster_without_room_is_refused() -> None:
    pytest.importorskip("ray", reason="needs the extra cluster")
    from tf_muscle.cluster.ray_workers import share

    with pytest.raises(UserError, match="no machine of the cluster has a free core and 4 GPUs"):
        share([(16, 2)], 5, 4.0)


def test_no_keys_go_to_the_workers() -> None:
    pytest.importorskip("ray", reason="needs the extra cluster")
    from tf_muscle.cluster.ray_workers import passed_on

    kept = {"TF_ENABLE_ONEDNN_OPTS": "0", "MLFLOW_TRACKING_URI": "http://lab", "HF_HOME": "/hf"}
    own = {"WANDB_API_KEY": "k", "HF_TOKEN": "t", "MLFLOW_TRACKING_PASSWORD": "p", "PATH": "/bin"}
    assert passed_on(kept | own) == kept


def test_importing_the_room_needs_no_ray() -> None:
    source = Path(__file__).parents[2] / "tf_muscle"
    importing = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "import ray\n" in path.read_text("utf-8")
    }
    assert importing == {"cluster/ray_workers.py"}
