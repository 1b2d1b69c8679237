"""Similarity of the embeddings of any two positions, or bias by offset, and `positions.png`, their picture."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.diagnostics.discriminator.pictures import bare, new_figure, png_of
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.position import RelativeBias, Rotation2d
from adavit.runtime.thinning import evenly_spread
from adavit.watch.capture import attentions_of


@dataclass(frozen=True)
class PositionView:
    """Similarities of positions, or biases by offset, of a position embedding.

    Attributes:
        similarity: Cosine of any two places as tiles [rows, columns, rows, columns], or None for a bias.
        biases: Tables of a relative bias by name, [heads, 2 rows - 1, 2 columns - 1] each, or empty.
    """

    similarity: Tensor | None
    biases: dict[str, Tensor]


@torch.no_grad()
def view_positions(encoder: VisionEncoder) -> PositionView | None:
    """What an encoder's position embedding has to show; None without one.

    What is added to the tokens is compared by cosine (Dosovitskiy et al. 2021, arXiv:2010.11929, figure 7
    centre). A rotation is compared by the product of a vector, all of whose pairs have the same length, with
    itself at another place: the mean cosine of the angles between. Of a relative bias the tables are
    shown. In axial attention a rotation or bias knows one line: of a rotation the rows are shown.
    """
    layout = encoder.layout
    within = {
        name: attention.position
        for number, block in enumerate(encoder.blocks, start=1)
        for attention, name, *_ in attentions_of(block, number, layout)
    }
    biases = {
        name: part.table.cpu() for name, part in within.items() if isinstance(part, RelativeBias)
    }
    if biases:
        return PositionView(None, biases)
    rotation = within[next(iter(within))]  # the same in every block
    if isinstance(rotation, Rotation2d):
        angles = rotation.angles
        count = layout.patches if len(angles) == layout.count else layout.columns
        angles = angles[layout.class_tokens : layout.class_tokens + count]
        similar = (angles[:, None] - angles).cos().mean(dim=2).cpu()
        rows = count // layout.columns
        return PositionView(as_tiles(similar, rows, layout.columns), {})
    width = encoder.norm.normalized_shape[0]
    nothing = torch.zeros(1, layout.class_tokens + layout.patches, width)
    added = encoder.position(nothing.to(encoder.norm.weight))[0, layout.class_tokens :]
    if not added.any():
        return None
    return PositionView(position_similarity(added.cpu(), layout), {})


def position_similarity(table: Tensor, layout: TokenLayout) -> Tensor:
    """Cosine of the embeddings of any two places.

    Args:
        table: Embeddings of the patches [N, D].
        layout: Of the tokens.

    Returns:
        Tiles [rows, columns, rows, columns] in [-1, 1]: the tile of a place holds its similarity to all.
    """
    units = F.normalize(table.double(), dim=1)
    return as_tiles(units @ units.T, layout.rows, layout.columns)


def as_tiles(matrix: Tensor, rows: int, columns: int) -> Tensor:
    """A matrix [N, N] over places as tiles [rows, columns, rows, columns]."""
    return matrix.unflatten(1, (rows, columns)).unflatten(0, (rows, columns))


def neighbour_similarity(tiles: Tensor) -> tuple[float, float]:
    """Mean similarity of places that touch along an edge, and of all pairs of different places.

    Args:
        tiles: Similarities [rows, columns, rows, columns].

    Returns:
        Both means; nan where there is no such pair.
    """
    rows, columns = tiles.shape[:2]
    count = rows * columns
    matrix = tiles.flatten(2).flatten(0, 1).double()
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    steps = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    others = ~torch.eye(count, dtype=torch.bool)
    return float(matrix[steps == 1].mean()), float(matrix[others].mean())


MOST_TILES = 16
"""Places drawn along a side; of larger grids evenly spread ones."""


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
    rows, columns = (evenly_spread(count, MOST_TILES) for count in similarity.shape[:2])
    tall = 0.55 * similarity.shape[0] / similarity.shape[1]  # of a tile as wide as 0.55
    figure = new_figure(0.55 * len(columns) + 1.4, max(2.0, tall * len(rows) + 0.7), title)
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
