"""Attention distance (how far in the image a head looks) and attention rollout (what the readout has of each patch)."""

import torch
from torch import Tensor

from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.readout import Readout
from adavit.runtime.patch import Patch


def attention_between_all_tokens(weights: Tensor, direction: str, layout: TokenLayout) -> Tensor:
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


def attention_distance(weights: Tensor, layout: TokenLayout, *, patch: Patch) -> Tensor:
    """Distance of the patches that are looked at, weighted by attention.

    Dosovitskiy et al. 2021 (arXiv:2010.11929, figure 7 right and appendix D.7): the mean over query
    patches i of sum_j A_ij |c_i - c_j|, with c the centres of the patches. Class token and registers are left
    out and the rest of a row is scaled to sum to 1.

    Args:
        weights: Attention [B, heads, R, T] over all tokens; its first rows are class token and patches.
        layout: Of the tokens.
        patch: Distances of neighbouring patches.

    Returns:
        Distance in pixels [B, heads]; nan where all attention of an image goes to other tokens.
    """
    first, last = layout.class_tokens, layout.class_tokens + layout.patches
    among = weights[:, :, first:last, first:last]
    distances = patch_distances(layout, patch=patch).to(among)
    return ((among * distances).sum(dim=-1) / among.sum(dim=-1)).nanmean(dim=-1)


def patch_distances(layout: TokenLayout, *, patch: Patch) -> Tensor:
    """Distances of the centres of all pairs of patches in pixels [N, N], float64."""
    rows = torch.arange(layout.rows, dtype=torch.float64).repeat_interleave(layout.columns)
    columns = torch.arange(layout.columns, dtype=torch.float64).repeat(layout.rows)
    down, right = patch.height * (rows[:, None] - rows), patch.width * (columns[:, None] - columns)
    return torch.hypot(down, right)


def rollout_step(flow: Tensor | None, weights: Tensor) -> Tensor:
    """Takes one attention into the flow of information from the first tokens.

    Abnar and Zuidema 2020 (arXiv:2005.00928, section 3): R_l = (W_l + I) / 2 R_{l-1}, where W is the mean
    over heads and I stands for the residual connection. Rows are scaled to sum to 1.

    Args:
        flow: R before this attention [B, T, T]; None before the first.
        weights: Attention [B, heads, R, T]; R is smaller than T where the last tokens are not computed.

    Returns:
        R after it [B, R, T], rows sum to 1.
    """
    mean = weights.mean(dim=1)
    queries, count = mean.shape[1:]
    mixed = (mean + torch.eye(queries, count, dtype=mean.dtype, device=mean.device)) / 2
    mixed = mixed / mixed.sum(dim=2, keepdim=True)
    return mixed if flow is None else mixed @ flow


def rollout_maps(flow: Tensor, layout: TokenLayout, readout: Readout) -> Tensor:
    """What the readout receives from each patch.

    From the row of the class token, from the mean row of the patches, or from the mean of both, as the readout
    does. What comes from class token and registers is left out, so a map sums to 1 at most.

    Args:
        flow: R after the last attention [B, R, T].
        layout: Of the tokens.
        readout: Of the discriminator.

    Returns:
        Maps [B, rows, columns], >= 0.
    """
    first, last = layout.class_tokens, layout.class_tokens + layout.patches
    read = []
    if layout.class_tokens:
        read.append(flow[:, 0])
    if readout.patches:
        read.append(flow[:, first:last].mean(dim=1))
    maps = torch.stack(read).mean(dim=0)[:, first:last]
    return maps.unflatten(1, (layout.rows, layout.columns))


def effective_share(maps: Tensor) -> Tensor:
    """Part of the patches over which a map is spread.

    exp(entropy) / N of the map scaled to sum to 1: 1 for a uniform map, 1 / N for a single patch.

    Args:
        maps: Maps [B, rows, columns], >= 0.

    Returns:
        Share of each map [B] in [1 / N, 1]; nan for a map of zeros.
    """
    flat = maps.flatten(1)
    flat = flat / flat.sum(dim=1, keepdim=True)
    return torch.special.entr(flat).sum(dim=1).exp() / flat.shape[1]
