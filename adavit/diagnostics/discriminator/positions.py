"""What the position embedding makes of places: which are alike, or how a bias depends on the offset."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.position import RelativeBias, Rotation2d
from adavit.watch.capture import attentions_of


@dataclass(frozen=True)
class PositionView:
    """What is to be seen of a position embedding.

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
