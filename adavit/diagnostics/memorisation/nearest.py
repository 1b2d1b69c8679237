"""Nearest neighbours by brute force: exact, in blocks that fit in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_VALUES = 1 << 25
"""Numbers of a block of vectors in float32: 128 MiB."""

BLOCK_ROWS = 4096

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Nearest:
    """The nearest reference of each query.

    Attributes:
        distances: Euclidean, float64 [Q].
        indices: Into the references, int64 [Q].
    """

    distances: Tensor
    indices: Tensor


def nearest(
    queries: Tensor,
    references: Tensor,
    *,
    query_owners: Tensor | None = None,
    reference_owners: Tensor | None = None,
    progress: Progress | None = None,
) -> Nearest:
    """Nearest reference of each query.

    Neighbours are found from |q|^2 - 2 q.r + |r|^2 in float32 about the mean of the references, as
    fast as a matrix product; the distance to each is then taken anew from the differences, so that
    equal vectors are at exactly 0. Which one of two neighbours is named may be decided by rounding where
    their distances agree to about 6 digits.

    Args:
        queries: [Q, D], any type; converted block by block.
        references: [R, D], R >= 1.
        query_owners: int64 [Q]; with `reference_owners` [R]: a query does not see the references of
            its own owner, which leaves one out.
        reference_owners: See above.
        progress: Called with the number of queries done.

    Returns:
        Distances and indices.

    Raises:
        ValueError: If a query sees no reference at all.
    """
    centre = references.double().mean(0).float() if references.dtype != torch.uint8 else 127.5
    rows = block_rows(queries.shape[1])
    best = torch.full((len(queries),), torch.inf)
    indices = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows].float() - centre
        part = slice(start, start + len(block))
        for first in range(0, len(references), rows):
            others = references[first : first + rows].float() - centre
            squared = squared_distances(block, others)
            if query_owners is not None and reference_owners is not None:
                own = query_owners[part, None] == reference_owners[None, first : first + rows]
                squared.masked_fill_(own, torch.inf)
            values, positions = squared.min(1)
            closer = values < best[part]
            best[part] = torch.where(closer, values, best[part])
            indices[part] = torch.where(closer, positions + first, indices[part])
        if progress is not None:
            progress(min(start + rows, len(queries)))
    if torch.isinf(best).any():
        raise ValueError("A query has no reference but its own. Give at least two owners.")
    return Nearest(pair_distances(queries, references, indices), indices)


def block_rows(dimensions: int) -> int:
    """Rows of a block of vectors."""
    return max(1, min(BLOCK_ROWS, BLOCK_VALUES // dimensions))


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances [A, B], float32, of vectors [A, D] and [B, D]; rounding may leave them below 0."""
    norms = first.square().sum(1)[:, None] + second.square().sum(1)[None]
    return torch.addmm(norms, first, second.T, alpha=-2)


def pair_distances(first: Tensor, second: Tensor, chosen: Tensor) -> Tensor:
    """Euclidean distance of each row of `first` [Q, D] to `second[chosen]`, float64 [Q]."""
    rows = block_rows(first.shape[1])
    parts = []
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        difference = first[part].double() - second[chosen[part]].double()
        parts.append(difference.square().sum(1).sqrt())
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
