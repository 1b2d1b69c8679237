"""How many images of a batch are a group, or a part of it; without torch, as settings are checked by it too."""

import math


def group_size(batch: int, largest: int) -> int:
    """The largest divisor of the batch size that is not above a limit.

    Args:
        batch: Batch size, >= 1.
        largest: Wanted group size, >= 1.

    Returns:
        Group size, >= 1: `largest` where it divides the batch, 1 for one image (and for a prime
        batch above `largest`).
    """
    return max(size for size in range(1, min(batch, largest) + 1) if batch % size == 0)


def images_of_part(part: float, batch: int) -> int:
    """How many images a part of a batch is, rounded up, >= 1.

    Args:
        part: In (0, 1]: 0.55 of 100 are 55 images, though as floats their product is above that by its last bit.
        batch: Batch size, >= 1.
    """
    return max(1, math.ceil(part * batch - 1e-9))
