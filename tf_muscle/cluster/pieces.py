"""Pieces of work that do not need each other: a loop here, or workers of a cluster."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tf_muscle.cluster.address import LOCAL, Cluster

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def asked_cluster(options: dict[str, Any]) -> Cluster | None:
    """`Cluster.asked`; an existing cluster is joined briefly, so that a wrong address fails early.

    Raises:
        UserError: of `Cluster.asked`, or there is no such cluster.
    """
    cluster = Cluster.asked(options)
    if cluster is not None and cluster.address != LOCAL:
        from tf_muscle.cluster.ray_workers import own_address  # an extra of this package

        own_address(cluster.address)
    return cluster


def results(
    pieces: Sequence[Piece],
    make: Callable[[], Callable[[Piece], Result]],
    cluster: Cluster | None,
    name: Callable[[Piece], str] = str,
) -> Generator[tuple[int, Result], None, None]:
    """Does each piece once, and gives its index and result as it is done.

    On a cluster, `make`, pieces and results are pickled, workers are in the folder of this process,
    and have as many threads as cores. A piece whose worker is lost is done again, so that a piece
    may have been done in part before.

    Args:
        pieces: what there is to do.
        make: gives the function; called once in each worker, for what takes long to load.
        cluster: the workers; None for a loop in this process, in the order of the pieces.
        name: what the user is told that a piece is, if workers are lost at it.

    Raises:
        UserError: a piece raised one, there is no such cluster, or it loses worker after worker.
    """
    if cluster is not None:
        from tf_muscle.cluster.ray_workers import results_of_workers  # an extra of this package

        yield from results_of_workers(pieces, make, cluster, name)
        return
    if pieces:
        function = make()
        for number, piece in enumerate(pieces):
            yield number, function(piece)


def in_order(numbered: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """Gives what `results` gives in the order of the pieces; those that come early are held."""
    early: dict[int, Result] = {}
    following = 0
    for number, result in numbered:
        early[number] = result
        while following in early:
            yield early.pop(following)
            following += 1
