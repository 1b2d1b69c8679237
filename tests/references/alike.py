"""Near copies found by comparing each pair whose hashes are close, one after the other."""

import math
from dataclasses import dataclass

import imagehash
import numpy as np
import torch
from PIL import Image

from adavit.curation import likeness
from adavit.curation.likeness import shrunk
from adavit.curation.perceptual_hashes import CLOSE_BITS
from adavit.curation.seen_likeness import SeenLikeness

LUMA = np.array([0.299, 0.587, 0.114])[:, None, None]


@dataclass(frozen=True)
class ComparedPair:
    """As `likeness.ComparedPixels`, of one pair."""

    correlation: float
    mean_levels: float
    contrast_factor: float
    is_even: bool

    @property
    def is_copy(self) -> bool:
        """Whether that is enough."""
        return (
            self.is_even
            and self.correlation >= likeness.CORRELATION
            and self.mean_levels <= likeness.MEAN_LEVELS
            and self.contrast_factor <= likeness.CONTRAST_FACTOR
        )

    @property
    def may_be_copy(self) -> bool:
        """Whether a network is worth asking."""
        return (
            self.correlation >= likeness.LOOSE_CORRELATION
            and self.mean_levels <= likeness.LOOSE_MEAN_LEVELS
            and self.contrast_factor <= likeness.CONTRAST_FACTOR
        )


def compared_pair(first: np.ndarray, second: np.ndarray) -> ComparedPair:
    """Of float [C, H, W] in 0..255."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    means = one.mean((1, 2)), other.mean((1, 2))
    apart = float(np.abs(means[0] - means[1]).max())
    one, other = one - means[0][:, None, None], other - means[1][:, None, None]
    low, high = sorted([float(np.sqrt((each**2).mean())) for each in (one, other)])
    if low < 1e-4:  # float32 knows no mean better
        return ComparedPair(0.0, apart, math.inf, False)
    one, other = one / np.sqrt((one**2).mean()), other / np.sqrt((other**2).mean())
    difference = one - other
    channels, height, width = difference.shape
    cell = likeness.CELL
    cells = difference.reshape(channels, height // cell, cell, width // cell, cell)
    places = np.sort((difference**2).sum(0).ravel())[::-1]
    slight = places.mean() / channels <= likeness.SLIGHT**2
    most = places[: int(likeness.PLACES * len(places))].sum() / max(places.sum(), 1e-9)
    is_even = np.abs(cells.mean((2, 4))).max() <= likeness.LOCAL and (
        slight or most <= likeness.SPREAD
    )
    return ComparedPair(float((one * other).mean()), apart, high / low, bool(is_even))


def alike_pairs(images: np.ndarray) -> dict[tuple[int, int], tuple[bool, float]]:
    """Whether mirrored, and the correlation, of each pair that looks the same; as it is, where both ways fit.

    Args:
        images: uint8 [N, 3, H, W].
    """
    small = shrunk(images)
    grey = (small.numpy() * LUMA).sum(1).round().astype(np.uint8)
    plain, mirrored = (
        [imagehash.phash(Image.fromarray(np.ascontiguousarray(each))) for each in some]
        for some in (grey, grey[:, :, ::-1])
    )
    close = np.array([[one - other <= CLOSE_BITS for other in plain] for one in plain])
    seen = SeenLikeness(small, lambda rows: torch.from_numpy(close)[rows])
    found: dict[tuple[int, int], tuple[bool, float]] = {}
    for hashes, flip in ((plain, False), (mirrored, True)):
        for a in range(len(small)):
            for b in range(a + 1, len(small)):
                if plain[a] - hashes[b] > CLOSE_BITS:
                    continue
                other = small[b].flip(-1) if flip else small[b]
                pixels = compared_pair(small[a].numpy(), other.numpy())
                if pixels.is_copy or (
                    pixels.may_be_copy
                    and float(seen.distances(a, torch.tensor([b]), mirrored=flip)) <= seen.limit
                ):
                    found.setdefault((a, b), (flip, pixels.correlation))
    return found
