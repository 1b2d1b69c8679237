"""`positions.png`: the similarity of each place to all others, or the tables of a relative bias."""

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from adavit.diagnostics.discriminator.drawing import bare, new_figure, png_of
from adavit.diagnostics.discriminator.positions import PositionView

MOST_TILES = 16
"""Places drawn along a side; of larger grids evenly spaced ones."""


def draw_positions(view: PositionView, title: str) -> bytes:
    """A tile for each place, or for each head of each block.

    Args:
        view: What there is to see.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    if view.similarity is not None:
        return _draw_similarity(view.similarity, title)
    heads = max(len(table) for table in view.biases.values())
    figure = new_figure(1.3 * heads + 1.6, 1.3 * len(view.biases) + 0.9, title)
    grid = figure.subplots(len(view.biases), heads, squeeze=False)
    most = max(float(table.abs().max()) for table in view.biases.values())
    for row, (name, table) in zip(grid, view.biases.items(), strict=True):
        for head, axis in enumerate(row):
            drawn = axis.imshow(table[head].numpy(), cmap="RdBu_r", vmin=-most, vmax=most)
            bare(axis)
            axis.set_title(f"{name}, head {head + 1}", fontsize=7)
    figure.colorbar(drawn, ax=grid, shrink=0.7).ax.tick_params(labelsize=7)
    return png_of(figure)


def _draw_similarity(similarity: Tensor, title: str) -> bytes:
    rows, columns = (_spaced(count) for count in similarity.shape[:2])
    figure = new_figure(0.55 * len(columns) + 1.4, max(2.0, 0.55 * len(rows) + 0.7), title)
    axis = figure.subplots()
    # From the least similarity there is: sines have a mean cosine far above 0.
    least = float(similarity.min())
    drawn = axis.imshow(mosaic(similarity[rows][:, columns]), vmin=least, vmax=1, cmap="viridis")
    bare(axis)
    bar = figure.colorbar(drawn, ax=axis, shrink=0.7)
    bar.set_label("cosine similarity", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return png_of(figure)


def mosaic(tiles: Tensor) -> np.ndarray:
    """Tiles [a, b, rows, columns] as one picture, a line of nan after each.

    An axis for each tile would take matplotlib seconds.
    """
    padded = F.pad(tiles.double(), (0, 1, 0, 1), value=float("nan"))
    return np.asarray(padded.permute(0, 2, 1, 3).flatten(2).flatten(0, 1).numpy())


def _spaced(count: int) -> list[int]:
    """At most `MOST_TILES` numbers in [0, count), evenly spaced."""
    shown = min(count, MOST_TILES)
    return [int(place) for place in np.linspace(0, count - 1, shown).round()]
