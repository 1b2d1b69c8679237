"""Attention rollout: from which patches what the discriminator reads has come."""

import torch
from torch import Tensor

from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.readout import Readout


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
