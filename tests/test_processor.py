"""The choice by the processor, from texts as /proc/cpuinfo has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_muscle.processor import (
    ONEDNN,
    THREADS,
    Choice,
    Processor,
    choose,
    container_threads,
    read_cpuinfo,
    schedulable_threads,
)

LINUX = "Linux x86_64"
X86 = """processor\t: {number}
vendor_id\t: Maker
model name\t: {name}
flags\t\t: fpu sse2 avx {flags}
bugs\t\t: spectre_v1

"""
ARM = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd sha512 bf16
CPU part\t: 0xd40

"""
AVX2 = "avx2 fma"
VNNI = f"{AVX2} avx512f avx512_vnni"
BF16 = f"{VNNI} avx512_bf16"
AMX = f"{BF16} amx_bf16 amx_tile amx_int8"


def chosen(folder: Path, text: str, system: str = LINUX, **more: object) -> Processor:
    """The choice for a processor with this /proc/cpuinfo, of 4 threads."""
    cpuinfo = folder / "cpuinfo"
    cpuinfo.write_text(text)
    options = {"environ": {}, "allowed": None, "too_late": False} | more
    return choose(read_cpuinfo(cpuinfo), system, 4, **options)  # type: ignore[arg-type]


def x86(flags: str) -> str:
    """Two threads of a processor."""
    return "".join(X86.format(number=i, name=f"Z80 @ {i} MHz", flags=flags) for i in range(2))


@pytest.mark.parametrize(
    ("flags", "reason", "precision"),
    [
        (AVX2, "the processor has AVX2", "float32"),
        (VNNI, "the processor has AVX512_VNNI", "float32"),
        (f"{AVX2} avx_vnni", "the processor has AVX_VNNI", "float32"),
        (AMX, "the processor has AMX_BF16", "bfloat16"),
    ],
)
def test_onednn_on_x86(flags: str, reason: str, precision: str, tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    found = chosen(tmp_path, x86(flags), environ=environ)
    assert found.kernels == Choice("oneDNN", reason)
    assert environ == {ONEDNN: "1"}
    assert found.precision.name == precision
    assert str(found) == "Z80 @ 0 MHz, 4 threads"


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (x86("ssse3"), LINUX),
        (ARM, "Linux aarch64"),
        ("", "Darwin arm64"),
        ("", "Windows AMD64"),
    ],
)
def test_what_was_not_measured_is_left_to_tensorflow(
    text: str, system: str, tmp_path: Path
) -> None:
    environ: dict[str, str] = {}
    found = chosen(tmp_path, text, system, environ=environ)
    assert found.kernels == Choice("TensorFlow's own", f"not measured on {system}")
    assert found.precision == Choice("float32", "the processor has no AMX")
    assert environ == {}


@pytest.mark.parametrize(
    ("asked", "kernels"),
    [
        ("0", Choice("Eigen", f"{ONEDNN} is 0")),
        ("False", Choice("Eigen", f"{ONEDNN} is False")),
        ("1", Choice("oneDNN", "the processor has AVX2")),  # as it would have been
        ("yes", Choice("TensorFlow's own", f"{ONEDNN} is yes")),  # which it does not understand
    ],
)
def test_what_the_user_has_set_stays(asked: str, kernels: Choice, tmp_path: Path) -> None:
    environ = {ONEDNN: asked}
    assert chosen(tmp_path, x86(AVX2), environ=environ).kernels == kernels
    assert environ == {ONEDNN: asked}


def test_bfloat16_needs_onednn(tmp_path: Path) -> None:
    found = chosen(tmp_path, x86(AMX), environ={ONEDNN: "0"})
    assert found.precision == Choice("float32", f"AMX needs oneDNN, but {ONEDNN} is 0")


def test_after_tensorflow_nothing_is_chosen(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    found = chosen(tmp_path, x86(AVX2), environ=environ, allowed=2, too_late=True)
    assert found.kernels == Choice("TensorFlow's own", "it was imported before tf_muscle")
    assert found.threads == 4
    assert environ == {}


def test_threads_of_a_container(tmp_path: Path) -> None:
    limited: dict[str, str] = {}
    assert chosen(tmp_path, x86(AVX2), environ=limited, allowed=2).threads == 2
    assert {limited[name] for name in THREADS} == {"2"}
    asked = {THREADS[0]: "3"}
    assert chosen(tmp_path, x86(AVX2), environ=asked, allowed=2).threads == 3
    assert asked[THREADS[0]] == "3"
    free: dict[str, str] = {}
    assert chosen(tmp_path, x86(AVX2), environ=free, allowed=16).threads == 4
    assert not set(THREADS) & set(free)


@pytest.mark.parametrize(
    ("text", "threads"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("", None),
    ],
)
def test_share_of_a_container(text: str, threads: int | None, tmp_path: Path) -> None:
    assert container_threads(tmp_path / "cpu.max") is None
    (tmp_path / "cpu.max").write_text(text)
    assert container_threads(tmp_path / "cpu.max") == threads


def test_no_linux_tells_nothing(tmp_path: Path) -> None:
    assert read_cpuinfo(tmp_path / "cpuinfo") == {}


PROBE = """
import os, sys
{imports}
from tf_muscle.processor import this_processor
from tensorflow.python.util import _pywrap_util_port
set_by = os.environ.get("{variable}")
print(this_processor().kernels.name, _pywrap_util_port.IsMklEnabled(), set_by, sep="|")
"""


@pytest.mark.skipif(
    "avx2" not in read_cpuinfo(Path("/proc/cpuinfo")).get("flags", ""), reason="needs AVX2 on Linux"
)
@pytest.mark.parametrize(
    ("imports", "asked", "told"),
    [
        ("import tf_muscle", None, "oneDNN|True|1"),
        pytest.param("import tf_muscle", "0", "Eigen|False|0", marks=pytest.mark.slow),
        ("import tensorflow, tf_muscle", "0", "TensorFlow's own|False|0"),
    ],
)
def test_tensorflow_does_as_it_is_told(imports: str, asked: str | None, told: str) -> None:
    """Whoever imports what: TensorFlow itself says whether its oneDNN kernels are on."""
    environ = {k: v for k, v in os.environ.items() if k != ONEDNN} | (
        {ONEDNN: asked} if asked else {}
    )
    script = PROBE.format(imports=imports, variable=ONEDNN)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True
    )
    assert done.stdout.strip() == told, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_pinned_process_has_fewer_threads() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert schedulable_threads() == 1
    finally:
        os.sched_setaffinity(0, before)
