"""Position embeddings: added to the tokens, or as biases and rotations within attention.

What acts within attention is told the places of the tokens, because some patches may have been
dropped. Class token and registers have no place: no bias, no rotation.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.fitting import resized_grid
from adavit.models.prepared_weights import Used, prepared
from adavit.models.vit.layout import TokenLayout

# Standard deviation of the learned tables at the start, as in the ViT paper's code.
EMBEDDING_STD = 0.02
# Longest wavelength over 2 pi of the sinusoids, in patches (Vaswani et al. 2017, section 3.5).
SINUSOID_BASE = 10000.0


class NoPosition(nn.Module):
    """Leaves the tokens as they are; base of the embeddings that are added to them.

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


class Learned1d(NoPosition):
    """A learned vector for the class token and each patch, in raster order.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, equation 1). The weights are drawn by `draw_weights`.

    Args:
        layout: Of the tokens.
        width: Features D of a token.
    """

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__(layout, width)
        self.layout = layout
        self.table = nn.Parameter(torch.zeros(1, layout.class_tokens + layout.patches, width))

    def draw_weights(self) -> None:
        """Draws the table from a narrow normal distribution."""
        nn.init.trunc_normal_(self.table, std=EMBEDDING_STD)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.table, 1.0, autocast=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Adds the table to class token and patches [B, T, D]."""
        return tokens + prepared(self.table)

    def resized(self, tables: dict[str, Tensor], grid: tuple[int, int]) -> dict[str, Tensor]:
        """The table of another grid of patches, interpolated to this one's; the class token's entry is kept.

        Raises:
            RuntimeError: If the table is of another grid than it is said to be.
        """
        table, wanted = tables["table"], self.layout.class_tokens
        found = table.shape[1] - math.prod(grid)
        if found not in (0, 1):
            raise RuntimeError(
                f"{table.shape[1]} entries are not those of {grid[0]}x{grid[1]} patches"
            )
        patches = table[:, found:].unflatten(1, grid).permute(0, 3, 1, 2)  # [1, D, rows, columns]
        patches = resized_grid(patches, (self.layout.rows, self.layout.columns))
        # A class token that the other network has not keeps what is drawn for it here.
        head = table[:, :wanted] if found else self.table.detach()[:, :wanted].to(table)
        return {"table": torch.cat([head, patches.flatten(2).transpose(1, 2)], dim=1)}


class Learned2d(NoPosition):
    """A learned half vector for each row and each column; a patch has those of its place, joined.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, appendix D.4). The class token has none: it is
    learned itself.

    Args:
        layout: Of the tokens.
        width: Features D of a token, even.
    """

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__(layout, width)
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


class Sinusoids2d(NoPosition):
    """Fixed sines and cosines of the row and of the column, a quarter of the features each.

    Chen et al. 2021 (arXiv:2104.02057, section 5), the two-dimensional form of Vaswani et al. 2017
    (arXiv:1706.03762, section 3.5).

    Args:
        layout: Of the tokens.
        width: Features D of a token, a multiple of 4.
    """

    table: Tensor

    def __init__(self, layout: TokenLayout, width: int) -> None:
        super().__init__(layout, width)
        self.layout = layout
        quarter = width // 4
        frequencies = SINUSOID_BASE ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
        rows = torch.arange(layout.rows).repeat_interleave(layout.columns)[:, None] * frequencies
        columns = torch.arange(layout.columns).repeat(layout.rows)[:, None] * frequencies
        waves = [wave for angle in (rows, columns) for wave in (angle.sin(), angle.cos())]
        self.register_buffer("table", torch.cat(waves, dim=1).float(), persistent=False)

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


# Standard deviation of the bias table at the start (arXiv:2103.14030, its code).
BIAS_STD = 0.02
# Longest wavelength over 2 pi, in patches (Heo et al. 2024, arXiv:2403.13298, section 3.2: 100 for images).
ROTATION_BASE = 100.0


class NoAttentionPosition(nn.Module):
    """Attention without positions; base of the biases and rotations that act within it.

    Args:
        layout: Of the tokens.
        heads: Heads of the attention.
        head_width: Features d of a head.
    """

    def __init__(self, layout: TokenLayout, *, heads: int, head_width: int) -> None:
        super().__init__()

    def rotate(self, vectors: Tensor, places: Tensor | None) -> Tensor:
        """Returns queries or keys unchanged.

        Args:
            vectors: Of leading tokens [B, heads, R, d].
            places: Numbers of the tokens in the layout [B, T], or None for all of them.

        Returns:
            Vectors [B, heads, R, d].
        """
        return vectors

    def bias(self, places: Tensor | None) -> Tensor | None:
        """What is added to the logits.

        Args:
            places: As above.

        Returns:
            Bias [1 or B, heads, T, T], or None for none.
        """
        return None


class RelativeBias(NoAttentionPosition):
    """A learned bias for each head and each offset between two patches.

    Liu et al. 2021 (arXiv:2103.14030, equation 4): a table of (2 rows - 1) x (2 columns - 1) offsets
    in every block.
    """

    def __init__(self, layout: TokenLayout, *, heads: int, head_width: int) -> None:
        super().__init__(layout, heads=heads, head_width=head_width)
        self.layout = layout
        self.shape = (2 * layout.rows - 1, 2 * layout.columns - 1)
        self.table = nn.Parameter(torch.zeros(heads, *self.shape))
        nn.init.trunc_normal_(self.table, std=BIAS_STD)

    def bias(self, places: Tensor | None) -> Tensor:
        """The table at the offset of each pair of tokens, 0 where one is no patch."""
        rows, columns = self.layout.rows, self.layout.columns
        before, after = self.layout.class_tokens, self.layout.registers
        # Windows and distinct places, no table lookup: that would add the gradients of an offset in
        # an order that changes from run to run on several threads, and a resumed run with it.
        windows = self.table.unfold(1, rows, 1).unfold(2, columns, 1).flip(3, 4)
        table = windows.flatten(3).flatten(1, 2)  # [heads, N, N]
        table = F.pad(table, (before, after, before, after))[None]  # [1, heads, T, T]
        if places is None:
            return table
        table = table.expand(len(places), -1, -1, -1)
        table = table.take_along_dim(places[:, None, :, None], dim=2)
        return table.take_along_dim(places[:, None, None, :], dim=3)

    def resized(self, tables: dict[str, Tensor], grid: tuple[int, int]) -> dict[str, Tensor]:
        """The table of another grid of patches, interpolated to this one's."""
        return {"table": resized_grid(tables["table"][None], self.shape)[0]}


