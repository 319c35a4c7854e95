"""Several processes at one search: KerasTuner's chief hands out trials, workers run them.

KerasTuner reads KERASTUNER_TUNER_ID (a name with "chief" in it makes the chief),
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT. It never notices that a worker has died; here a
worker gives a sign of life every few seconds, and the chief hands a silent worker's trial out
again.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tf_muscle.errors import UserError

HEARTBEAT = 10.0  # seconds between two signs of life
SILENCE = 60.0  # seconds after which a worker counts as dead: six signs missed
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


@dataclass(frozen=True)
class Role:
    """What this process is in the search.

    A chief hands out trials, writes the results and trains nothing; a worker runs what it is given.
    """

    kind: Literal["alone", "chief", "worker"]
    tuner_id: str = "tuner0"  # KerasTuner's name of the process
    address: str = ""  # of the chief


def role() -> Role:
    """Reads KerasTuner's environment variables.

    Raises:
        UserError: only some of them are set.
    """
    given = {name: os.environ.get(name, "") for name in VARIABLES}
    if not given["KERASTUNER_ORACLE_IP"]:
        return Role("alone")
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise UserError(
            f"KERASTUNER_ORACLE_IP is set but not {' and '.join(missing)}: set all of "
            f"{', '.join(VARIABLES)} for several processes, or none for one"
        )
    tuner_id = given["KERASTUNER_TUNER_ID"]
    address = f"{given['KERASTUNER_ORACLE_IP']}:{given['KERASTUNER_ORACLE_PORT']}"
    return Role("chief" if "chief" in tuner_id else "worker", tuner_id, address)


@contextmanager
def repeating(act: Callable[[], object]) -> Iterator[None]:
    """Does something every `HEARTBEAT` seconds beside the block, for as long as that runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(HEARTBEAT):
            act()

    # A daemon, since a call to a chief that is gone would keep the process alive for an hour.
    threading.Thread(target=repeat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def named_errors(address: str) -> Iterator[None]:
    """Turns a broken connection into a sentence.

    Raises:
        UserError: the chief is gone, or cannot listen at its address.
    """
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        code = error.code().name if hasattr(error, "code") else error
        raise UserError(
            f"the chief at {address} does not answer ({code}): start it again by its own command, "
            "then this worker; both go on where they stopped"
        ) from error
    except RuntimeError as error:
        if "bind" not in str(error):
            raise
        raise UserError(
            f"the chief cannot listen at {address} ({error}): give KERASTUNER_ORACLE_IP and "
            "KERASTUNER_ORACLE_PORT an address of this machine and a free port"
        ) from error
