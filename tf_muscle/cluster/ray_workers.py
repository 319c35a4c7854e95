"""Workers on a Ray cluster: all that knows Ray. Needs the extra `cluster`.

Each worker is an actor, which loads what it needs once. Ray restarts none of them by itself: it
would hold back the piece of a lost one until there is room for its successor, though another
worker may be free by then.
"""

import logging
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

# Read when Ray is imported. It reports its use unless it is told not to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # epochs of several folds look alike
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 lets every other program go first

import ray

from tf_muscle.cluster.address import LOCAL, Cluster
from tf_muscle.errors import UserError, one_line
from tf_muscle.processor import THREADS, this_processor
from tf_muscle.tensorflow_log import LEVEL, set_up

Piece = TypeVar("Piece")
Result = TypeVar("Result")
LOSSES = 3  # a piece that loses three workers is itself at fault
ROOM = 30.0  # seconds without a worker until the user is told
PATIENCE = 10.0  # seconds until the head of a cluster has to answer
STORE = 200 * 2**20  # bytes of shared memory for results on the way; they are small
# Threads that libraries take for what does not go through TensorFlow.
LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
# How TensorFlow computes, where data and models are found, and where runs are recorded. No keys:
# they, as other variables, stay a node's own.
PASSED_ON = ("TF_", "TFDS_", "KERAS_")
PASSED_ON_NAMES = (
    *("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"),
    *("WANDB_MODE", "WANDB_PROJECT", "WANDB_BASE_URL"),
    *("HF_HOME", "HF_ENDPOINT"),
)


