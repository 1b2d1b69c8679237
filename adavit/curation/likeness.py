"""Near copies: images that look the same, mirrored ones too, though their pixels differ.

Candidates have perceptual hashes that are close (`perceptual_hashes.py`), which those of different plain images can be
too. So each pair is confirmed: by its pixels, or where those are not as near by what a network sees in it.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.curation.perceptual_hashes import BITS, CLOSE_BITS, PerceptualHashes
from adavit.curation.seen_likeness import FARTHEST, SeenLikeness
from adavit.data.files.resize import Box

SIDE = 32
"""Images are compared at this size in pixels."""

CORRELATION = 0.92
"""Least correlation of the pixels of a pair, each channel less its mean: a JPEG of quality 30 keeps it at 64 px."""

MEAN_LEVELS, CONTRAST_FACTOR = 20.0, 1.5
"""Means differ by no more levels in any channel, and contrasts by no larger factor."""

LOCAL, CELL = 0.5, 4
"""Nowhere do means over cells of so many pixels differ by more than this part of the contrast."""

SPREAD, PLACES, SLIGHT = 0.62, 0.05, 0.1
"""Of the squared difference at most so much stands in so many of the places, unless the difference is slight altogether
(root mean square, of the contrast): what another JPEG does is spread, the hand of a clock stands in one place."""

LOOSE_CORRELATION, LOOSE_MEAN_LEVELS = 0.8, 30.0
"""What is asked of the pixels of a pair that a network confirms, which sees neither light nor where all is."""

THRESHOLD = (
    f"perceptual hashes that differ in at most {CLOSE_BITS} of {BITS} bits, and pixels at {SIDE} px with a"
    f" correlation of at least {CORRELATION}, means within {MEAN_LEVELS:g} levels, contrasts within a"
    f" factor of {CONTRAST_FACTOR:g} and no places that differ far more than the rest; or with a correlation of at"
    f" least {LOOSE_CORRELATION}, means within {LOOSE_MEAN_LEVELS:g} levels, such contrasts, and features of a"
    f" network within a limit that is measured on the set, {FARTHEST} at most"
)
_ROWS, _PAIRS = 1024, 128

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AlikePair:
    """Two images that look the same.

    Attributes:
        first: Index of one.
        second: Index of the other, larger.
        mirrored: Whether the second is like the first flipped left and right.
        correlation: Of their pixels, at most 1.
    """

    first: int
    second: int
    mirrored: bool
    correlation: float


def find_alike(
    images: np.ndarray,
    indices: Sequence[int],
    *,
    inside: Sequence[Box | None] = (),
    progress: Progress | None = None,
) -> list[AlikePair]:
    """Pairs that link all images that look the same, among some images of a set.

    Images that are linked already, through others too, are not compared with each other: of the frames of a film, which
    all look the same, each is compared once.

    Args:
        images: uint8 [N, C, H, W]; may be memory-mapped.
        indices: Which to compare, ascending; of equal ones only one, and no blank ones, all of which look the same.
        inside: Where each of all N lies in what it was filled up to, as in `ImageSet`.
        progress: Called with what is done, and with how many of all images that is through.

    Returns:
        Pairs by their indices, one fewer than images for each of their `clusters`; mirrored ones only where no others
        link the same images.
    """
    tell = progress or (lambda *_: None)
    chosen = np.asarray(indices, dtype=np.int64)
    parts = [
        shrunk(images[part], [inside[index] for index in part] if inside else ())
        for part in _parts(chosen)
    ]
    small = torch.cat(parts or [torch.zeros(0)])
    hashes = PerceptualHashes(small, functools.partial(tell, "hashing"))
    seen = functools.cache(lambda: SeenLikeness(small, hashes.close))  # of most sets not needed
    cluster = torch.arange(len(small))  # the same number for those that are linked
    found: list[AlikePair] = []
    for mirrored in (False, True):
        for first, others in hashes.candidates(mirrored=mirrored):
            for batch in others.split(_PAIRS):
                apart = batch[cluster[batch] != cluster[first]]
                for second, correlation in _alike(small, seen, first, apart, mirrored=mirrored):
                    if cluster[first] != cluster[second]:
                        cluster[cluster == cluster[second]] = cluster[first].item()
                        pair = int(chosen[first]), int(chosen[second])
                        found.append(AlikePair(*pair, mirrored, round(correlation, 4)))
            tell("comparing mirrored" if mirrored else "comparing", first + 1, len(small))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _alike(
    small: Tensor, seen: Callable[[], SeenLikeness], first: int, others: Tensor, *, mirrored: bool
) -> list[tuple[int, float]]:
    """Of other images those that look the same as one, each with the correlation of their pixels."""
    if not len(others):
        return []
    pixels = compared(small[first].flip(-1) if mirrored else small[first], small[others])
    alike, unsure = pixels.is_copy, pixels.may_be_copy & ~pixels.is_copy
    if unsure.any():
        alike[unsure] = seen().distances(first, others[unsure], mirrored=mirrored) <= seen().limit
    return list(zip(others[alike].tolist(), pixels.correlation[alike].tolist(), strict=True))


def clusters(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Images that are linked to each other, directly or through others.

    Args:
        count: Of images.
        links: Pairs of indices.

    Returns:
        Groups of at least two indices, each ascending, in the order of their first.
    """
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    linked = set()
    for first, second in links:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
        linked |= {first, second}
    groups: dict[int, list[int]] = {}
    for index in sorted(linked):
        groups.setdefault(root(index), []).append(index)
    return [groups[key] for key in sorted(groups)]


