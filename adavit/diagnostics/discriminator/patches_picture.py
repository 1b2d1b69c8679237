"""`patches.png`: principal components of the filters that make tokens of pixels."""

import numpy as np
from torch import Tensor

from adavit.diagnostics.discriminator.drawing import bare, new_figure, pixels, png_of
from adavit.diagnostics.discriminator.patches import PatchComponents

COLUMNS = 7


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
    tile = 0.95 * max(1.0, aspect / 2)
    figure = new_figure(tile * COLUMNS, (tile / aspect + 0.25) * rows + 0.6, title)
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
