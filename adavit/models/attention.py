"""Multi-head self-attention with normalised queries and keys, in a fused and an exact form.

Attention is softmax(q k^T / sqrt d) v (Vaswani et al. 2017, arXiv:1706.03762, equation 1); queries
and keys are RMS-normalised along each head first, which bounds the attention logits (Henry et al.
2020, arXiv:2010.04245, here with a learned gain). The fused kernels of PyTorch have no second
derivative on any device; the exact form has all of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.precision import full_precision
from adavit.models.sizes import check_at_least


def exact_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention written out: any order of derivative, memory proportional to N^2.

    Args:
        queries: Queries [B, heads, N, d].
        keys: Keys [B, heads, N, d].
        values: Values [B, heads, N, d].

    Returns:
        Weighted values [B, heads, N, d].
    """
    # Scaling the queries touches N d numbers, scaling the product N^2.
    logits = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return logits.softmax(dim=-1) @ values


class MultiHeadAttention(nn.Module):
    """Self-attention of tokens.

    Args:
        width: Features D of a token.
        heads: Number of heads; must divide the width.

    Raises:
        ValueError: If `heads` does not divide `width`.
    """

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        check_at_least("heads", heads, 1)
        if width % heads:
            divisors = [number for number in range(1, width + 1) if width % number == 0]
            nearest = min(divisors, key=lambda number: abs(number - heads))
            raise ValueError(
                f"heads is {heads}, but must divide width ({width}). Use heads={nearest}, or a width "
                f"that is a multiple of {heads}."
            )
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.query_norm = nn.RMSNorm(width // heads, eps=1e-6)
        self.key_norm = nn.RMSNorm(width // heads, eps=1e-6)
        self.output = nn.Linear(width, width)

    def forward(
        self, tokens: Tensor, *, twice_differentiable: bool, read: int | None = None
    ) -> Tensor:
        """Mixes the tokens of each sample.

        Args:
            tokens: Tokens [B, N, D].
            twice_differentiable: Whether gradients of gradients will be taken; True computes
                attention exactly, False by the fused kernel. Both give the same result up to
                rounding.

            read: How many leading tokens to compute, from all tokens; None for all.

        Returns:
            Tokens [B, read, D].
        """
        batch, count, width = tokens.shape
        if read is None:
            projected = self.query_key_value(tokens)
            parts = projected.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            queries, keys, values = parts.unbind(0)  # each [B, heads, N, d]
        else:
            weight, bias = self.query_key_value.weight, self.query_key_value.bias
            asked = F.linear(tokens[:, :read], weight[:width], bias[:width])
            projected = F.linear(tokens, weight[width:], bias[width:])
            queries = asked.view(batch, read, self.heads, -1).transpose(1, 2)
            keys, values = projected.view(batch, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries = self.query_norm(full_precision(queries)).to(values.dtype)
        keys = self.key_norm(full_precision(keys)).to(values.dtype)
        if twice_differentiable:
            mixed = exact_attention(queries, keys, values)
        else:
            mixed = F.scaled_dot_product_attention(queries, keys, values)
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output


class LayerScale(nn.Module):
    """Learned factor on each feature of a residual branch (Touvron et al. 2021, arXiv:2103.17239, section 2).

    Args:
        width: Features D of a token.
        initial: Initial value of all factors; small ones damp the branch at the start.
    """

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.full((width,), float(initial)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scales tokens [B, N, D]."""
        return tokens * self.factors
