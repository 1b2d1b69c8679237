"""How the gradients of slices become those of the batch, on every process of a run.

Sums of floating-point numbers depend on their order. `InOrder` keeps one, whatever the number of processes: that of a
binary tree over the slices, in which numbers k 2^l to (k + 1) 2^l - 1 are summed before others join them. A process
sums as much of it as lies within its slices, of which it keeps at most 2 log2 sums; then each process finishes a part
of the numbers, of which the others send it their sums, and tells it to all. Where N processes and their slices are
powers of two, each has one sum to send, and sends and receives 2 (N - 1) / N times the gradients: what the usual sum in
a ring takes too. `Fast` leaves the order to the backend.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from adavit.runtime.world import ALONE, World
from adavit.training.step.slices import Slices

BUCKET = 2**24
"""Numbers that are told at a time, so that memory for telling is bounded: 64 MiB in float32."""


class GradientSum(Protocol):
    """The gradients of one step."""

    def add(self) -> None:
        """Takes note of a slice, whose gradients are in `grad` of the parameters."""
        ...

    def finish(self) -> None:
        """Leaves the sum over all slices in `grad`, the same on every process."""
        ...


class Reduction(Protocol):
    """A way to sum the gradients of slices.

    Attributes:
        world: The processes that share the slices.
    """

    world: World

    def begin(self, slices: Slices, parameters: Sequence[nn.Parameter]) -> GradientSum:
        """A new sum over slices, of parameters without a gradient."""
        ...


class InOrder:
    """One order for any number of processes: on a CPU, with equally many threads each, they get the same bits."""

    def __init__(self, world: World) -> None:
        self.world = world

    def begin(self, slices: Slices, parameters: Sequence[nn.Parameter]) -> GradientSum:
        """See `Reduction`."""
        if slices.count == 1:
            return _WhereTheyAre()
        return _TreeSum(self.world, slices, parameters)


class Fast:
    """Slices of a process in their order, and processes in whatever order is fastest: equal but for rounding."""

    def __init__(self, world: World) -> None:
        self.world = world

    def begin(self, slices: Slices, parameters: Sequence[nn.Parameter]) -> GradientSum:
        """See `Reduction`."""
        if self.world.size == 1:
            return _WhereTheyAre()
        return _AddedSum(self.world, parameters)


OF_ONE_PROCESS = InOrder(ALONE)
"""That of a run of one process."""


def reduction_of(world: World, *, batch: int, microbatch: int | None, fast: bool) -> Reduction:
    """How processes share a batch.

    Args:
        world: They.
        batch: Real images of a step.
        microbatch: Of a slice; None is all that a process has.
        fast: Whether in whatever order is fastest.

    Raises:
        UserError: If they cannot share it evenly.
    """
    if world.size == 1:
        return OF_ONE_PROCESS
    Slices.of(batch, microbatch, world)
    return (Fast if fast else InOrder)(world)


class _WhereTheyAre:
    """Backward passes add to what there is by themselves."""

    def add(self) -> None:
        """See `GradientSum`."""

    def finish(self) -> None:
        """See `GradientSum`."""


class _AddedSum(_WhereTheyAre):
    """The same, and then over processes."""

    def __init__(self, world: World, parameters: Sequence[nn.Parameter]) -> None:
        self.world = world
        self.parameters = parameters

    def finish(self) -> None:
        """See `GradientSum`."""
        gradients = [each.grad for each in self.parameters if each.grad is not None]
        for bucket in _buckets(gradients):
            _copy_flat(self.world.add(_flat(bucket)), bucket)


@dataclass
class SummedSlices:
    """The sum over the slices of a node of the tree.

    Attributes:
        first: Number of its first slice.
        count: Slices, a power of two.
        sums: Tensors, changed where others are added.
    """

    first: int
    count: int
    sums: list[Tensor]


class SliceTree:
    """Sums over neighbouring slices, added to each other as far as the tree allows.

    Attributes:
        blocks: In the order of their slices.
    """

    def __init__(self) -> None:
        self.blocks: list[SummedSlices] = []

    def push(self, block: SummedSlices) -> None:
        """Takes up the block whose slices follow; its tensors are used from then on."""
        while self.blocks and _are_siblings(self.blocks[-1], block):
            left = self.blocks.pop()
            block = SummedSlices(left.first, 2 * left.count, _added(left.sums, block.sums))
        self.blocks.append(block)

    def total(self) -> list[Tensor]:
        """The sums over all slices from the first on; those of the last, incomplete nodes join from the right."""
        *others, last = self.blocks
        total = last.sums
        for block in reversed(others):
            total = _added(block.sums, total)
        return total


def blocks_within(numbers: range) -> list[tuple[int, int]]:
    """First slice and count of the largest nodes of the tree within some neighbouring slices, in their order."""
    tree = SliceTree()
    for number in numbers:
        tree.push(SummedSlices(number, 1, []))
    return [(block.first, block.count) for block in tree.blocks]


class _TreeSum:
    """The sum in the order of the tree."""

    def __init__(self, world: World, slices: Slices, parameters: Sequence[nn.Parameter]) -> None:
        self.world = world
        self.slices = slices
        self.parameters = parameters
        self.numbers = iter(slices.own)
        self.tree = SliceTree()
        self.trained: list[nn.Parameter] = []

    def add(self) -> None:
        """See `GradientSum`."""
        # Which they are is the same for all slices.
        self.trained = [each for each in self.parameters if each.grad is not None]
        gradients = [each.grad for each in self.trained if each.grad is not None]
        self.tree.push(SummedSlices(next(self.numbers), 1, gradients))
        for parameter in self.trained:
            parameter.grad = None

    def finish(self) -> None:
        """See `GradientSum`."""
        total = self._total_of_all() if self.world.size > 1 else self.tree.total()
        for parameter, gradient in zip(self.trained, total, strict=True):
            parameter.grad = gradient

    def _total_of_all(self) -> list[Tensor]:
        """That of all processes, in the memory of the first block."""
        own = [block.sums for block in self.tree.blocks]
        for buckets in zip(*(_buckets(sums) for sums in own), strict=True):
            _copy_flat(self._finished(torch.stack([_flat(each) for each in buckets])), buckets[0])
        return own[0]

    def _finished(self, own: Tensor) -> Tensor:
        """From sums over blocks of this process [J, M] to those over all slices [M].

        Each process finishes a part of the numbers, of which the others send it theirs.
        """
        size, length = self.world.size, own.shape[1]
        layout = [blocks_within(self.slices.of_rank(rank)) for rank in range(size)]
        # Equally many rows and columns of all: zeros where a process has fewer blocks, and at the end.
        sent = own.new_zeros(max(map(len, layout)), size * -(-length // size))
        sent[: len(own), :length] = own
        received = self.world.exchange(
            sent.unflatten(1, (size, -1)).transpose(0, 1)
        )  # [N, J, M / N]
        tree = SliceTree()
        for blocks, sums in zip(layout, received, strict=True):
            for (first, count), numbers in zip(blocks, sums, strict=False):
                tree.push(SummedSlices(first, count, [numbers]))
        (total,) = tree.total()
        return torch.cat(self.world.gather(total))[:length]


def _are_siblings(left: SummedSlices, right: SummedSlices) -> bool:
    return left.count == right.count and left.first % (2 * left.count) == 0


def _added(left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
    """Their sums, in the memory of the left ones."""
    if left:
        torch._foreach_add_(left, right)
    return left


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbouring tensors of no more than `BUCKET` numbers together, or a single larger one."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(map(Tensor.numel, bucket)) + tensor.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    yield bucket


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _copy_flat(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Fills tensors from what `_flat` has made of such."""
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))
