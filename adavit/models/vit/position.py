"""Position embeddings that are added to the tokens before the encoder.

Those that act within attention, relative bias and rotation, are in `attention_position`.
"""

import torch
from torch import Tensor, nn

from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.resize import resized_grid

# Standard deviation of the learned tables at the start, as in the ViT paper's code.
EMBEDDING_STD = 0.02
# Longest wavelength over 2 pi of the sinusoids, in patches (Vaswani et al. 2017, section 3.5).
SINUSOID_BASE = 10000.0


class NoPosition(nn.Module):
    """Leaves the tokens as they are.

    Args:
        layout: Of the tokens.
        width: Features D of a token.
    """

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__()

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns tokens [B, T, D] unchanged."""
        return tokens

    def draw_weights(self) -> None:
        """Draws nothing."""


class Learned1d(nn.Module):
    """A learned vector for the class token and each patch, in raster order.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, equation 1). The weights are drawn by `draw_weights`.

    Args:
        layout: Of the tokens.
        width: Features D of a token.
    """

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__()
        self.layout = layout
        self.table = nn.Parameter(torch.zeros(1, layout.class_tokens + layout.patches, width))

    def draw_weights(self) -> None:
        """Draws the table from a narrow normal distribution."""
        nn.init.trunc_normal_(self.table, std=EMBEDDING_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Adds the table to class token and patches [B, T, D]."""
        return tokens + self.table

    def resized(self, tables: dict[str, Tensor], grid: tuple[int, int]) -> dict[str, Tensor]:
        """The table of another grid of patches, interpolated to this one's."""
        first = self.layout.class_tokens
        table = tables["table"]
        patches = table[:, first:].unflatten(1, grid).permute(0, 3, 1, 2)  # [1, D, rows, columns]
        patches = resized_grid(patches, (self.layout.rows, self.layout.columns))
        return {"table": torch.cat([table[:, :first], patches.flatten(2).transpose(1, 2)], dim=1)}


class Learned2d(nn.Module):
    """A learned half vector for each row and each column; a patch has those of its place, joined.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, appendix D.4). The class token has none: it is
    learned itself.

    Args:
        layout: Of the tokens.
        width: Features D of a token, even.
    """

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__()
        self.layout = layout
        self.rows = nn.Parameter(torch.zeros(layout.rows, width // 2))
        self.columns = nn.Parameter(torch.zeros(layout.columns, width // 2))

    def draw_weights(self) -> None:
        """Draws the tables from a narrow normal distribution."""
        nn.init.trunc_normal_(self.rows, std=EMBEDDING_STD)
        nn.init.trunc_normal_(self.columns, std=EMBEDDING_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Adds the tables to the patches of tokens [B, T, D]."""
        shape = (self.layout.rows, self.layout.columns, -1)
        pair = [self.rows[:, None].expand(*shape), self.columns.expand(*shape)]
        return add_to_patches(tokens, torch.cat(pair, dim=2).flatten(0, 1), self.layout)

    def resized(self, tables: dict[str, Tensor], grid: tuple[int, int]) -> dict[str, Tensor]:
        """The tables of another grid of patches, interpolated to this one's."""
        sizes = {"rows": self.layout.rows, "columns": self.layout.columns}
        return {
            name: resized_grid(tables[name].T[None, :, :, None], (count, 1))[0, :, :, 0].T
            for name, count in sizes.items()
        }


class Sinusoids2d(nn.Module):
    """Fixed sines and cosines of the row and of the column, a quarter of the features each.

    Chen et al. 2021 (arXiv:2104.02057, section 5), the two-dimensional form of Vaswani et al. 2017
    (arXiv:1706.03762, section 3.5).

    Args:
        layout: Of the tokens.
        width: Features D of a token, a multiple of 4.
    """

    table: Tensor

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__()
        self.layout = layout
        quarter = width // 4
        frequencies = SINUSOID_BASE ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
        rows = torch.arange(layout.rows).repeat_interleave(layout.columns)[:, None] * frequencies
        columns = torch.arange(layout.columns).repeat(layout.rows)[:, None] * frequencies
        waves = [wave for angle in (rows, columns) for wave in (angle.sin(), angle.cos())]
        self.register_buffer("table", torch.cat(waves, dim=1).float(), persistent=False)

    def draw_weights(self) -> None:
        """Draws nothing."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Adds the waves to the patches of tokens [B, T, D]."""
        return add_to_patches(tokens, self.table, self.layout)


def add_to_patches(tokens: Tensor, table: Tensor, layout: TokenLayout) -> Tensor:
    """Adds a table [N, D] to the patches of class token and patches [B, class_tokens + N, D]."""
    first = layout.class_tokens
    return (
        torch.cat([tokens[:, :first], tokens[:, first:] + table], dim=1)
        if first
        else tokens + table
    )
