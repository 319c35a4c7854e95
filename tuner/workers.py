"""Several processes at one search: KerasTuner's chief hands out trials, workers run them.

KerasTuner reads KERASTUNER_TUNER_ID (a name with "chief" in it makes the chief),
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT. It never notices that a worker has died; here a
worker gives a sign of life every few seconds, and the chief hands a silent worker's trial out
again.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tf_muscle.errors import UserError

if TYPE_CHECKING:
    from tuner.oracle import Durable

HEARTBEAT = 10.0  # seconds between two signs of life
SILENCE = 60.0  # seconds after which a worker counts as dead: six signs missed
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


@dataclass(frozen=True)
class Role:
    """What this process is in the search."""

    kind: Literal["alone", "chief", "worker"]
    tuner_id: str = "tuner0"  # KerasTuner's own name for a process alone
    address: str = ""

    @property
    def alone(self) -> bool:
        """No other process takes part."""
        return self.kind == "alone"

    @property
    def chief(self) -> bool:
        """Hands out trials and writes the results, trains nothing."""
        return self.kind == "chief"

    @property
    def worker(self) -> bool:
        """Runs the trials that the chief hands out."""
        return self.kind == "worker"


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
def signs_of_life(oracle: Any, trial_id: str) -> Iterator[None]:
    """Lets the chief know that the trial is being worked on, for as long as the block runs."""
    import grpc

    ended = threading.Event()

    def send() -> None:
        while not ended.wait(HEARTBEAT):
            with suppress(grpc.RpcError):  # the chief may be starting again
                oracle.get_trial(trial_id)

    # A daemon, since a call to a chief that is gone would keep the process alive for an hour.
    threading.Thread(target=send, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def watched(oracle: "Durable") -> Iterator[None]:
    """On the chief: takes the trials of silent workers back while the block runs."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(HEARTBEAT):
            oracle.take_back_lost(SILENCE)

    threading.Thread(target=watch, daemon=True).start()
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
