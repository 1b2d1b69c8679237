"""Positions within attention: a bias on its logits, or a rotation of queries and keys.

Each is told the places of the tokens, because some patches may have been dropped. Class token and
registers have no place: no bias, no rotation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.resize import resized_grid

# Standard deviation of the bias table at the start (arXiv:2103.14030, its code).
BIAS_STD = 0.02
# Longest wavelength over 2 pi, in patches (Heo et al. 2024, arXiv:2403.13298, section 3.2: 100 for images).
ROTATION_BASE = 100.0


class NoAttentionPosition(nn.Module):
    """Attention does not see positions.

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
