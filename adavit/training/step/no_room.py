"""Want of memory while a step is computed: what is left of such a step, which is nothing."""

from collections.abc import Callable
from typing import TypeVar

from adavit.runtime.exhaustion import is_out_of_memory

Result = TypeVar("Result")


class NoRoom(MemoryError):
    """Memory ran out before anything was applied: weights, moments, averages and statistics are as before the step."""


def with_room(compute: Callable[[], Result]) -> Result:
    """Calls what computes and applies nothing.

    Args:
        compute: Called without arguments.

    Raises:
        NoRoom: If memory runs out in it. What it held is free by then.
    """
    try:
        return compute()
    except (MemoryError, RuntimeError, SystemError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside, where the error and the frames that it holds are gone.
    raise NoRoom("a step found no room")
