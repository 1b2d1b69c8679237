"""Which slices of a batch a process computes."""

from typing import Any

import pytest

from adavit.errors import UserError
from adavit.runtime.world import Alone
from adavit.training.step.slices import Slices


def world_of(size: int, rank: int) -> Any:
    world = Alone()
    world.size, world.rank = size, rank
    return world


@pytest.mark.parametrize(
    ("size", "microbatch"), [(1, None), (1, 4), (2, 4), (3, 4), (4, 6), (6, 2)]
)
def test_the_images_of_all_ranks_are_the_batch_in_its_order(
    size: int, microbatch: int | None
) -> None:
    parts = [Slices.of(24, microbatch, world_of(size, rank)) for rank in range(size)]
    assert [image for part in parts for image in part.images] == list(range(24))
    assert [number for part in parts for number in part.own] == list(range(parts[0].count))
    assert all(part.size * part.count == 24 for part in parts)
    for part in parts:
        assert [part.of_rank(rank) for rank in range(size)] == [each.own for each in parts]


@pytest.mark.parametrize(
    ("batch", "microbatch", "size", "message"),
    [
        (
            32,
            8,
            3,
            r"training.batch is 32 and training.microbatch 8, which makes 4 slices, but 3 processes"
            r" compute equally many each. Use 1, 2 or 4 processes, or a training.batch that 3 divides.",
        ),
        (
            32,
            None,
            4,
            r"training.batch is 32 and training.microbatch 32, which makes 1 slice, but 4 processes"
            r" compute equally many each. Use 1 process, or a training.microbatch that divides 8.",
        ),
    ],
)
def test_slices_that_cannot_be_shared_are_refused_with_their_numbers(
    batch: int, microbatch: int | None, size: int, message: str
) -> None:
    with pytest.raises(UserError) as raised:
        Slices.of(batch, microbatch, world_of(size, 0))
    assert str(raised.value) == message


@pytest.mark.parametrize("microbatch", [8, 4])
def test_what_is_advised_is_accepted(microbatch: int) -> None:
    assert len(Slices.of(32, microbatch, world_of(4, 3)).own) == 8 // microbatch


def test_slices_of_unequal_size_are_a_mistake() -> None:
    with pytest.raises(
        ValueError, match=r"batch is 10, but must be a multiple of the microbatch \(4\)"
    ):
        Slices.of(10, 4, world_of(1, 0))
