"""Axial attention: along the rows, then along the columns, at a cost of N (rows + columns) instead of N^2."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from adavit.models.vit.block import EncoderBlock
from adavit.models.vit.layout import TokenLayout


class AxialBlock(nn.Module):
    """Two encoder blocks, of which one sees a row at a time and the other a column.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, appendix D.6), so it has twice the parameters of a
    block. The tokens that are no patch join every row and every column; what these make of them is
    averaged.

    Args:
        layout: Of the tokens.
        block: Makes a block for the layout of one row or column.
    """

    def __init__(self, layout: TokenLayout, block: Callable[[TokenLayout], EncoderBlock]) -> None:
        super().__init__()
        self.layout = layout
        others = (layout.class_tokens, layout.registers)
        self.along_rows = block(TokenLayout(1, layout.columns, *others))
        self.along_columns = block(TokenLayout(layout.rows, 1, *others))

    def forward(
        self,
        tokens: Tensor,
        *,
        twice_differentiable: bool,
        read: int | None = None,
        places: None = None,
    ) -> Tensor:
        """Maps tokens [B, T, D] to the first `read` of them (None: all). No patch may be missing."""
        first, last = self.layout.class_tokens, self.layout.class_tokens + self.layout.patches
        head, tail = tokens[:, :first], tokens[:, last:]
        grid = tokens[:, first:last].unflatten(1, (self.layout.rows, self.layout.columns))
        flag = twice_differentiable
        head, grid, tail = attend_to_lines(self.along_rows, head, grid, tail, flag)
        head, grid, tail = attend_to_lines(
            self.along_columns, head, grid.transpose(1, 2), tail, flag
        )
        return torch.cat([head, grid.transpose(1, 2).flatten(1, 2), tail], dim=1)[:, :read]


def attend_to_lines(
    block: EncoderBlock, head: Tensor, grid: Tensor, tail: Tensor, twice_differentiable: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Applies a block to every line of patches [B, lines, n, D] with the other tokens [B, ., D] around it."""
    batch, lines, length, _ = grid.shape
    around = [part[:, None].expand(-1, lines, -1, -1) for part in (head, tail)]
    tokens = torch.cat([around[0], grid, around[1]], dim=2).flatten(0, 1)
    tokens = block(tokens, twice_differentiable=twice_differentiable).unflatten(0, (batch, lines))
    first = head.shape[1]
    return (
        tokens[:, :, :first].mean(dim=1),
        tokens[:, :, first : first + length],
        tokens[:, :, first + length :].mean(dim=1),
    )
