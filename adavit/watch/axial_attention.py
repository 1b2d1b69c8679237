"""Axial attention as attention between all tokens, so that one formula serves both."""

import torch
from torch import Tensor

from adavit.models.vit.layout import TokenLayout


def whole_attention(weights: Tensor, direction: str, layout: TokenLayout) -> Tensor:
    """Attention of lines of patches as one matrix over all tokens.

    In axial attention a patch looks at the patches of its line and at the tokens that are no patch. The
    latter join every line and take the mean of what the lines give them. As they have one value in all
    lines, that mean is attention with the mean of the weights: the matrix is exact, not an approximation.

    Args:
        weights: Weights [B, L, heads, R, K] of each line, as in `capture.Attention`.
        direction: "all" (L is 1), "rows" (L rows) or "columns" (L columns).
        layout: Of all tokens.

    Returns:
        Weights [B, heads, R, T] over all tokens, rows sum to 1; R is T for axial attention.
    """
    if direction == "all":
        return weights[:, 0]
    batch, lines, heads, _, _ = weights.shape
    whole = weights.new_zeros(batch, heads, layout.count, layout.count)
    for line, places in enumerate(line_places(direction, layout).to(weights.device)):
        is_patch = (places >= layout.class_tokens) & (places < layout.class_tokens + layout.patches)
        share = torch.where(is_patch, 1.0, 1.0 / lines).to(weights.dtype)
        whole[:, :, places[:, None], places] += weights[:, line] * share[:, None]
    return whole


def line_places(direction: str, layout: TokenLayout) -> Tensor:
    """Numbers of the tokens of each row or column of patches, the other tokens around them.

    Args:
        direction: "rows" or "columns".
        layout: Of all tokens.

    Returns:
        Places [L, K], int64 in [0, T).
    """
    grid = torch.arange(layout.patches).view(layout.rows, layout.columns)
    return layout.with_others(grid if direction == "rows" else grid.T)
