"""Softmax attention, fused or exact: the one place where it is decided which.

The fused kernels of PyTorch keep no N x N matrix, but have no second derivative on any device; the
exact form has derivatives of all orders. The caller says whether second derivatives are due.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def softmax_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    scale: float,
    bias: Tensor | None,
    softmax: nn.Module,
    twice_differentiable: bool,
) -> Tensor:
    """Weighted values, softmax(scale q k^T + bias) v.

    Args:
        queries: Queries [B, heads, R, e].
        keys: Keys [B, heads, T, e].
        values: Values [B, heads, T, d].
        scale: Factor on the products.
        bias: Added to the scaled products, [1 or B, heads or 1, R, T], or None.
        softmax: Softmax over the last axis; where the exact form makes the weights [B, heads, R, T].
        twice_differentiable: Whether gradients of gradients will be taken: True for the exact form.

    Returns:
        Weighted values [B, heads, R, d].
    """
    bias = None if bias is None else bias.to(queries.dtype)
    if twice_differentiable:
        return exact_attention(queries, keys, values, scale=scale, bias=bias, softmax=softmax)
    return fused_attention(queries, keys, values, scale=scale, bias=bias)


def exact_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    scale: float,
    bias: Tensor | None,
    softmax: nn.Module,
) -> Tensor:
    """The formula written out: any order of derivative, memory in proportion to T^2."""
    # Scaling the queries touches T e numbers, scaling the product T^2.
    logits = (queries * scale) @ keys.transpose(-2, -1)
    weights = softmax(logits if bias is None else logits + bias)
    mixed: Tensor = weights @ values
    return mixed


def fused_attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, scale: float, bias: Tensor | None
) -> Tensor:
    """The same by PyTorch's kernel, which has a first derivative only."""
    wanted, width = values.shape[-1], queries.shape[-1]
    if width != wanted:  # the kernels want one width for all three, and multiples of 8
        wide = width + -width % 8
        queries, keys, values = (
            F.pad(part, (0, wide - part.shape[-1])) for part in (queries, keys, values)
        )
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=scale)
    return mixed[..., :wanted]
