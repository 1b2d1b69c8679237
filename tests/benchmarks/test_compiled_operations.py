"""What a compiled step asks of a card, as it is written for one that is not there."""

import subprocess
import sys

import pytest

from benchmarks.house import ROOT

KERNELS = """
from benchmarks.compiled_operations import planned

print(planned("resnet", 32, 64, penalised=False).kernels)
"""


@pytest.mark.slow
def test_a_plain_compiled_step_keeps_to_the_kernels_that_it_may_have() -> None:
    # In a process of its own: where torch has looked for a card before, it asks the driver in the end.
    counted = subprocess.run(
        [sys.executable, "-c", KERNELS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert counted.returncode == 0, counted.stderr[-2000:]
    assert 150 < int(counted.stdout) <= 300, "step_operations.md says where they go"
