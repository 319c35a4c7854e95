"""What the benchmarks read out of oneDNN's words, and how a release is compared."""

import pytest

from benchmarks.check import compare
from benchmarks.floor import read_kernels

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx2,forward_training,"
    "src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb16a::f0,attr-scratchpad:user,"
    "alg:convolution_direct,mb8_ic128oc32_ih64oh64kh3sh1dh0ph1_iw48ow48kw3sw1dw0pw1,2.5"
)
DEPTHWISE = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,jit_dw:avx2,backward_weights,"
    "src:f32,,alg:convolution_direct,g32mb8_ic32oc32_ih64oh32kh5sh2dh0ph1_iw64ow32kw5sw2dw0pw1,4"
)
REORDER = "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32 dst:f32,,,8x32x9,0.5"
OTHERS = ("onednn_verbose,v1,info,oneDNN v3.7.3", '{"seconds": [1.0]}', "")


def test_operations_of_a_convolution() -> None:
    (kernel,) = read_kernels([*OTHERS, CONVOLUTION])
    assert kernel.name == "convolution, forward"
    assert kernel.milliseconds == 2.5
    # an addition and a multiplication for each weight, at each of 64x48 places, for 8 photos
    assert kernel.operations == 2 * (32 * 128 * 3 * 3) * (64 * 48) * 8


def test_a_depthwise_convolution_has_one_input_for_an_output() -> None:
    (kernel,) = read_kernels([DEPTHWISE])
    assert kernel.name == "depthwise convolution, gradient of the kernels"
    assert kernel.operations == 2 * (32 * 5 * 5) * (32 * 32) * 8


def test_what_moves_data_has_no_operations() -> None:
    (kernel,) = read_kernels([REORDER])
    assert (kernel.name, kernel.milliseconds, kernel.operations) == ("reorder", 0.5, 0.0)


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        ({"step": 1.09, "start": 5.0}, []),
        ({"step": 1.07, "start": 5.0}, ["step: 1.20 -> 1.07"]),
        ({"start": 2.0}, ["step: 1.20, not measured any more", "start: 4.00 -> 2.00"]),
    ],
)
def test_only_what_fell_by_more_than_a_tenth_is_told(now: dict, lines: list[str]) -> None:
    assert compare({"step": 1.2, "start": 4.0}, now) == lines
