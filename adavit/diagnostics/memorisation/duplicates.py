"""Images that a set holds twice: exact copies, and pairs that differ by less than a stated threshold.

A copy weighs double in training, and one on either side of the split makes held-out images look memorised.
"""

import math
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
        near: Pairs within the threshold, the closest first. Of a group of exact copies only the
            first image takes part.
    """

    exact: list[list[int]]
    near: list[NearPair]

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
            "near_pairs": len(self.near),
            "exact_groups": [[label(index) for index in group] for group in self.exact[:LISTED]],
            "closest_near_pairs": [
                {
                    "first": label(pair.first),
                    "second": label(pair.second),
                    "mirrored": pair.mirrored,
                    "difference_levels": round(pair.difference, 3),
                }
                for pair in self.near[:LISTED]
            ],
        }


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
    near: list[NearPair] = []
    for start in range(0, len(unique), BLOCK_ROWS):
        for mirrored in (False, True) if mirror else (False,):
            near += _near_of_block(images, unique, thumbnail, contrast, start, mirrored)
        if progress is not None:
            progress(min(start + BLOCK_ROWS, len(unique)))
    near.sort(key=lambda pair: (pair.difference, pair.first, pair.second))
    return Duplicates([group for group in groups.values() if len(group) > 1], near)


def visible(images: np.ndarray) -> Tensor:
    """Pixels as they are compared: uint8 [B, C, H, W], C in 1, 3; RGBA on black."""
    pixels = torch.from_numpy(np.array(images))
    return as_rgb(pixels) if pixels.shape[1] == 4 else pixels


def _digest(image: Tensor, mirror: bool) -> bytes:
    digest = image_digest(image.numpy())
    if mirror:  # an image and its flip have one digest
        return min(digest, image_digest(image.flip(-1).numpy()))
    return digest


def _near_of_block(
    images: np.ndarray,
    unique: Tensor,
    thumbnail: Tensor,
    contrast: Tensor,
    start: int,
    mirrored: bool,
) -> list[NearPair]:
    """Near pairs of a block of images with all later ones."""
    centred = (thumbnail - 127.5).flatten(1)
    block = (thumbnail[start : start + BLOCK_ROWS] - 127.5).flatten(1)
    others = (thumbnail.flip(-1) - 127.5).flatten(1) if mirrored else centred
    found = []
    for first in range(start, len(unique), BLOCK_ROWS):
        bound = squared_distances(block, others[first : first + BLOCK_ROWS]) / block.shape[1]
        limit = _threshold(
            contrast[start : start + BLOCK_ROWS, None], contrast[None, first : first + BLOCK_ROWS]
        )
        # Half a level for the rounding of the product; the differences decide below.
        a, b = (bound.clamp(min=0).sqrt() <= limit + 0.5).nonzero(as_tuple=True)
        a, b = a + start, b + first
        a, b = a[a < b], b[a < b]
        found += _confirmed(images, unique, contrast, a, b, mirrored)
    return found


def _confirmed(
    images: np.ndarray, unique: Tensor, contrast: Tensor, a: Tensor, b: Tensor, mirrored: bool
) -> list[NearPair]:
    pairs = []
    rows = block_rows(int(np.prod(images.shape[1:])))
    for start in range(0, len(a), rows):
        first, second = a[start : start + rows], b[start : start + rows]
        one = visible(images[unique[first].numpy()]).float()
        other = visible(images[unique[second].numpy()]).float()
        difference = one - (other.flip(-1) if mirrored else other)
        levels = difference.square().flatten(1).mean(1).sqrt()
        close = levels <= _threshold(contrast[first], contrast[second])
        pairs += [
            NearPair(int(unique[i]), int(unique[j]), mirrored, float(level))
            for i, j, level in zip(first[close], second[close], levels[close], strict=True)
        ]
    return pairs


def _threshold(first: Tensor, second: Tensor) -> Tensor:
    """Largest difference of near-duplicates in grey levels, from the variances of two images."""
    return (CONTRAST_SHARE * ((first + second) / 2).sqrt()).clamp(min=LEVELS)
