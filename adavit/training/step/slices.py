"""The slices of a batch: what is computed at a time, and by which of the processes of a run."""

from dataclasses import dataclass
from typing import Self

from adavit.errors import UserError
from adavit.runtime.wording import counted
from adavit.runtime.world import World


@dataclass(frozen=True)
class Slices:
    """The slices of a batch, and those of them that one process computes.

    They are numbered in the order of the batch's images. Each draws its random numbers for itself and is computed by
    itself, so whatever is computed of it does not depend on the process (but on a CPU on its number of threads).

    Attributes:
        size: Images of a slice.
        count: Slices of the whole batch.
        own: Numbers of those that this process computes; the processes have equally many, in the order of ranks.
    """

    size: int
    count: int
    own: range

    @classmethod
    def of(cls, batch: int, microbatch: int | None, world: World) -> Self:
        """The slices of a batch.

        Args:
            batch: Images of all processes.
            microbatch: Images of a slice; None for one slice.
            world: The processes.

        Raises:
            UserError: If the processes cannot share them evenly.
            ValueError: If slices cannot be of one size.
        """
        size = microbatch or batch
        count, rest = divmod(batch, size)
        if rest:
            raise ValueError(
                f"batch is {batch}, but must be a multiple of the microbatch ({size}). Use one that divides it."
            )
        if count % world.size:
            raise UserError(
                f"training.batch is {batch} and training.microbatch {size}, which makes"
                f" {counted(count, 'slice', 'slices')}, but {world.size} processes compute equally many each."
                f" Use {_sharing(count)}, or {_shareable(batch, world.size)}."
            )
        each = count // world.size
        return cls(size, count, range(world.rank * each, (world.rank + 1) * each))

    def of_rank(self, rank: int) -> range:
        """Numbers of the slices that a process computes."""
        each = len(self.own)
        return range(rank * each, (rank + 1) * each)

    @property
    def images(self) -> range:
        """Places in the batch of the images that this process computes."""
        return range(self.own.start * self.size, self.own.stop * self.size)


def _sharing(count: int) -> str:
    """Numbers of processes that share so many slices evenly, in words."""
    *others, last = [number for number in range(1, count + 1) if count % number == 0]
    listed = f"{', '.join(map(str, others))} or {last}" if others else f"{last}"
    return f"{listed} {'processes' if others else 'process'}"


def _shareable(batch: int, processes: int) -> str:
    if batch % processes:
        return f"a training.batch that {processes} divides"
    return f"a training.microbatch that divides {batch // processes}"
