"""Distances between sets of vectors, block by block: for metrics that count neighbours, and nearest neighbours.

The distance of near-duplicates is lost in float32 when it is taken from scalar products, and those are the ones that a
small set has to tell apart. Metrics compute in float64; `nearest` finds candidates in float32 and takes their distances
anew from the differences.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from adavit.errors import UserError

BLOCK_ELEMENTS = 1 << 25  # 256 MB: 50,000 by 10,000 distances would take 4 GB at once

BLOCK_VALUES = 1 << 25
"""Numbers of a block of vectors in float32: 128 MiB."""

BLOCK_ROWS = 4096

FEW = 8
"""Candidates for the nearest vector."""

ROUNDING_FLOAT32 = 1e-2
"""Of a squared distance by scalar products in float32, as a part of |q|^2 and of itself. The most that was found is
.004, of one query of 1024 px, which is summed number by number; .0003 at 256 px, .00001 of eight queries."""

ROUNDING = 64 * torch.finfo(torch.float64).eps
"""Of a squared distance by scalar products in float64, as a part of |a|^2 + |b|^2."""

Progress = Callable[[int], None]


def squared_distance_blocks(a: Tensor, b: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Squared Euclidean distances, some rows at a time.

    Args:
        a: Features [N, F], floating point. Not modified.
        b: Features [M, F] on the same device. Not modified.

    Yields:
        The first row's number, and distances [rows, M], float64, >= 0.
    """
    columns = b.double()
    norms = columns.square().sum(dim=1)
    rows = max(1, BLOCK_ELEMENTS // max(1, len(b)))
    for start in range(0, len(a), rows):
        distances = squared_distances(a[start : start + rows].double(), columns, norms)
        yield start, distances.clamp_(min=0)


def inside_blocks(a: Tensor, centres: Tensor, radii: Tensor) -> Iterator[Tensor]:
    """Which features lie in which balls, some rows at a time; the edge of a ball is inside, whatever is rounded.

    Args:
        a: Features [N, F], floating point. Not modified.
        centres: Features [M, F] on the same device. Not modified.
        radii: Squared radii [M], float64, of `squared_radii`.

    Yields:
        Booleans [rows, M].
    """
    edges = radii + ROUNDING * centres.double().square().sum(dim=1)
    for start, distances in squared_distance_blocks(a, centres):
        norms = a[start : start + len(distances)].double().square().sum(dim=1)
        yield distances.sub_(edges) <= ROUNDING * norms[:, None]


def squared_distances(first: Tensor, second: Tensor, norms: Tensor | None = None) -> Tensor:
    """|a|^2 - 2 a.b + |b|^2 of vectors [A, D] and [B, D]: [A, B] in their type; rounding may leave some below 0.

    Args:
        first: One side.
        second: The other.
        norms: Squared lengths of `second` [B], where they are known already.
    """
    of_second = second.square().sum(dim=1) if norms is None else norms
    both = first.square().sum(dim=1, keepdim=True) + of_second
    return torch.addmm(both, first, second.T, alpha=-2)


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
            f"neighbourhoods of {k} images need at least {k + 1} {side}, but there are only {count}."
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


class Vectors(Protocol):
    """Vectors [N, D] of which some are asked for at a time: a tensor, or what reads them from elsewhere."""

    @property
    def shape(self) -> Sequence[int]:
        """N and D."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Tensor: ...


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
    queries: Vectors,
    references: Vectors,
    *,
    query_owners: Tensor | None = None,
    reference_owners: Tensor | None = None,
    progress: Progress | None = None,
) -> Nearest:
    """Nearest reference of each query.

    Neighbours are found from |q|^2 - 2 q.r + |r|^2 in float32 about the mean of the references, as
    fast as a matrix product. The distances to the `FEW` nearest, as far as rounding may have exchanged them, are then
    taken anew from the differences, and the nearest of these is named; so equal vectors are at exactly 0, unless more
    than `FEW` references are alike within that rounding (neighbouring frames of a film): then one of these is named.

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
    centre = references[:].double().mean(0).float() if references.dtype != torch.uint8 else 127.5
    rows = block_rows(queries.shape[1])
    distances = torch.zeros(len(queries), dtype=torch.float64)
    indices = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows].float() - centre
        part = slice(start, start + len(block))
        values, places = torch.empty(len(block), 0), torch.empty(len(block), 0, dtype=torch.int64)
        for first in range(0, len(references), rows):
            others = references[first : first + rows].float() - centre
            squared = squared_distances(block, others)
            if query_owners is not None and reference_owners is not None:
                own = query_owners[part, None] == reference_owners[None, first : first + rows]
                squared.masked_fill_(own, torch.inf)
            newest = squared.topk(min(FEW, len(others)), dim=1, largest=False)
            values = torch.cat([values, newest.values], dim=1)
            places = torch.cat([places, newest.indices + first], dim=1)
            values, kept = values.topk(min(FEW, values.shape[1]), dim=1, largest=False)
            places = places.gather(1, kept)
        if torch.isinf(values[:, 0]).any():
            raise ValueError("A query has no reference but its own. Give at least two owners.")
        limits = values[:, 0] + ROUNDING_FLOAT32 * (block.square().sum(dim=1) + values[:, 0])
        found = _measured(queries[part], references, places, values <= limits[:, None])
        distances[part], indices[part] = found.distances, found.indices
        if progress is not None:
            progress(min(start + rows, len(queries)))
    return Nearest(distances, indices)


def _measured(queries: Tensor, references: Vectors, places: Tensor, chosen: Tensor) -> Nearest:
    """The nearest of some references of each query, from the differences; of equal ones the first.

    Args:
        queries: [Q, D].
        references: [R, D].
        places: Into the references, int64 [Q, K].
        chosen: Which of them may be the nearest, bool [Q, K].
    """
    places, order = places.sort(dim=1)
    chosen = chosen.gather(1, order)
    distances = torch.full(places.shape, torch.inf, dtype=torch.float64)
    for column, (of_queries, to) in enumerate(zip(chosen.T, places.T, strict=True)):
        rows = of_queries.nonzero()[:, 0]
        distances[rows, column] = pair_distances(queries[rows], references, to[rows])
    ranks = distances.sort(dim=1, stable=True).indices[:, :1]
    return Nearest(distances.gather(1, ranks)[:, 0], places.gather(1, ranks)[:, 0])


def block_rows(dimensions: int) -> int:
    """Rows of a block of vectors."""
    return max(1, min(BLOCK_ROWS, BLOCK_VALUES // dimensions))


def pair_distances(first: Tensor, second: Vectors, chosen: Tensor) -> Tensor:
    """Euclidean distance of each row of `first` [Q, D] to `second[chosen]`, float64 [Q]."""
    rows = block_rows(first.shape[1])
    parts = []
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        difference = first[part].double() - second[chosen[part]].double()
        parts.append(difference.square().sum(1).sqrt())
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
