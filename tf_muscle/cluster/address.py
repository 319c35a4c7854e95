"""Which cluster a command works on, and what its workers get."""

import re
from dataclasses import dataclass
from typing import Any

from tf_muscle.errors import UserError, between, refuse_missing, shortened

LOCAL = "local"  # the address of a cluster that is started for a command, on this machine alone
AUTO = "auto"  # of the one that this machine belongs to
HOST_AND_PORT = re.compile(r"[^\s/:]+:(\d{1,5})")


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    Attributes:
        address: "local" for the cores of this machine, "auto" for the cluster that this machine
            belongs to, else HOST:PORT of its head.
        worker_gpus: share of a GPU that each worker gets where the cluster has GPUs, above 0.
    """

    address: str
    worker_gpus: float = 1.0

    @classmethod
    def asked(cls, options: dict[str, Any]) -> "Cluster | None":
        """Takes --cluster and --worker_gpus out of a command's options; None without --cluster.

        Raises:
            UserError: Ray is not installed, the address has another form, or --worker_gpus is out
                of its range or alone.
        """
        address, gpus = options.pop("cluster", None), options.pop("worker_gpus", None)
        if address is None:
            if gpus is not None:
                raise UserError(f"--worker_gpus {gpus} needs --cluster: give both, or leave it out")
            return None
        head = HOST_AND_PORT.fullmatch(address)
        if address not in (LOCAL, AUTO) and (head is None or not 0 < int(head[1]) < 2**16):
            raise UserError(
                f"--cluster must be {LOCAL}, {AUTO} or HOST:PORT, got {shortened(address)}"
            )
        refuse_missing(f"--cluster {address}", "cluster", ["ray"])
        if gpus is None:
            return cls(address)
        between("worker_gpus", gpus, 0.01, 16.0)
        if gpus > 1 and gpus != int(gpus):
            raise UserError(f"--worker_gpus must be below 1 or a whole number, got {gpus}")
        return cls(address, gpus)
