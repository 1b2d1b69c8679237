"""What a step asks of a device, counted on networks in full size without memory behind them."""

import pytest

from benchmarks.step_operations import fake_stepper
from benchmarks.work import WorkCount


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("resnet", 800), ("vit", 1500)])
def test_a_plain_step_keeps_to_the_operations_that_it_may_have(kind: str, most: int) -> None:
    with fake_stepper(kind, 32, 64, toy=False) as stepper:
        with WorkCount():  # Adam's moments come into being
            stepper.plain()
        with WorkCount() as work:
            stepper.plain()
    assert most / 2 < work.operations <= most, "step_operations.md says where they go"
