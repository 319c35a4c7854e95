"""Workers of Ray on this machine: one cluster for what they are told, lose and raise."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_muscle.cluster.address import Cluster
from tf_muscle.cluster.pieces import results
from tf_muscle.errors import UserError

pytest.importorskip("ray", reason="needs the extra cluster")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")


def maker(folder: Path) -> Callable[[], Callable[[str], dict[str, str | int]]]:
    """Makes the function of the pieces; nested, so that workers need not import this file."""

    def make() -> Callable[[str], dict[str, str | int]]:
        (folder / f"made_{os.getpid()}").touch()
        return do

    def do(piece: str) -> dict[str, str | int]:
        if piece == "lost" and not (folder / "lost").exists():
            (folder / "lost").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if piece == "fatal":
            os.kill(os.getpid(), signal.SIGKILL)
        if piece == "wrong":
            raise UserError("the piece is wrong: mend it")
        import cv2

        from tf_muscle.processor import this_processor

        return {
            "piece": piece,
            "pid": os.getpid(),
            "folder": os.getcwd(),  # noqa: PTH109
            "threads": this_processor().threads,
            "of OpenCV": cv2.getNumThreads(),
            "kernels": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
            "reported": os.environ.get("RAY_USAGE_STATS_ENABLED", ""),
        }

    return make


def test_workers_compute_as_this_process_and_a_lost_piece_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setattr("tf_muscle.cluster.ray_workers.this_processor", lambda: TwoThreads)
    pieces = ["a", "b", "lost", "c", "d", "e"]
    found = dict(results(pieces, maker(tmp_path), Cluster("local")))
    assert [found[i]["piece"] for i in range(len(pieces))] == pieces
    # Two, and who took the place of one, if the other one did not do the rest before.
    assert len(list(tmp_path.glob("made_*"))) in (2, 3)
    for one in found.values():
        assert one["folder"] == str(tmp_path)
        assert (one["threads"], one["of OpenCV"]) == (1, 1)
        assert (one["kernels"], one["reported"]) == ("0", "0")


def test_a_mistake_of_the_user_ends_the_work_with_its_own_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^the piece is wrong: mend it$"):
        list(results(["wrong"], maker(tmp_path), Cluster("local")))


def test_a_piece_that_ends_its_workers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tf_muscle.cluster.ray_workers.this_processor", lambda: TwoThreads)
    pieces = ["a", "fatal", "b"]
    with pytest.raises(UserError, match=r"^3 workers were lost at piece fatal, perhaps"):
        list(results(pieces, maker(tmp_path), Cluster("local"), "piece {}".format))


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:9"])
def test_where_no_cluster_is(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UserError, match=f"--cluster {address} cannot be used .* ray start --head"):
        list(results(["a"], maker(tmp_path), Cluster(address)))


class TwoThreads:
    """A processor."""

    threads = 2
