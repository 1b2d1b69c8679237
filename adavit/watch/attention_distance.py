"""Mean attention distance: how far in the image a head looks."""

import torch
from torch import Tensor

from adavit.models.vit.layout import TokenLayout


def attention_distance(weights: Tensor, layout: TokenLayout, *, patch: int) -> Tensor:
    """Distance of the patches that are looked at, weighted by attention.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, figure 7 right and appendix D.7): the mean over query
    patches i of sum_j A_ij |c_i - c_j|, with c the centres of the patches. Class token and registers are left
    out and the rest of a row is scaled to sum to 1.

    Args:
        weights: Attention [B, heads, R, T] over all tokens; its first rows are class token and patches.
        layout: Of the tokens.
        patch: Distance of neighbouring patches in pixels.

    Returns:
        Distance in pixels [B, heads]; nan where all attention of an image goes to other tokens.
    """
    first, last = layout.class_tokens, layout.class_tokens + layout.patches
    among = weights[:, :, first:last, first:last]
    distances = patch_distances(layout, patch=patch).to(among)
    return ((among * distances).sum(dim=-1) / among.sum(dim=-1)).nanmean(dim=-1)


def patch_distances(layout: TokenLayout, *, patch: int) -> Tensor:
    """Distances of the centres of all pairs of patches in pixels [N, N], float64."""
    rows = torch.arange(layout.rows, dtype=torch.float64).repeat_interleave(layout.columns)
    columns = torch.arange(layout.columns, dtype=torch.float64).repeat(layout.rows)
    return patch * torch.hypot(rows[:, None] - rows, columns[:, None] - columns)
