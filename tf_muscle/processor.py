"""What TensorFlow computes with on this processor: its kernels, number format and threads.

Chosen when `tf_muscle` is imported, for TensorFlow reads its variables when it is imported itself.
Needs Python's own library alone. docs/performance.md has the measurements.
"""

import functools
import itertools
import os
import platform
import sys
from collections.abc import Mapping, MutableMapping, Set
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # on Linux
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # what a container may use, see the kernel's cgroup-v2
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

# Flags with which TensorFlow switches oneDNN on by itself (IsMklEnabled in its core/util/port.cc).
NEURAL = ("amx_bf16", "amx_int8", "amx_tile", "avx512_vnni", "avx_vnni", "avx512_bf16")
TENSORFLOWS = "TensorFlow's own"  # kernels that are not chosen here
KERNELS = {"1": "oneDNN", "true": "oneDNN", "0": "Eigen", "false": "Eigen"}  # by the variable


@dataclass(frozen=True)
class Choice:
    """What was chosen, such as "bfloat16" or "oneDNN", and the reason in words."""

    name: str
    reason: str

    def __str__(self) -> str:
        """As files and tables have it; the inverse of `parse`."""
        return f"{self.name} ({self.reason})" if self.reason else self.name

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Reads what `str` gave."""
        name, _, reason = text.removesuffix(")").partition(" (")
        return cls(name, reason)


@dataclass(frozen=True)
class Processor:
    """The processor and what is chosen for it.

    Attributes:
        name: what its maker calls it.
        threads: that TensorFlow and tf.data take, from 1.
        kernels: "oneDNN", "Eigen" or `TENSORFLOWS`.
        precision: "bfloat16" or "float32".
    """

    name: str
    threads: int
    kernels: Choice
    precision: Choice

    def __str__(self) -> str:
        """Name and threads, which decide how TensorFlow splits its sums."""
        return f"{self.name}, {self.threads} threads"


@functools.cache
def this_processor() -> Processor:
    """That of this machine; the first call chooses, and sets the variables for TensorFlow."""
    return choose(
        read_cpuinfo(CPUINFO),
        f"{platform.system()} {platform.machine()}",
        schedulable_threads(),
        container_threads(CPU_MAX),
        os.environ,
        too_late="tensorflow" in sys.modules,
    )


def choose(
    cpuinfo: Mapping[str, str],
    system: str,
    schedulable: int,
    allowed: int | None,
    environ: MutableMapping[str, str],
    *,
    too_late: bool,
) -> Processor:
    """Chooses, and sets the variables that the user has not set.

    Args:
        cpuinfo: of `read_cpuinfo`.
        system: operating system and architecture, such as "Linux x86_64".
        schedulable: threads that TensorFlow would take.
        allowed: threads that the container may keep busy; None for no limit.
        environ: environment variables; changed.
        too_late: TensorFlow is imported already, so that no variable decides any more.
    """
    flags = set(cpuinfo.get("flags", "").split())
    kernels = _kernels(flags, system, environ, too_late=too_late)
    precision = Choice("float32", "the processor has no AMX")
    if "amx_bf16" in flags:
        precision = Choice("bfloat16", "the processor has AMX")
        if kernels.name == "Eigen":  # computes bfloat16 far more slowly than float32
            precision = Choice("float32", f"AMX needs oneDNN, but {kernels.reason}")
    threads = schedulable
    if not too_late:
        if allowed is not None and allowed < schedulable:
            for variable in THREADS:
                environ.setdefault(variable, str(allowed))
        asked = environ.get(THREADS[0], "")
        threads = int(asked) if asked.isdecimal() and int(asked) else schedulable
    name = cpuinfo.get("model name") or platform.processor() or platform.machine()
    return Processor(name, threads, kernels, precision)


def _kernels(
    flags: Set[str], system: str, environ: MutableMapping[str, str], *, too_late: bool
) -> Choice:
    if too_late:
        return Choice(TENSORFLOWS, "it was imported before tf_muscle")
    best = Choice(TENSORFLOWS, f"not measured on {system}")
    if system == "Linux x86_64" and "avx2" in flags:
        newest = next((flag for flag in NEURAL if flag in flags), "avx2")
        best = Choice("oneDNN", f"the processor has {newest.upper()}")
    if (asked := environ.get(ONEDNN)) is not None:
        name = KERNELS.get(asked.lower(), TENSORFLOWS)
        return best if name == best.name else Choice(name, f"{ONEDNN} is {asked}")
    if best.name == "oneDNN":
        environ[ONEDNN] = "1"
    return best


def schedulable_threads() -> int:
    """Processors that this process may be scheduled on: the threads that TensorFlow takes."""
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def container_threads(cpu_max: Path) -> int | None:
    """Threads that a container's share of the processors keeps busy; None without a limit.

    TensorFlow does not look at it: under `docker run --cpus 2` on 64 processors it starts 64.
    """
    try:
        quota, period = cpu_max.read_text(encoding="utf-8").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return None


def read_cpuinfo(path: Path) -> dict[str, str]:
    """What Linux tells of the first of its processors; nothing on other systems."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        first = itertools.takewhile(str.strip, file)
        pairs = [line.partition(":") for line in first]
    return {name.strip(): value.strip() for name, _, value in pairs}
