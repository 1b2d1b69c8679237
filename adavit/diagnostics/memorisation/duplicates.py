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
from adavit.metrics import as_rgb
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
READ_ROWS = 512
TILE_ROWS = 512
"""Images on either side of a matrix product of pixels."""

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
    groups: dict[bytes, list[int]] = {}
    thumbnails, contrasts = [], []
    for start in range(0, len(images), READ_ROWS):
        seen = visible(images[start : start + READ_ROWS])
        for offset, image in enumerate(seen):
            groups.setdefault(_digest(image, mirror), []).append(start + offset)
        pixels = seen.float()
        # Blocks of equal sizes, without which the bound would not hold.
        rows, columns = (math.gcd(THUMBNAIL_SIDE, side) for side in pixels.shape[2:])
        thumbnails.append(F.adaptive_avg_pool2d(pixels, (rows, columns)))
        contrasts.append(pixels.var((2, 3), correction=0).mean(1))
    unique = torch.tensor([group[0] for group in groups.values()])
    thumbnail, contrast = torch.cat(thumbnails)[unique], torch.cat(contrasts)[unique]
    near = _NearPairs()
    for start in range(0, len(unique), BLOCK_ROWS):
        for mirrored in (False, True) if mirror else (False,):
            _look_in_block(images, unique, thumbnail, contrast, start, mirrored, near)
        if progress is not None:
            progress(min(start + BLOCK_ROWS, len(unique)))
    return Duplicates(
        [group for group in groups.values() if len(group) > 1], near.closest, near.count
    )


def visible(images: np.ndarray) -> Tensor:
    """Pixels as they are compared: uint8 [B, C, H, W], C in 1, 3; RGBA on black."""
    pixels = torch.from_numpy(np.array(images))
    return as_rgb(pixels) if pixels.shape[1] == 4 else pixels


def _digest(image: Tensor, mirror: bool) -> bytes:
    digest = image_digest(image.numpy())
    if mirror:  # an image and its flip have one digest
        return min(digest, image_digest(image.flip(-1).numpy()))
    return digest


def _look_in_block(
    images: np.ndarray,
    unique: Tensor,
    thumbnail: Tensor,
    contrast: Tensor,
    start: int,
    mirrored: bool,
    near: _NearPairs,
) -> None:
    """Adds the near pairs of a block of images with all later ones."""
    block = slice(start, start + BLOCK_ROWS)
    centred = (thumbnail - 127.5).flatten(1)
    others = (thumbnail.flip(-1) - 127.5).flatten(1) if mirrored else centred
    for first in range(start, len(unique), BLOCK_ROWS):
        against = slice(first, first + BLOCK_ROWS)
        bound = squared_distances(centred[block], others[against]) / centred.shape[1]
        limit = _threshold(contrast[block, None], contrast[None, against])
        # Half a level for the rounding of the product; the differences decide below.
        possible = bound.clamp_(min=0).sqrt_() <= limit + 0.5
        if first == start:
            possible.triu_(diagonal=1)
        for a, b in _tiles(possible, min(TILE_ROWS, block_rows(int(np.prod(images.shape[1:]))))):
            one, other = (visible(images[unique[rows].numpy()]) for rows in (a + start, b + first))
            other = other.flip(-1) if mirrored else other
            # Squares of whole numbers, whose sums float64 holds without rounding: no difference of near copies is lost.
            squared = squared_distances(one.flatten(1).double(), other.flatten(1).double())
            levels = (squared / one[0].numel()).sqrt()
            close = possible[a[:, None], b] & (levels <= limit[a[:, None], b])
            i, j = close.nonzero(as_tuple=True)
            near.add(unique[a[i] + start], unique[b[j] + first], mirrored, levels[close])


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
