"""The pre-norm block of the vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929, equations 2 and 3)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from adavit.models.layers import Dense
from adavit.models.prepared_weights import Used, prepared
from adavit.models.vit.attention import DotScore, MultiHeadAttention
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.norm import LayerNorm
from adavit.models.vit.position import NoAttentionPosition


class LayerScale(nn.Module):
    """Learned factor on each feature of a residual branch (Touvron et al. 2021, arXiv:2103.17239, section 2).

    Args:
        width: Features D of a token.
        initial: Initial value of all factors; small ones damp the branch at the start.
    """

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.full((width,), float(initial)))

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.factors, 1.0, autocast=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scales tokens [B, N, D]."""
        return tokens * prepared(self.factors)


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each on normalised tokens, scaled and added to the tokens.

    Args:
        layout: Of the tokens.
        width: Features D of a token.
        heads: Heads of the attention.
        mlp_ratio: Width of the hidden layer over D.
        layer_scale: Initial factor on both branches.
        score: How alike queries and keys are.
        position: What attention knows of positions.

    Raises:
        ValueError: If `heads` does not divide `width`, or the hidden layer would be empty.
    """

    def __init__(
        self,
        layout: TokenLayout,
        *,
        width: int,
        heads: int,
        mlp_ratio: float,
        layer_scale: float,
        score: type[DotScore],
        position: type[NoAttentionPosition],
    ) -> None:
        super().__init__()
        hidden = round(width * mlp_ratio)
        if hidden < 1:
            raise ValueError(
                f"mlp_ratio is {mlp_ratio}, but mlp_ratio * width ({width}) must be at least 1. Use"
                " mlp_ratio=4."
            )
        self.attention_norm = LayerNorm(width, eps=1e-6)
        self.attention = MultiHeadAttention(
            layout, width=width, heads=heads, score=score, position=position
        )
        self.attention_scale = LayerScale(width, layer_scale)
        self.mlp_norm = LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(Dense(width, hidden), nn.GELU(), Dense(hidden, width))
        self.mlp_scale = LayerScale(width, layer_scale)

    def forward(
        self,
        tokens: Tensor,
        *,
        twice_differentiable: bool,
        read: int | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Maps tokens [B, T, D] to the first `read` of them (None: all); the rest is attention's."""
        mixed = self.attention(
            self.attention_norm(tokens),
            twice_differentiable=twice_differentiable,
            read=read,
            places=places,
        )
        tokens = tokens[:, :read] + self.attention_scale(mixed)
        output: Tensor = tokens + self.mlp_scale(self.mlp(self.mlp_norm(tokens)))
        return output