class Rotation2d(NoAttentionPosition):
    """Rotates pairs of features of queries and keys by angles in proportion to row and column.

    Rotary embedding (Su et al. 2021, arXiv:2104.09864, equation 34) in its axial form for images
    (Heo et al. 2024, arXiv:2403.13298, section 3.2): half of the pairs turn with the row, half with
    the column, so a product of query and key knows only the offset.
    """

    angles: Tensor

    def __init__(self, layout: TokenLayout, *, heads: int, head_width: int) -> None:
        super().__init__(layout, heads=heads, head_width=head_width)
        quarter = head_width // 4
        frequencies = ROTATION_BASE ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
        row = torch.arange(layout.rows).repeat_interleave(layout.columns)
        column = torch.arange(layout.columns).repeat(layout.rows)
        angles = torch.cat([row[:, None] * frequencies, column[:, None] * frequencies], dim=1)
        angles = F.pad(angles, (0, 0, layout.class_tokens, layout.registers))  # [T, d / 2]
        self.register_buffer("angles", angles.float(), persistent=False)

    def rotate(self, vectors: Tensor, places: Tensor | None) -> Tensor:
        """Rotates queries or keys [B, heads, R, d] of the first R tokens."""
        angles = self.angles if places is None else self.angles[places][:, None]  # [B, 1, T, d / 2]
        angles = angles[..., : vectors.shape[2], :]
        cosines, sines = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
        first, second = vectors[..., 0::2], vectors[..., 1::2]
        pairs = [first * cosines - second * sines, first * sines + second * cosines]
        return torch.stack(pairs, dim=-1).flatten(-2)
