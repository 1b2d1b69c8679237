"""Images that a set holds twice: exact copies, and pairs that differ by less than a stated threshold.

A copy weighs double in training, and one on either side of the split makes held-out images look memorised.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.data.digests import image_digest
from adavit.diagnostics.memorisation.chosen_images import ChosenImages, visible
from adavit.metrics.neighbours import (
    BLOCK_ROWS,
    Progress,
    block_rows,
    squared_distances,
)

CONTRAST_SHARE = 0.2
"""Near-duplicates differ by at most this share of their contrast (a correlation of about 0.98)..."""

LEVELS = 1.0
"""...or by this many grey levels, which is all there is between two blank images."""

THRESHOLD = (
    f"root mean square difference of at most {CONTRAST_SHARE} of the pair's contrast (the standard"
    f" deviation of its pixel values), or {LEVELS:g} grey level"
)
THUMBNAIL_SIDE = 8
MOST_ROWS = 512
"""Images that are read at once, and stand on either side of a matrix product; fewer of large ones."""

LISTED = 200


@dataclass(frozen=True)
class NearPair:
    """Two different images that look the same.

    Attributes:
        first: Index of one.
        second: Index of the other, larger.
        mirrored: Whether the second is like the first flipped left and right.
        difference: Root mean square, in grey levels.
    """

    first: int
    second: int
    mirrored: bool
    difference: float


@dataclass(frozen=True)
class Duplicates:
    """The copies found in a set.

    Attributes:
        exact: Groups of indices whose pixels are equal (flipped, where flips count), ascending.
        near: The closest `LISTED` pairs within the threshold, the closest first. Of a group of exact copies
            only the first image takes part.
        near_pairs: How many pairs are within it.
    """

    exact: list[list[int]]
    near: list[NearPair]
    near_pairs: int

    @property
    def copies(self) -> set[int]:
        """Indices of images that are exact copies of an earlier one."""
        return {index for group in self.exact for index in group[1:]}

    def copies_of(self, indices: np.ndarray) -> np.ndarray:
        """Indices of images that are exact copies of some, these among them, ascending."""
        some = set(indices.tolist())
        groups = [group for group in self.exact if not some.isdisjoint(group)]
        return np.array(sorted(some.union(*groups)), dtype=np.int64)

    def as_record(self, names: list[str] | None) -> dict[str, Any]:
        """For JSON: counts, the groups and the closest `LISTED` pairs; by name where there are names."""
        label = (lambda index: index) if names is None else names.__getitem__
        return {
            "threshold": THRESHOLD,
            "exact_copies": sum(len(group) - 1 for group in self.exact),
            "near_pairs": self.near_pairs,
            "exact_groups": [[label(index) for index in group] for group in self.exact[:LISTED]],
            "closest_near_pairs": [
                {
                    "first": label(pair.first),
                    "second": label(pair.second),
                    "mirrored": pair.mirrored,
                    "difference_levels": round(pair.difference, 3),
                }
                for pair in self.near
            ],
        }


class _NearPairs:
    """A count of near pairs, and the closest of them: among frames of a film nearly every pair is one."""

    def __init__(self) -> None:
        self.count = 0
        self.closest: list[NearPair] = []

    def add(self, first: Tensor, second: Tensor, mirrored: bool, levels: Tensor) -> None:
        """Takes pairs in: indices [N] of both sides, and their differences [N]."""
        self.count += len(levels)
        order = np.lexsort((second, first, levels))[:LISTED]
        pairs = [NearPair(int(first[i]), int(second[i]), mirrored, float(levels[i])) for i in order]
        self.closest = sorted(
            self.closest + pairs, key=lambda pair: (pair.difference, pair.first, pair.second)
        )[:LISTED]


def find_duplicates(
    images: np.ndarray, *, mirror: bool, progress: Progress | None = None
) -> Duplicates:
    """Looks for copies among all images of a set.

    The mean of squares is at least the square of the mean, so two images differ by no less than their
    averages over blocks of pixels do: thumbnails rule out nearly all pairs without any being missed.

    Args:
        images: uint8 [N, C, H, W]; RGBA is seen on black.
        mirror: Also compare with flipped images, as where training flips.
        progress: Called with the number of images done.

    Returns:
        Exact and near copies.
    """
    every = ChosenImages.of(images)
    rows = min(MOST_ROWS, block_rows(int(np.prod(images.shape[1:]))))
    groups: dict[bytes, list[int]] = {}
    thumbnails, contrasts = [], []
    for start in range(0, len(every), rows):
        seen = visible(every[start : start + rows])
        for offset, image in enumerate(seen):
            digest = image_digest(image.numpy(), mirror=mirror)
            groups.setdefault(digest, []).append(start + offset)
        pixels = seen.float()
        # Blocks of equal sizes, without which the bound would not hold.
        height, width = (math.gcd(THUMBNAIL_SIDE, side) for side in pixels.shape[2:])
        thumbnails.append(F.adaptive_avg_pool2d(pixels, (height, width)))
        contrasts.append(pixels.var((2, 3), correction=0).mean(1))
    # Ascending: groups stand in the order of their first images.
    different = np.array([group[0] for group in groups.values()])
    search = _Search(
        ChosenImages.of(images, different),
        rows,
        torch.cat(thumbnails)[different],
        torch.cat(contrasts)[different],
        _NearPairs(),
    )
    for start in range(0, len(different), BLOCK_ROWS):
        for mirrored in (False, True) if mirror else (False,):
            search.look_in_block(start, mirrored)
        if progress is not None:
            progress(min(start + BLOCK_ROWS, len(different)))
    exact = [group for group in groups.values() if len(group) > 1]
    return Duplicates(exact, search.near.closest, search.near.count)


@dataclass(frozen=True)
class _Search:
    """For near pairs, among images of which no two are equal.

    Attributes:
        images: The N images.
        rows: How many of them are read at once.
        thumbnails: [N, C, h, w].
        contrasts: Variances [N].
        near: What has been found.
    """

    images: ChosenImages
    rows: int
    thumbnails: Tensor
    contrasts: Tensor
    near: _NearPairs

    def look_in_block(self, start: int, mirrored: bool) -> None:
        """Compares a block of images with all later ones, as those are; or flipped, for pairs that are near only so."""
        block = slice(start, start + BLOCK_ROWS)
        centred = self.thumbnails - 127.5
        others = (centred.flip(-1) if mirrored else centred).flatten(1)
        of_block = centred[block].flatten(1)
        for first in range(start, len(self.images), BLOCK_ROWS):
            against = slice(first, first + BLOCK_ROWS)
            bound = squared_distances(of_block, others[against]) / others.shape[1]
            limits = _threshold(self.contrasts[block, None], self.contrasts[None, against])
            # Half a level for the rounding of the product; the differences decide.
            possible = bound.clamp_(min=0).sqrt_() <= limits + 0.5
            if first == start:
                possible.triu_(diagonal=1)
            for a, b in _tiles(possible, self.rows):
                levels = self._differences(a + start, b + first, mirrored)
                close = possible[a[:, None], b] & (levels <= limits[a[:, None], b])
                if mirrored and close.any():  # a pair that is near as it is has been counted
                    as_they_are = self._differences(a + start, b + first, False)
                    close &= as_they_are > limits[a[:, None], b]
                i, j = close.nonzero(as_tuple=True)
                indices = self.images.indices
                self.near.add(indices[a[i] + start], indices[b[j] + first], mirrored, levels[close])

    def _differences(self, a: Tensor, b: Tensor, mirrored: bool) -> Tensor:
        """Root mean square differences [A, B], float64, of images in rows a [A] and b [B]."""
        first, second = visible(self.images[a]), visible(self.images[b])
        second = second.flip(-1) if mirrored else second
        # Of whole numbers float64 sums the squares exactly, so the product loses nothing of near copies.
        squared = squared_distances(first.flatten(1).double(), second.flatten(1).double())
        return (squared / first[0].numel()).sqrt()


def _tiles(marked: Tensor, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns, so many at most, that hold all that is marked [A, B]; those without a mark are left out."""
    if not marked.any():
        return
    for a in marked.any(1).nonzero()[:, 0].split(rows):
        for b in marked[a].any(0).nonzero()[:, 0].split(rows):
            yield a, b


def _threshold(first: Tensor, second: Tensor) -> Tensor:
    """Largest difference of near-duplicates in grey levels, from the variances of two images."""
    return (CONTRAST_SHARE * ((first + second) / 2).sqrt()).clamp(min=LEVELS)