class Worker:
    """What runs in a worker's process.

    Args:
        folder: of the process that gave the command, whose paths are relative to it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._function: Callable[[Any], Any]
        set_up(verbose=os.environ.get(LEVEL) == "0")

    def load(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        """Makes the function of the pieces.

        Raises:
            UserError: this machine does not have the folder.
        """
        if not Path(self._folder).is_dir():
            raise UserError(
                f"{self._folder} is not there on {socket.gethostname()}: give the command in a "
                "folder that all machines of the cluster share"
            )
        os.chdir(self._folder)
        self._function = make()

    def do(self, piece: Any) -> Any:
        """Does a piece."""
        return self._function(piece)


@dataclass(frozen=True)
class Share:
    """What each worker gets, and how many there are."""

    workers: int
    cores: int
    gpus: float


def share(nodes: Sequence[tuple[int, float]], pieces: int, worker_gpus: float) -> Share:
    """Divides a cluster: the most cores a worker with which no piece has to wait, or one.

    Args:
        nodes: cores and GPUs of each.
        pieces: to do, from 1.
        worker_gpus: GPUs of a worker where there are any.

    Raises:
        UserError: no node has a core, or as many GPUs.
    """
    gpus = worker_gpus if any(gpus for _, gpus in nodes) else 0.0

    def on_gpus(own: float) -> int:
        """Workers of a machine; one with less than a GPU has it on a single one."""
        return int(own) * int(1 / gpus + 1e-6) if gpus < 1 else int(own / gpus)

    def room(cores: int) -> int:
        return sum(min(own // cores, on_gpus(own_gpus) if gpus else own) for own, own_gpus in nodes)

    workers = min(pieces, room(1))
    if not workers:
        raise UserError(
            f"no machine of the cluster has a free core and {gpus:g} GPUs: start one that has, or "
            "give another --worker_gpus"
        )
    most = max(cores for cores, _ in nodes)
    return Share(workers, max(c for c in range(1, most + 1) if room(c) >= workers), gpus)


def passed_on(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that go to the workers."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(PASSED_ON) or name in PASSED_ON_NAMES
    }


def results_of_workers(
    pieces: Sequence[Piece],
    make: Callable[[], Callable[[Piece], Result]],
    cluster: Cluster,
    name: Callable[[Piece], str],
) -> Generator[tuple[int, Result], None, None]:
    """See `pieces.results`."""
    if not pieces:
        return
    _connect(cluster.address)
    try:
        yield from _Pool(len(pieces), make, cluster).results(pieces, name)
    finally:
        ray.shutdown()


def own_address(address: str) -> str:
    """The IP address by which a cluster knows this machine.

    Raises:
        UserError: there is no cluster at `address`.
    """
    _connect(address)
    try:
        return str(ray.util.get_node_ip_address())
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    """Starts a cluster on this machine, or joins one.

    Raises:
        UserError: there is none at the address.
    """
    here: dict[str, Any] = {}
    if address == LOCAL:
        here = {"num_cpus": this_processor().threads, "object_store_memory": STORE}
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():  # Ray would try for minutes
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address, include_dashboard=False, logging_level=logging.ERROR, **here)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--cluster {address} cannot be used ({one_line(error)}): start one by ray start "
            "--head, or give --cluster local"
        ) from error


class _Pool:
    """Workers, each at one piece at a time.

    Args:
        count: of the pieces.
        make: see `pieces.results`.
        cluster: to which this process is connected.
    """

    def __init__(self, count: int, make: Callable[[], Any], cluster: Cluster) -> None:
        nodes = [
            (int(node["Resources"].get("CPU", 0)), float(node["Resources"].get("GPU", 0)))
            for node in ray.nodes()
            if node["Alive"]
        ]
        self._share = share(nodes, count, cluster.worker_gpus)
        self._make = ray.put(make)
        self._loading: dict[Any, Any] = {}  # the worker of each call that loads
        self._busy: dict[Any, tuple[Any, int]] = {}  # the worker and the piece of each call
        self._told = False  # of there being no worker
        print(
            f"workers: {self._share.workers}, cores of each: {self._share.cores}, machines: "
            f"{len(nodes)}",
            file=sys.stderr,
        )
        for _ in range(self._share.workers):
            self._start()

    def _start(self) -> None:
        """Asks for a worker; it loads as soon as there is room for it."""
        cores, gpus = self._share.cores, self._share.gpus
        variables = passed_on(os.environ)
        variables |= dict.fromkeys((*THREADS, *LIBRARY_THREADS), str(cores))
        if not gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ""  # each worker would take the memory of them all
        elif gpus < 1:
            variables["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        kind: Any = ray.remote(Worker)
        options = kind.options(
            num_cpus=cores, num_gpus=gpus, max_restarts=0, runtime_env={"env_vars": variables}
        )
        worker = options.remote(str(Path.cwd()))
        self._loading[worker.load.remote(self._make)] = worker

    def _next(self) -> Any:
        """Waits for the call that ends next; other work may keep the cluster for long."""
        while True:
            done, _ = ray.wait([*self._busy, *self._loading], num_returns=1, timeout=ROOM)
            if done:
                return done[0]
            if not self._busy and not self._told:
                self._told = True
                gpus = f" and {self._share.gpus:g} GPUs" if self._share.gpus else ""
                print(
                    f"waiting for {self._share.cores} cores{gpus} for a worker: other work may "
                    "keep the cluster, or the first worker still loads",
                    file=sys.stderr,
                )

    def results(
        self, pieces: Sequence[Piece], name: Callable[[Piece], str]
    ) -> Generator[tuple[int, Any], None, None]:
        """See `pieces.results`."""
        waiting = deque(range(len(pieces)))
        idle: list[Any] = []
        losses: Counter[int] = Counter()
        in_a_row = 0
        while waiting or self._busy:
            while waiting and idle:
                number, worker = waiting.popleft(), idle.pop()
                self._busy[worker.do.remote(pieces[number])] = worker, number
            call = self._next()
            is_piece = call in self._busy
            worker, number = self._busy.pop(call) if is_piece else (self._loading.pop(call), -1)
            try:
                result = ray.get(call)
            except ray.exceptions.RayTaskError as error:
                # A mistake that the user can mend is one here, too; others keep their traceback.
                raise (error.cause if isinstance(error.cause, UserError) else error) from None
            except ray.exceptions.RayError as error:
                in_a_row += 1
                losses[number] += is_piece
                lost = ""
                if losses[number] == LOSSES:
                    lost = f"{LOSSES} workers were lost at {name(pieces[number])}"
                elif in_a_row == LOSSES * self._share.workers:
                    lost = f"{in_a_row} workers in a row were lost"
                if lost:
                    raise UserError(
                        f"{lost}, perhaps for want of memory: see the logs of Ray, then give the "
                        f"same command again, or leave out --cluster ({one_line(error)[:300]})"
                    ) from error
                print("a worker was lost; what it was at is done again", file=sys.stderr)
                if is_piece:
                    waiting.appendleft(number)
                with suppress(ray.exceptions.RayError):  # it may only be out of reach
                    ray.kill(worker)
                self._start()
                continue
            idle.append(worker)
            if is_piece:
                in_a_row = 0
                if waiting:  # before the caller takes its time
                    following = waiting.popleft()
                    self._busy[idle.pop().do.remote(pieces[following])] = worker, following
                yield number, result
