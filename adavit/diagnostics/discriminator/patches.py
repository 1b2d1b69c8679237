"""Principal components of the patch embedding's filters, and `patches.png`, their picture."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from adavit.diagnostics.discriminator.pictures import bare, new_figure, pixels, png_of
from adavit.metrics.principal_components import principal_components
from adavit.models.vit.stems import (
    ConvolutionalStem,
    HybridStem,
    LinearStem,
    OverlappingStem,
    ShiftedPatchStem,
)

SHOWN = 28
"""Components shown, as many as in the ViT paper's figure 7."""


@dataclass(frozen=True)
class PatchComponents:
    """Principal components of a stem's filters.

    Attributes:
        of: What the filters are, in words.
        filters: Components [K, C, h, w], each of length 1, the most important first; w holds five copies
            side by side for the stem of shifted patches.
        explained: Part of the variance of the filters that each explains [K], descending, sums to 1 at most.
    """

    of: str
    filters: Tensor
    explained: Tensor


@torch.no_grad()
def patch_components(stem: nn.Module, *, image_channels: int) -> PatchComponents:
    """Principal components of the filters nearest to the pixels.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, figure 7 left). A convolutional stem has no one filter for each
    feature of a token; there they are those of its first convolution.

    Args:
        stem: Of an encoder.
        image_channels: Channels C of the images.
    """
    of, weights = stem_filters(stem, image_channels)
    components, explained = principal_components(weights.flatten(1))
    shape = weights.shape[1:]
    return PatchComponents(of, components[:SHOWN].unflatten(1, shape), explained[:SHOWN])


def stem_filters(stem: nn.Module, image_channels: int) -> tuple[str, Tensor]:
    """The filters [D, C, h, w] of a stem, and what they are."""
    if isinstance(stem, LinearStem):
        shape = (image_channels, *stem.patch)
        return "patch embedding", stem.projection.weight.unflatten(1, shape)
    if isinstance(stem, OverlappingStem):
        return "overlapping patch embedding", stem.projection.weight
    if isinstance(stem, ShiftedPatchStem):
        copied = (5, image_channels, *stem.patch)
        copies = stem.projection.weight.unflatten(1, copied)  # [D, 5, C, P, Q]
        return "embedding of a patch and its shifted copies", copies.permute(0, 2, 3, 1, 4).flatten(
            3
        )
    if isinstance(stem, ConvolutionalStem):
        first = stem.stages[0]
    else:
        assert isinstance(stem, HybridStem)
        first = stem.from_image
    assert isinstance(first, nn.Conv2d)
    return "first convolution", first.weight


COLUMNS = 7
TILE_INCHES = 0.95
"""Sides of a square filter."""
MOST_TILES = 3.0
"""The most that an oblong one has of them."""


def draw_components(components: PatchComponents, title: str) -> bytes:
    """A tile for each component, from its least value to its greatest, with the variance it explains.

    Args:
        components: The most important first.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    filters = components.filters
    rows = -(-len(filters) // COLUMNS)
    aspect = filters.shape[3] / filters.shape[2]  # 5 where shifted copies stand side by side
    wide = min(MOST_TILES, max(1.0, aspect / 2))
    tall = TILE_INCHES * min(MOST_TILES, wide / aspect)
    figure = new_figure(TILE_INCHES * wide * COLUMNS, (tall + 0.25) * rows + 0.6, title)
    grid: np.ndarray = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in grid.flat:
        bare(axis)
    shares = components.explained.tolist()
    for axis, kernel, share in zip(grid.flat, filters, shares, strict=False):
        axis.imshow(pixels(_stretched(kernel)), interpolation="nearest")
        axis.set_title(f"{share:.1%}", fontsize=7)
    return png_of(figure)


def _stretched(kernel: Tensor) -> Tensor:
    """A filter [C, h, w] in [-1, 1]; of RGBA the colours."""
    colours = kernel[:3] if len(kernel) == 4 else kernel
    least, greatest = colours.min(), colours.max()
    return 2 * (colours - least) / (greatest - least).clamp(min=1e-12) - 1
