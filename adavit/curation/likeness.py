"""Near copies: images that look the same, mirrored ones too, though their pixels differ.

Candidates have perceptual hashes that are close (the DCT hash of `imagehash`: signs of the lowest frequencies), which
survive another JPEG, another size and another brightness. A hash of 64 bits says the same of different plain images
too, so each pair is confirmed: by its pixels, or where those are not as near by what a network sees in it.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from adavit.curation.seen_likeness import FARTHEST, SeenLikeness

SIDE = 32
"""Images are compared at this size in pixels."""

BITS = 64
CLOSE_BITS = 10
"""Hashes that differ in more bits are of different images: of random ones 32 differ, give or take 4."""

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
_ROWS = 1024

Candidate = tuple[int, int, bool]
"""Two indices, ascending, and whether the second image is mirrored."""


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
    progress: Callable[[int, int], None] | None = None,
) -> list[AlikePair]:
    """Pairs that look the same, among some images of a set.

    Args:
        images: uint8 [N, C, H, W]; may be memory-mapped.
        indices: Which to compare, ascending; of equal ones only one, and no blank ones, all of which look the same.
        progress: Called with the images done and all of them.

    Returns:
        Pairs, by their indices.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    small = torch.cat([shrunk(images[part]) for part in _parts(chosen)] or [torch.zeros(0)])
    pairs = candidates(small, progress)
    seen = functools.cache(lambda: seen_likeness(small, pairs))  # of most sets not needed
    found: dict[tuple[int, int], AlikePair] = {}
    for a, b, mirrored in pairs:
        pixels = compared(small[a], small[b].flip(-1) if mirrored else small[b])
        if pixels.is_copy or (
            pixels.may_be_copy and seen().distance(a, b, mirrored=mirrored) <= seen().limit
        ):
            first, second = int(chosen[a]), int(chosen[b])
            pair = AlikePair(first, second, mirrored, round(pixels.correlation, 4))
            found.setdefault((first, second), pair)  # as it is, where both ways fit
    return [found[key] for key in sorted(found)]


def candidates(
    small: Tensor, progress: Callable[[int, int], None] | None = None
) -> list[Candidate]:
    """Pairs whose hashes are close; those with a mirrored image come last.

    Args:
        small: float32 [N, C, SIDE, SIDE], as `shrunk` gives them.
        progress: As for `find_alike`.
    """
    hashes, mirrored = [], []
    for done, image in enumerate(small, start=1):
        grey = _grey(image)
        hashes.append(_hash(grey))
        mirrored.append(_hash(np.ascontiguousarray(grey[:, ::-1])))
        if progress is not None and (done % 100 == 0 or done == len(small)):
            progress(done, len(small))
    return [
        (first, second, flip)
        for others, flip in ((hashes, False), (mirrored, True))
        for first, second in _close(hashes, others)
    ]


def seen_likeness(small: Tensor, pairs: Sequence[Candidate]) -> SeenLikeness:
    """What a network sees of images, given the pairs of them that `candidates` found."""
    return SeenLikeness(small, [(first, second) for first, second, flip in pairs if not flip])


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


def shrunk(images: np.ndarray) -> Tensor:
    """Images as they are compared.

    Args:
        images: uint8 [B, C, H, W].

    Returns:
        float32 [B, C, SIDE, SIDE] in 0..255; colour of RGBA multiplied by its alpha.
    """
    pixels = torch.from_numpy(np.array(images)).float()
    if pixels.shape[1] == 4:
        pixels[:, :3] *= pixels[:, 3:] / 255
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


def _grey(image: Tensor) -> np.ndarray:
    """uint8 [SIDE, SIDE]: luma; of RGBA half luma and half alpha, so that dark shapes have a hash."""
    weights = torch.tensor(
        {1: [1.0], 3: [0.299, 0.587, 0.114]}.get(len(image), [0.15, 0.29, 0.06, 0.5])
    )
    grey = torch.einsum("c,chw->hw", weights, image)
    return np.asarray(grey.round().clamp(0, 255).to(torch.uint8).numpy())


def _hash(grey: np.ndarray) -> np.ndarray:
    """+1 and -1, float32 [BITS]."""
    import imagehash  # brings scipy and PyWavelets, which take half a second

    bits = imagehash.phash(Image.fromarray(grey)).hash
    return np.where(bits.reshape(-1), np.float32(1), np.float32(-1))


def _close(hashes: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs a < b of which hash a is close to other hash b."""
    if len(hashes) < 2:
        return []
    left, right = torch.from_numpy(np.stack(hashes)), torch.from_numpy(np.stack(others))
    found = []
    for start in range(0, len(left), _ROWS):
        # The product of signs is the number of equal bits less that of different ones.
        agreement = left[start : start + _ROWS] @ right.T
        a, b = (agreement >= BITS - 2 * CLOSE_BITS).nonzero(as_tuple=True)
        a = a + start
        keep = a < b
        found += list(zip(a[keep].tolist(), b[keep].tolist(), strict=True))
    return found


@dataclass(frozen=True)
class ComparedPixels:
    """How alike the pixels of two images are.

    Attributes:
        correlation: At most 1.
        mean_levels: How far apart their means are, in the channel that differs most.
        contrast_factor: How many times the contrast of the other one has, at least 1.
        is_even: Whether no place differs far more than the rest.
    """

    correlation: float
    mean_levels: float
    contrast_factor: float
    is_even: bool

    @property
    def is_copy(self) -> bool:
        """Whether that is enough."""
        return (
            self.is_even and self.mean_levels <= MEAN_LEVELS and self.correlation >= CORRELATION
        ) and self.contrast_factor <= CONTRAST_FACTOR

    @property
    def may_be_copy(self) -> bool:
        """Whether a network is worth asking."""
        return (
            self.mean_levels <= LOOSE_MEAN_LEVELS and self.correlation >= LOOSE_CORRELATION
        ) and self.contrast_factor <= CONTRAST_FACTOR


def compared(first: Tensor, second: Tensor) -> ComparedPixels:
    """Compares the pixels of two images.

    Args:
        first: float32 [C, H, W] in 0..255.
        second: Likewise.
    """
    means = first.mean((1, 2), keepdim=True), second.mean((1, 2), keepdim=True)
    apart = float((means[0] - means[1]).abs().max())
    one, other = first - means[0], second - means[1]
    low, high = sorted((float(one.square().mean().sqrt()), float(other.square().mean().sqrt())))
    if low == 0:
        return ComparedPixels(0.0, apart, math.inf, False)
    one, other = (each / each.square().mean().sqrt() for each in (one, other))
    difference = one - other
    local = float(F.avg_pool2d(difference[None], CELL).abs().max())
    places = difference.square().sum(0).flatten().sort(descending=True).values
    slight = float(places.mean() / len(first)) <= SLIGHT**2
    concentrated = float(places[: int(PLACES * len(places))].sum() / places.sum().clamp(min=1e-9))
    is_even = local <= LOCAL and (concentrated <= SPREAD or slight)
    return ComparedPixels(float((one * other).mean()), apart, high / low, is_even)
