"""Processes that tell each other tensors and values: two real ones over gloo, against what each was given."""

from typing import Any

import pytest
import torch

from adavit.runtime.world import Alone, World, in_order
from tests.processes import together


def told_things(world: World) -> dict[str, Any]:
    """What a process of the world hears."""
    own = torch.tensor([[world.rank + 0.5, -1.0]])
    return {
        "gathered": world.gather(own),
        "flags": world.gather(torch.tensor(world.rank == 0)),
        "sum": world.add(own),
        "told": world.tell({"p": 0.25, "who": world.rank}),
        "slices": in_order(world, [torch.tensor(2 * world.rank), torch.tensor(2 * world.rank + 1)]),
    }


@pytest.fixture(scope="module")
def heard() -> list[dict[str, Any]]:
    """What two processes heard."""
    return together(2, told_things)


def test_both_processes_hear_the_same(heard: list[dict[str, Any]]) -> None:
    torch.testing.assert_close(heard[0], heard[1], rtol=0, atol=0)


def test_tensors_come_in_the_order_of_ranks(heard: list[dict[str, Any]]) -> None:
    told = heard[1]
    assert [each.tolist() for each in told["gathered"]] == [[[0.5, -1.0]], [[1.5, -1.0]]]
    assert [bool(flag) for flag in told["flags"]] == [True, False]
    assert [int(number) for number in told["slices"]] == [0, 1, 2, 3]


def test_the_sum_is_over_both(heard: list[dict[str, Any]]) -> None:
    assert heard[0]["sum"].tolist() == [[2.0, -2.0]]


def test_rank_0_decides(heard: list[dict[str, Any]]) -> None:
    assert heard[1]["told"] == {"p": 0.25, "who": 0}


def test_a_process_alone_hears_itself() -> None:
    told = told_things(Alone())
    assert told["gathered"][0].tolist() == told["sum"].tolist() == [[0.5, -1.0]]
    assert told["told"] == {"p": 0.25, "who": 0}
    assert [int(number) for number in told["slices"]] == [0, 1]
