"""How many images of a batch a statistic over groups is taken of; without torch, as settings are checked by it too."""


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
