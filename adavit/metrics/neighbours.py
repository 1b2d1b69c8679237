"""Distances between sets of features, block by block, for the metrics that count neighbours.

In float64: the distance of near-duplicates is lost in float32 when it is taken from scalar
products, and those are the ones that a small set has to tell apart.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from adavit.errors import UserError

BLOCK_ELEMENTS = 1 << 25  # 256 MB: 50,000 by 10,000 distances would take 4 GB at once


def squared_distance_blocks(a: Tensor, b: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Squared Euclidean distances, some rows at a time.

    Args:
        a: Features [N, F], floating point. Not modified.
        b: Features [M, F] on the same device. Not modified.

    Yields:
        The first row's number, and distances [rows, M], float64, >= 0.
    """
    columns = b.double()
    column_norms = columns.square().sum(dim=1)
    rows = max(1, BLOCK_ELEMENTS // max(1, len(b)))
    for start in range(0, len(a), rows):
        block = a[start : start + rows].double()
        norms = block.square().sum(dim=1, keepdim=True)
        distances = torch.addmm(norms + column_norms, block, columns.T, alpha=-2)
        yield start, distances.clamp_(min=0)


def check_neighbours(count: int, k: int, side: str) -> None:
    """Refuses fewer images than have a k-th neighbour.

    Args:
        count: Images.
        k: Which neighbour.
        side: What they are, for the message.

    Raises:
        UserError: If `count` <= `k`.
    """
    if count <= k:
        raise UserError(
            f"there are {count} {side}, but neighbourhoods of {k} images need at least {k + 1}."
            " Give more images, or leave precision, recall, density and coverage out."
        )


def squared_radii(features: Tensor, k: int, side: str) -> Tensor:
    """Squared distance of each feature to its k-th nearest neighbour among the others.

    Args:
        features: Features [N, F], floating point, N > k. Not modified.
        k: Which neighbour, >= 1.
        side: What the features are of, for error messages.

    Returns:
        Squared radii [N], float64.

    Raises:
        UserError: If N <= k.
    """
    check_neighbours(len(features), k, side)
    radii = []
    for start, distances in squared_distance_blocks(features, features):
        own = torch.arange(len(distances), device=distances.device)
        distances[own, start + own] = 0  # exactly; rounding would leave 1e-13
        radii.append(distances.kthvalue(k + 1, dim=1).values)
    return torch.cat(radii)
