"""What microbatches add to a step, brought together from two processes."""

from typing import Any

import pytest
import torch

from adavit.runtime.world import Alone, World
from adavit.training.step.microbatch_sums import MicrobatchSums
from tests.processes import together


def part(number: int, *, masked: bool) -> MicrobatchSums:
    stream = torch.Generator().manual_seed(number)
    return MicrobatchSums(
        train_logits=torch.randn(2, generator=stream),
        generated_logits=torch.randn(2, generator=stream),
        losses={"loss": torch.tensor(0.1 * number), "r1": torch.tensor(1.0 + number)},
        styles=torch.randn(2, 3, generator=stream).to(torch.bfloat16),
        is_training=torch.tensor([number % 2 == 0, True]) if masked else None,
        observed={"none": [], "chain": [torch.full((3,), float(number)), torch.tensor(number)]},
    )


def total(world: World, *, masked: bool) -> dict[str, Any]:
    own = range(world.rank * 4 // world.size, (world.rank + 1) * 4 // world.size)
    return vars(MicrobatchSums.total([part(number, masked=masked) for number in own], world))


@pytest.mark.parametrize("masked", [True, False])
def test_the_whole_is_in_the_order_of_the_batch(masked: bool) -> None:
    found, parts = total(Alone(), masked=masked), [part(n, masked=masked) for n in range(4)]
    for name in ("train_logits", "generated_logits", "styles"):
        assert torch.equal(found[name], torch.cat([getattr(each, name) for each in parts]))
    assert found["losses"].keys() == {"loss", "r1"}
    torch.testing.assert_close(found["losses"]["loss"], torch.tensor(0.6))
    assert found["losses"]["r1"] == 10
    if masked:
        assert found["is_training"].tolist() == [True, True, False, True] * 2
    else:
        assert found["is_training"] is None
    assert found["observed"]["none"] == []
    squares, numbers = found["observed"]["chain"]
    assert squares.tolist() == [[n] * 3 for n in range(4)]
    assert numbers.tolist() == [0, 1, 2, 3]


def test_two_processes_have_what_one_has() -> None:
    expected = total(Alone(), masked=True)
    for found in together(2, lambda world: total(world, masked=True)):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
