"""Multi-head self-attention of tokens, with the score and the sense of position it is given."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.sizes import check_at_least
from adavit.models.vit.attention_position import NoAttentionPosition
from adavit.models.vit.kernel import softmax_attention
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.scores import DotScore


class MultiHeadAttention(nn.Module):
    """Self-attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2).

    Args:
        layout: Of the tokens.
        width: Features D of a token.
        heads: Number of heads; must divide the width.
        score: How alike queries and keys are, from `scores`.
        position: What attention knows of positions, from `attention_position`.

    Raises:
        ValueError: If `heads` does not divide `width`.
    """

    def __init__(
        self,
        layout: TokenLayout,
        *,
        width: int,
        heads: int,
        score: type[DotScore],
        position: type[NoAttentionPosition],
    ) -> None:
        super().__init__()
        check_at_least("heads", heads, 1)
        if width % heads:
            divisors = [number for number in range(1, width + 1) if width % number == 0]
            nearest = min(divisors, key=lambda number: abs(number - heads))
            raise ValueError(
                f"heads is {heads}, but must divide width ({width}). Use heads={nearest}, or a"
                f" width that is a multiple of {heads}."
            )
        self.heads = heads
        self.tied = score.tied
        # Tied queries and keys are one projection, which comes first.
        self.query_key_value = nn.Linear(width, (2 if score.tied else 3) * width)
        self.score = score(heads=heads, head_width=width // heads)
        self.position = position(layout, heads=heads, head_width=width // heads)
        self.softmax = nn.Softmax(dim=-1)  # a module, so that a hook on it sees logits and weights
        self.output = nn.Linear(width, width)

    def forward(
        self,
        tokens: Tensor,
        *,
        twice_differentiable: bool,
        read: int | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Mixes the tokens of each sample.

        Args:
            tokens: Tokens [B, T, D].
            twice_differentiable: Whether gradients of gradients will be taken; True computes
                attention exactly, False by the fused kernel. Both give the same result up to
                rounding.
            read: How many leading tokens to compute, from all tokens; None for all.
            places: Numbers of the tokens in the layout [B, T], where some were dropped; or None.

        Returns:
            Tokens [B, read, D].
        """
        queries, keys, values = self._project(tokens, read)
        queries, keys = self.score.normalise(queries, keys)
        queries = self.position.rotate(queries, places)
        keys = self.position.rotate(keys, places)
        bias = self.position.bias(places)
        if bias is not None and read is not None:
            bias = bias[:, :, :read]
        mask = self.score.mask(queries, keys)
        queries, keys, scale = self.score.products(queries, keys)
        mixed = softmax_attention(
            queries,
            keys,
            values,
            scale=scale,
            bias=mask if bias is None else bias if mask is None else bias + mask,
            softmax=self.softmax,
            twice_differentiable=twice_differentiable,
        )
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output

    def _project(self, tokens: Tensor, read: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, R, d], keys and values [B, heads, T, d]."""
        if self.tied:
            keys, values = self._heads(self.query_key_value(tokens), 2)
            return keys[:, :, :read], keys, values
        if read is None:
            queries, keys, values = self._heads(self.query_key_value(tokens), 3)
            return queries, keys, values
        width = tokens.shape[2]
        # Once into a variable: under a weight constraint each look computes it anew.
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        (queries,) = self._heads(F.linear(tokens[:, :read], weight[:width], bias[:width]), 1)
        keys, values = self._heads(F.linear(tokens, weight[width:], bias[width:]), 2)
        return queries, keys, values

    def _heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Splits [B, T, parts D] into parts of [B, heads, T, d]."""
        split = projected.unflatten(2, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return cast(tuple[Tensor, ...], split.unbind(0))
