"""What a compiled step asks of a card, as it is written for one that is not there."""

import subprocess
import sys

import pytest

from benchmarks.compiled_operations import read_while_written
from benchmarks.house import ROOT

KERNELS = """
import sys
from benchmarks.compiled_operations import planned, read_while_written

plan = planned(sys.argv[1], 32, 64, penalised=False)
assert not read_while_written(plan.code)
print(plan.kernels, plan.of_libraries)
"""
CODE = """
def triton_poi_one(in_ptr0, out_ptr0, xnumel, XBLOCK : tl.constexpr):
    pass

def triton_for_fused_2(in_out_ptr0, in_ptr0, in_ptr1, out_ptr0, out_ptr1):
    pass

def call(args):
            triton_poi_one.run(buf0, buf1, 32, stream=s0)
            triton_for_fused_2.run(buf1, reinterpret_tensor(buf2, (3, 4), (4, 1), 0), {}, buf3, buf4, stream=s0)
"""


@pytest.mark.parametrize(("second", "raced"), [("buf5", False), ("buf4", True), ("buf1", True)])
def test_a_kernel_that_reads_what_it_writes_is_found(second: str, raced: bool) -> None:
    assert read_while_written(CODE.format(second)) == ({"triton_for_fused_2"} if raced else set())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("resnet", 300), ("vit", 500)])
def test_a_plain_compiled_step_keeps_to_the_kernels_that_it_may_have(kind: str, most: int) -> None:
    # In a process of its own: where torch has looked for a card before, it asks the driver in the end.
    counted = subprocess.run(
        [sys.executable, "-c", KERNELS, kind], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert counted.returncode == 0, counted.stderr[-2000:]
    kernels, of_libraries = map(int, counted.stdout.split())
    assert most / 2 < kernels <= most, "step_operations.md says where they go"
    assert of_libraries < kernels