def _parts(indices: np.ndarray) -> list[np.ndarray]:
    return [indices[start : start + _ROWS] for start in range(0, len(indices), _ROWS)]


def shrunk(images: np.ndarray, inside: Sequence[Box | None] = ()) -> Tensor:
    """Images as they are compared.

    Args:
        images: uint8 [B, C, H, W].
        inside: Where each lies in what it was filled up to, as in `ImageSet`.

    Returns:
        float32 [B, C, SIDE, SIDE] in 0..255; colour of RGBA multiplied by its alpha.
    """
    if any(inside):  # bars, which are the same in all, would make up most of the likeness
        parts = [
            image if box is None else box.part_of(image)
            for image, box in zip(images, inside, strict=True)
        ]
        return torch.cat([shrunk(part[None]) for part in parts])
    pixels = torch.from_numpy(np.array(images)).float()
    if pixels.shape[1] == 4:
        pixels[:, :3] *= pixels[:, 3:] / 255
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


@dataclass(frozen=True)
class ComparedPixels:
    """How alike the pixels of an image and of M others are.

    Attributes:
        correlation: float32 [M], at most 1.
        mean_levels: How far apart their means are, in the channel that differs most, float32 [M].
        contrast_factor: How many times the contrast of the other one has, float32 [M], at least 1.
        is_even: Whether no place differs far more than the rest, bool [M].
    """

    correlation: Tensor
    mean_levels: Tensor
    contrast_factor: Tensor
    is_even: Tensor

    @property
    def is_copy(self) -> Tensor:
        """Whether that is enough, bool [M]."""
        return (
            self.is_even & (self.mean_levels <= MEAN_LEVELS) & (self.correlation >= CORRELATION)
        ) & (self.contrast_factor <= CONTRAST_FACTOR)

    @property
    def may_be_copy(self) -> Tensor:
        """Whether a network is worth asking, bool [M]."""
        return (
            (self.mean_levels <= LOOSE_MEAN_LEVELS) & (self.correlation >= LOOSE_CORRELATION)
        ) & (self.contrast_factor <= CONTRAST_FACTOR)


def compared(first: Tensor, others: Tensor) -> ComparedPixels:
    """Compares the pixels of an image with those of others.

    Args:
        first: float32 [C, H, W] in 0..255.
        others: float32 [M, C, H, W], likewise.
    """
    means = first.mean((1, 2), keepdim=True), others.mean((2, 3), keepdim=True)
    apart = (means[0] - means[1]).abs().amax((1, 2, 3))
    one, other = first - means[0], others - means[1]
    contrasts = one.square().mean().sqrt(), other.square().mean((1, 2, 3)).sqrt()
    low, high = torch.minimum(*contrasts), torch.maximum(*contrasts)
    has_contrast = low > 0
    one = one / contrasts[0].clamp(min=1e-9)
    other = other / contrasts[1].clamp(min=1e-9)[:, None, None, None]
    difference = one - other
    local = F.avg_pool2d(difference, CELL).abs().amax((1, 2, 3))
    places = difference.square().sum(1).flatten(1)  # [M, H * W]
    slight = places.mean(1) / len(first) <= SLIGHT**2
    is_even = has_contrast & (local <= LOCAL)
    asked = is_even & ~slight
    most = places[asked].topk(int(PLACES * places.shape[1])).values.sum(1)
    is_even[asked] = most / places[asked].sum(1).clamp(min=1e-9) <= SPREAD
    factor = torch.where(has_contrast, high / low, math.inf)
    return ComparedPixels((one * other).mean((1, 2, 3)), apart, factor, is_even)
