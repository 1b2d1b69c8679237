"""What a compiled step asks of a card, as it is written for one that is not there."""

import pytest

from benchmarks.compiled_operations import planned


@pytest.mark.slow
def test_a_plain_compiled_step_keeps_to_the_kernels_that_it_may_have() -> None:
    plan = planned("resnet", 32, 64, penalised=False)
    assert 150 < plan.kernels <= 300, "step_operations.md says where they go"
    assert plan.of_libraries < plan.kernels
