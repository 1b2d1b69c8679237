"""Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3): lets a discriminator see variety."""

from torch import Tensor

from adavit.runtime.precision import full_precision


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


def minibatch_std(features: Tensor, group: int) -> Tensor:
    """Standard deviation over a group of samples, averaged over all features: one number for each sample.

    The group has the largest size that divides the batch and is not above `group`; sample i is in
    the group i mod (B / size). In a group of one the deviation is the constant 1e-4.

    Args:
        features: Features [B, ...], any number of further axes.
        group: Wanted group size, >= 1.

    Returns:
        Mean over features of sqrt(biased variance over the group + 1e-8), [B], >= 1e-4, float32.
    """
    batch = features.shape[0]
    size = group_size(batch, group)
    grouped = full_precision(features).reshape(size, batch // size, -1)  # [G, B / G, F]
    centred = grouped - grouped.mean(dim=0)
    deviation = (centred.square().mean(dim=0) + 1e-8).sqrt().mean(dim=1)  # [B / G]
    return deviation.repeat(size)
