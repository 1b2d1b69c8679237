import pytest
import torch

from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.world import World
from tests.processes import together


def shapes_of(world: World) -> list[list[int]]:
    value = torch.arange(8.0).reshape(2, 4)  # a row for each
    told = [torch.stack(world.gather(value)), world.exchange(value), world.add(value)]
    world.wait()
    assert world.tell({"a": 1}) == {"a": 1}
    return [list(each.shape) for each in told]


def test_what_comes_back_has_the_shapes_of_a_real_world() -> None:
    imagined = ImaginedWorld(2)
    assert shapes_of(imagined) == together(2, shapes_of)[0]
    assert imagined.rank == 0


def test_bytes_and_messages_are_those_of_a_ring() -> None:
    world = ImaginedWorld(4)
    world.gather(torch.zeros(5))
    assert (world.messages, world.sent) == (1, 3 * 20)
    world.exchange(torch.zeros(4, 5))
    assert (world.messages, world.sent) == (2, 60 + 3 / 4 * 80)
    world.add(torch.zeros(5, dtype=torch.float64))
    assert (world.messages, world.sent) == (3, pytest.approx(120 + 3 / 2 * 40))
    world.wait()
    world.tell([1])
    assert world.messages == 3
