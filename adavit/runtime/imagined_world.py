"""A world of processes that are not there: what a step of one of them takes, and tells, without the others."""

from typing import Any

from torch import Tensor


class ImaginedWorld:
    """Processes of which each says what this one says; counts what is told.

    Attributes:
        messages: How many.
        sent: Bytes that this process sends; it receives as many.

    Args:
        size: Number of processes.
        rank: Of this one.
    """

    def __init__(self, size: int, rank: int = 0) -> None:
        self.size, self.rank = size, rank
        self.messages, self.sent = 0, 0.0

    def _count(self, value: Tensor, times: float) -> None:
        self.messages += 1
        self.sent += times * value.nbytes

    def gather(self, value: Tensor) -> list[Tensor]:
        """See `World`; each is passed on around the ring."""
        self._count(value, self.size - 1)
        return [value] * self.size

    def exchange(self, value: Tensor) -> Tensor:
        """See `World`."""
        self._count(value, (self.size - 1) / self.size)
        return value

    def add(self, value: Tensor) -> Tensor:
        """See `World`; in a ring each part goes around twice."""
        self._count(value, 2 * (self.size - 1) / self.size)
        return value * self.size

    def tell(self, value: Any) -> Any:
        """See `World`."""
        return value

    def wait(self) -> None:
        """See `World`."""
