"""Want of memory while a step is computed: what is left of such a step, which is nothing."""

import gc
from collections.abc import Callable
from typing import TypeVar

from adavit.runtime.exhaustion import is_out_of_memory

Result = TypeVar("Result")


_SIGN_OF_ONEDNN = "could not create a primitive"


class StepOutOfMemory(MemoryError):
    """Memory ran out before anything was applied: weights, moments, averages and statistics are as before the step.

    Attributes:
        lasting: Whether this thread calculates no more, however much is free: where oneDNN, which calculates on CPUs,
            has found no room for the code of a kernel, it takes every later one for failed too.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        super().__init__("a step found no room")
        self.lasting = lasting


def with_room(compute: Callable[[], Result]) -> Result:
    """Calls what computes and applies nothing.

    Args:
        compute: Called without arguments.

    Raises:
        StepOutOfMemory: If memory runs out in it. What it held is free by then.
    """
    try:
        return compute()
    except (MemoryError, RuntimeError, SystemError) as error:
        if not is_out_of_memory(error):
            raise
        lasting = _SIGN_OF_ONEDNN in str(error)
    # Outside, where the error and the frames that it holds are gone; graphs hold each other in circles.
    gc.collect()
    raise StepOutOfMemory(lasting=lasting)
