"""The workers of a search, started by Ray beside a chief in this process.

A worker on the cluster is the same worker as one that is started by hand: KerasTuner's chief hands
out the trials. Ray finds the machines, and starts a lost worker again somewhere else.
"""

import argparse
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from tf_muscle.cluster.address import LOCAL, Cluster
from tf_muscle.cluster.pieces import results
from tf_muscle.errors import UserError

from .workers import VARIABLES, Role, role

ENDING = 60.0  # seconds that the chief takes at most to notice the end of a search, and to write it

Command = Callable[[Sequence[str]], int]


def take_cluster(argv: Sequence[str]) -> tuple[Cluster | None, list[str]]:
    """The cluster that a command names, and the words that its workers are given, too.

    Args:
        argv: that `parse_search` accepts.
    """
    apart = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    apart.add_argument("--cluster")
    apart.add_argument("--worker_gpus", type=float)
    named, words = apart.parse_known_args(list(argv))
    return Cluster.asked(vars(named)), words


def become_chief(cluster: Cluster) -> Role:
    """Makes this process the chief, at a free port of an address that the workers can reach.

    Raises:
        UserError: it is a chief or a worker already, or there is no such cluster or address.
    """
    if given := [name for name in VARIABLES if os.environ.get(name)]:
        raise UserError(
            f"--cluster starts chief and workers by itself, but {given[0]} is set: unset it, or "
            "leave out --cluster"
        )
    # Read when gRPC is imported: it would warn of every process that Ray starts beside the chief.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    host = "127.0.0.1" if cluster.address == LOCAL else _reachable(cluster)
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    os.environ |= dict(zip(VARIABLES, ("chief", host, str(port)), strict=True))
    return role()


def _reachable(cluster: Cluster) -> str:
    """The address of this machine in the cluster.

    Raises:
        UserError: there is no such cluster, or other machines cannot reach the address.
    """
    from tf_muscle.cluster.ray_workers import own_address  # an extra of this package

    host = own_address(cluster.address)
    if ip_address(host).is_loopback:
        raise UserError(
            f"--cluster {cluster.address} knows this machine as {host}, which no other machine "
            "reaches: start Ray with --node-ip-address and the address in your network, or give "
            "--cluster local"
        )
    return host


def search_with_workers(
    run: Callable[[], list[Any]],
    command: Command,
    argv: Sequence[str],
    trials: int,
    cluster: Cluster,
) -> list[Any]:
    """Runs a chief, and workers until it has no more trials.

    Args:
        run: the chief's part, which gives the rows of the results.
        command: of a worker, which reads its part from KerasTuner's variables.
        argv: of `take_cluster`.
        trials: that there may be; more workers would have nothing to do.
        cluster: for the workers.

    Raises:
        UserError: of the chief or of a worker.
    """
    chief = _Chief(run)
    chief.start()
    host, port = (os.environ[name] for name in VARIABLES[1:])
    work = partial(_work, command, tuple(argv), host, port)
    try:
        for _ in results(
            range(1, trials + 1),
            partial(_as_it_is, work),
            cluster,
            "worker {} of the search".format,
        ):
            if not chief.is_alive():
                break
    except UserError as error:
        chief.join(ENDING)
        # A worker that starts after the last trial has ended finds no chief.
        if chief.is_alive() or chief.error:
            raise chief.error or error from None
    chief.join()
    if chief.error:
        raise chief.error
    return chief.rows


class _Chief(threading.Thread):
    """The chief's part, which waits for workers; it does not outlive an interrupted command."""

    def __init__(self, run: Callable[[], list[Any]]) -> None:
        super().__init__(daemon=True)
        self._run = run
        self.rows: list[Any] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.rows = self._run()
        except Exception as error:
            self.error = error


def _as_it_is(work: Callable[[int], None]) -> Callable[[int], None]:
    return work


def _work(command: Command, argv: Sequence[str], host: str, port: str, number: int) -> None:
    """Runs the command as worker `number` of the chief."""
    os.environ |= dict(zip(VARIABLES, (f"worker{number}", host, port), strict=True))
    command(argv)
