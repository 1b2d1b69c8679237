"""The processes that make one run together, and what they tell each other.

Every process makes the same decisions from the same numbers. What one of them computed of its part of a batch reaches
all of them by `World.gather`, in the order of ranks, so that sums can be taken in one order whatever their number.
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from adavit.runtime.device_failure import is_device_failure
from adavit.runtime.exhaustion import is_out_of_memory


class OutOfReach(Exception):
    """Another process did not take part in what all do together; `adavit.runtime.peers` finds out why."""


P = ParamSpec("P")
T = TypeVar("T")


def _with_others(told: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(told)
    def reached(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return told(*arguments, **named)
        except RuntimeError as error:
            if is_out_of_memory(error) or is_device_failure(error):
                raise  # what happened here, which the others are told
            raise OutOfReach(str(error)) from error

    return reached


class World(Protocol):
    """Interface of what a process knows of the others.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    rank: int
    size: int

    def gather(self, value: Tensor) -> list[Tensor]:
        """Tensors of one shape and type, one of each process, in the order of ranks; the same on all of them."""
        ...

    def exchange(self, value: Tensor) -> Tensor:
        """Sends row r of a tensor [N, ...] to process r.

        Returns:
            [N, ...], whose row r is what process r has sent here.
        """
        ...

    def add(self, value: Tensor) -> Tensor:
        """The sum over processes, in whatever order is fastest: the last bits depend on their number."""
        ...

    def tell(self, value: Any) -> Any:
        """What rank 0 gives, as JSON holds it, on every process; what others give is not looked at."""
        ...

    def wait(self) -> None:
        """Until every process has come here."""
        ...


class Alone:
    """A world of one process."""

    rank = 0
    size = 1

    def gather(self, value: Tensor) -> list[Tensor]:
        """See `World`."""
        return [value]

    def exchange(self, value: Tensor) -> Tensor:
        """See `World`."""
        return value

    def add(self, value: Tensor) -> Tensor:
        """See `World`."""
        return value

    def tell(self, value: Any) -> Any:
        """See `World`."""
        return value

    def wait(self) -> None:
        """See `World`."""


ALONE: World = Alone()


class Together:
    """The processes of torch.distributed's default group, which must be initialised.

    Tensors on a CPU need a backend for CPUs (gloo) in the group, those on CUDA one for that (nccl).
    """

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    @_with_others
    def gather(self, value: Tensor) -> list[Tensor]:
        """See `World`."""
        value = value.detach().contiguous()
        # One type and one shape serve both backends: gloo gathers no bool.
        flat = value.reshape(-1).view(torch.uint8)
        everyone = [torch.empty_like(flat) for _ in range(self.size)]
        dist.all_gather(everyone, flat)
        return [each.view(value.dtype).reshape(value.shape) for each in everyone]

    @_with_others
    def exchange(self, value: Tensor) -> Tensor:
        """See `World`."""
        value = value.detach().contiguous()
        received = torch.empty_like(value)
        dist.all_to_all_single(received, value)
        return received

    @_with_others
    def add(self, value: Tensor) -> Tensor:
        """See `World`."""
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @_with_others
    def tell(self, value: Any) -> Any:
        """See `World`."""
        text = torch.frombuffer(
            bytearray(json.dumps(value).encode() if self.rank == 0 else b" "), dtype=torch.uint8
        )
        length = torch.tensor(len(text))
        dist.broadcast(length, src=0)
        if self.rank:
            text = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(text, src=0)
        return json.loads(bytes(text.tolist()))

    @_with_others
    def wait(self) -> None:
        """See `World`."""
        dist.all_reduce(torch.zeros(1))  # on the CPU: a barrier would choose a device by itself


def rows_of_all(world: World, rows: Tensor) -> list[Tensor]:
    """Tensors [n, ...] of every process in the order of ranks, on all of them; n may differ."""
    if world.size == 1:
        return [rows]
    lengths = [int(each) for each in world.gather(torch.tensor(len(rows)))]
    padded = rows.new_zeros(max(lengths), *rows.shape[1:])  # messages have one shape
    padded[: len(rows)] = rows
    parts = zip(world.gather(padded), lengths, strict=True)
    return [told[:length] for told, length in parts]


def joined(world: World, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors [n, ...] of every process as one each [N n, ...], rank 0's rows first, all told in one message.

    Args:
        world: The processes.
        tensors: Of any types; each has the same type and shape on all processes.
    """
    if world.size == 1:
        return list(tensors)
    # As bytes, which have one type.
    rows = [
        tensor.detach().reshape(len(tensor), -1).contiguous().view(torch.uint8)
        for tensor in tensors
    ]
    told = torch.cat(world.gather(torch.cat(rows, dim=1)))
    parts = told.split([row.shape[1] for row in rows], dim=1)
    return [
        # A copy begins where its type may begin.
        part.clone(memory_format=torch.contiguous_format)
        .view(tensor.dtype)
        .reshape(-1, *tensor.shape[1:])
        for part, tensor in zip(parts, tensors, strict=True)
    ]
