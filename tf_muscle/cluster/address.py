"""Which cluster a command works on, and what its workers get."""

from dataclasses import dataclass
from typing import Any

from tf_muscle.errors import UserError, between, refuse_missing

LOCAL = "local"  # the address of a cluster that is started for a command, on this machine alone


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
            UserError: Ray is not installed, or --worker_gpus is out of its range or alone.
        """
        address, gpus = options.pop("cluster", None), options.pop("worker_gpus", None)
        if address is None:
            if gpus is not None:
                raise UserError(f"--worker_gpus {gpus} needs --cluster: give both, or leave it out")
            return None
        refuse_missing(f"--cluster {address}", "cluster", ["ray"])
        if gpus is None:
            return cls(address)
        between("worker_gpus", gpus, 0.01, 16.0)
        if gpus > 1 and gpus != int(gpus):
            raise UserError(f"--worker_gpus must be below 1 or a whole number, got {gpus}")
        return cls(address, gpus)
