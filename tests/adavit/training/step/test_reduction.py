"""Sums of gradients in one order, against that order written out, and over processes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from adavit.runtime.world import Alone, World
from adavit.training.step import reduction
from adavit.training.step.reduction import Fast, InOrder, Reduction, blocks_within
from adavit.training.step.slices import Slices
from tests.processes import together

SHAPES = [(3, 5, 2, 2), (), (7,), (4, 3), (2,)]


def gradient(slice_number: int, index: int) -> Tensor:
    """Of one parameter in one slice; of sizes so unlike that each order of summation rounds otherwise."""
    stream = torch.Generator().manual_seed(100 * slice_number + index)
    shape = SHAPES[index]
    return torch.randn(shape, generator=stream) * 10 ** torch.randn(shape, generator=stream)


def summed(kind: Reduction, slices: int) -> list[Tensor]:
    """The sum over slices as a process of the world has it; one parameter has no gradient."""
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    idle = nn.Parameter(torch.zeros(3))
    parameters[0].data = parameters[0].data.contiguous(memory_format=torch.channels_last)
    part = Slices.of(slices, 1, kind.world)
    total = kind.begin(part, [*parameters[:2], idle, *parameters[2:]])
    for number in part.own:
        terms = [(p * gradient(number, i)).sum() for i, p in enumerate(parameters)]
        torch.stack(terms).sum().backward()
        total.add()
    total.finish()
    assert idle.grad is None
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


ORDERS: dict[int, Callable[..., Tensor]] = {
    1: lambda a: a,
    2: lambda a, b: a + b,
    3: lambda a, b, c: (a + b) + c,
    4: lambda a, b, c, d: (a + b) + (c + d),
    5: lambda a, b, c, d, e: ((a + b) + (c + d)) + e,
    6: lambda a, b, c, d, e, f: ((a + b) + (c + d)) + (e + f),
    7: lambda a, b, c, d, e, f, g: ((a + b) + (c + d)) + ((e + f) + g),
    8: lambda a, b, c, d, e, f, g, h: ((a + b) + (c + d)) + ((e + f) + (g + h)),
}


@pytest.mark.parametrize("slices", ORDERS)
def test_slices_are_summed_as_a_binary_tree(slices: int) -> None:
    for index, found in enumerate(summed(InOrder(Alone()), slices)):
        parts = [gradient(number, index) for number in range(slices)]
        assert torch.equal(found, ORDERS[slices](*parts))


@pytest.mark.parametrize("slices", [5, 12, 37])
def test_the_sum_is_that_of_float64(slices: int) -> None:
    for index, found in enumerate(summed(InOrder(Alone()), slices)):
        parts = torch.stack([gradient(number, index) for number in range(slices)])
        error = (found - parts.double().sum(dim=0)).abs()
        assert (error <= 1e-6 * parts.abs().sum(dim=0)).all()


@pytest.mark.parametrize(("size", "slices"), [(2, 2), (2, 6), (3, 3), (3, 15), (4, 8)])
@pytest.mark.parametrize("bucket", [2**24, 8])
def test_every_process_has_the_sum_of_one(
    size: int, slices: int, bucket: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "BUCKET", bucket)
    expected = summed(InOrder(Alone()), slices)
    for found in together(size, lambda world: summed(InOrder(world), slices)):
        assert all(map(torch.equal, found, expected))


def test_the_fast_sum_is_the_same_on_all_processes_and_right_but_for_rounding() -> None:
    first, second = together(2, lambda world: summed(Fast(world), 6))
    assert all(map(torch.equal, first, second))
    for index, found in enumerate(first):
        parts = torch.stack([gradient(number, index) for number in range(6)])
        error = (found - parts.double().sum(dim=0)).abs()
        assert (error <= 1e-6 * parts.abs().sum(dim=0)).all()


@pytest.mark.parametrize(
    ("numbers", "blocks"),
    [
        (range(8), [(0, 8)]),
        (range(3), [(0, 2), (2, 1)]),
        (range(3, 6), [(3, 1), (4, 2)]),
        (range(5, 10), [(5, 1), (6, 2), (8, 2)]),
        (range(4, 8), [(4, 4)]),
        (range(6, 10), [(6, 2), (8, 2)]),
    ],
)
def test_a_process_sums_the_largest_nodes_within_its_slices(
    numbers: range, blocks: list[tuple[int, int]]
) -> None:
    assert blocks_within(numbers) == blocks


@pytest.mark.parametrize("kind", [InOrder, Fast])
def test_one_slice_is_neither_copied_nor_told(kind: Callable[[World], Reduction]) -> None:
    parameter = nn.Parameter(torch.zeros(3))
    total = kind(Alone()).begin(Slices.of(4, None, Alone()), [parameter])
    parameter.sum().backward()
    made = parameter.grad
    total.add()
    total.finish()
    assert parameter.grad is made
