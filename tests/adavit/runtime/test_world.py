"""Processes that tell each other tensors and values: two real ones over gloo, against what each was given."""

from typing import Any

import pytest
import torch

from adavit.runtime import world as runtime_world
from adavit.runtime.world import Alone, OutOfReach, Together, World, joined, rows_of_all
from tests.adavit.runtime.test_device_failure import LOST
from tests.processes import together


def told_things(world: World) -> dict[str, Any]:
    """What a process of the world hears."""
    own = torch.tensor([[world.rank + 0.5, -1.0]])
    return {
        "gathered": world.gather(own),
        "flags": world.gather(torch.tensor(world.rank == 0)),
        "exchanged": world.exchange(torch.arange(4.0).reshape(2, 2) + 10 * world.rank),
        "joined": joined(world, [own, torch.tensor([world.rank == 0]), torch.ones(1, 2, 2).long()]),
        "sum": world.add(own),
        "rows": rows_of_all(world, torch.full((1 + 2 * world.rank, 2), float(world.rank))),
        "told": world.tell({"p": 0.25, "who": world.rank}),
    }


@pytest.fixture(scope="module")
def heard() -> list[dict[str, Any]]:
    """What two processes heard."""
    return together(2, told_things)


def test_both_processes_hear_the_same(heard: list[dict[str, Any]]) -> None:
    first, second = ({k: v for k, v in each.items() if k != "exchanged"} for each in heard)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_tensors_come_in_the_order_of_ranks(heard: list[dict[str, Any]]) -> None:
    told = heard[1]
    assert [each.tolist() for each in told["gathered"]] == [[[0.5, -1.0]], [[1.5, -1.0]]]
    assert [bool(flag) for flag in told["flags"]] == [True, False]


def test_each_process_has_what_the_others_sent_it(heard: list[dict[str, Any]]) -> None:
    assert heard[0]["exchanged"].tolist() == [[0, 1], [10, 11]]
    assert heard[1]["exchanged"].tolist() == [[2, 3], [12, 13]]


def test_tensors_of_any_type_are_joined_in_one_message(heard: list[dict[str, Any]]) -> None:
    numbers, flags, blocks = heard[0]["joined"]
    assert numbers.tolist() == [[0.5, -1.0], [1.5, -1.0]]
    assert flags.tolist() == [True, False]
    assert torch.equal(blocks, torch.ones(2, 2, 2, dtype=torch.int64))


def test_the_sum_is_over_both(heard: list[dict[str, Any]]) -> None:
    assert heard[0]["sum"].tolist() == [[2.0, -2.0]]


def test_rows_are_as_many_as_each_gave(heard: list[dict[str, Any]]) -> None:
    assert [rows.tolist() for rows in heard[0]["rows"]] == [[[0.0] * 2], [[1.0] * 2] * 3]


def test_rank_0_decides(heard: list[dict[str, Any]]) -> None:
    assert heard[1]["told"] == {"p": 0.25, "who": 0}


def test_a_process_alone_hears_itself() -> None:
    told = told_things(Alone())
    assert told["gathered"][0].tolist() == told["sum"].tolist() == [[0.5, -1.0]]
    assert told["joined"][0].tolist() == [[0.5, -1.0]]
    assert told["exchanged"].tolist() == [[0, 1], [2, 3]]
    assert told["told"] == {"p": 0.25, "who": 0}


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64.00 MiB"), None),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] can't allocate memory"), None),
        *((error, None) for error in LOST),
        (RuntimeError("Connection closed by peer [127.0.0.1]:9999"), OutOfReach),
    ],
)
def test_what_fails_here_is_not_taken_for_another_process_that_has_gone(
    error: RuntimeError, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runtime_world.dist, "all_reduce", fails)
    with pytest.raises(raised or type(error)) as caught:
        Together.add(object.__new__(Together), torch.zeros(2))
    assert isinstance(caught.value, OutOfReach) == (raised is OutOfReach)
