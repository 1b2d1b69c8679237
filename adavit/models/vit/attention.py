"""Multi-head self-attention: its scores (how alike a query and a key are) and its softmax.

The variants differ in their logits only. Each score turns its logits into scaled products of queries
and keys, so that all of them go through the same kernels: `normalise` before positions are rotated
in, `products` and `mask` after.

The fused kernels of PyTorch keep no N x N matrix, but have no second derivative on any device; the
exact form has derivatives of all orders. The caller says whether second derivatives are due.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.layers import Dense
from adavit.models.prepared_weights import prepared
from adavit.models.sizes import check_at_least
from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.norm import RMSNorm, over_root_mean_square
from adavit.models.vit.position import NoAttentionPosition
from adavit.runtime.precision import full_precision

EPSILON = 1e-6
"""Added to mean squares of queries and keys."""


EXACT_UP_TO_TOKENS = {torch.bfloat16: 300, torch.float32: 100}
"""On a CPU, in training. Forward and backward of 16 images, 6 heads of 64 features, one core, fused against exact: in
bfloat16 28.2 against 4.8 ms with 65 tokens, 74 against 37 with 257, in float32 8.2 against 6.5 and 60 against 69."""


class DotScore(nn.Module):
    """Scaled products, q k / sqrt d (Vaswani et al. 2017, arXiv:1706.03762, equation 1).

    Args:
        heads: Heads of the attention.
        head_width: Features d of a head.
    """

    tied: ClassVar[bool] = False
    """Whether queries and keys are the same projection of the tokens."""

    def __init__(self, *, heads: int, head_width: int) -> None:
        super().__init__()
        self.scale = head_width**-0.5

    def normalise(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Returns queries [B, heads, R, d] and keys [B, heads, T, d], bounded if the score does so."""
        return queries, keys

    def products(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, float]:
        """Queries and keys [..., e] and a scale whose scaled products are the logits.

        What is the same for all keys of a query may be missing: softmax takes it out.
        """
        return queries, keys, self.scale

    def mask(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        """What is added to the logits [1, 1, R, T], or None."""
        return None


class QKNormScore(DotScore):
    """Scaled products of RMS-normalised queries and keys, which bounds the logits.

    Henry et al. 2020 (arXiv:2010.04245), here with a learned gain on each feature.
    """

    def __init__(self, *, heads: int, head_width: int) -> None:
        super().__init__(heads=heads, head_width=head_width)
        self.query_norm = RMSNorm(head_width, eps=EPSILON)
        self.key_norm = RMSNorm(head_width, eps=EPSILON)

    def normalise(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys of mean square 1, times the gains."""
        if queries.shape != keys.shape:
            return self.query_norm(queries), self.key_norm(keys)
        # Both at once: a norm is a dozen small kernels with its gradient.
        both = torch.stack((queries, keys))
        gains = torch.stack([prepared(norm.weight) for norm in (self.query_norm, self.key_norm)])
        normalised = over_root_mean_square(both, EPSILON) * gains[:, None, None, None]
        queries, keys = normalised.to(queries.dtype).unbind(0)
        return queries, keys


class L2Score(DotScore):
    """Negative squared distances, -||q - k||^2 / sqrt d, of tied queries and keys.

    Kim et al. 2021 (arXiv:2006.04710, section 3.2), which makes attention Lipschitz; ViTGAN
    (arXiv:2107.04589) prints it without the minus. Because -||q - k||^2 = 2 q k - ||k||^2 - ||q||^2 and
    softmax takes out the last term, it is a product of (sqrt 2 q, 1) and (sqrt 2 k, -||k||^2).
    """

    tied: ClassVar[bool] = True

    def products(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, float]:
        """The widened queries and keys."""
        squares = full_precision(keys).square().sum(dim=-1, keepdim=True).to(keys.dtype)
        queries = torch.cat([math.sqrt(2.0) * queries, torch.ones_like(queries[..., :1])], dim=-1)
        return queries, torch.cat([math.sqrt(2.0) * keys, -squares], dim=-1), self.scale


class LocalityScore(DotScore):
    """Locality self-attention: a learned temperature for each head, and no token looks at itself.

    Lee et al. 2021 (arXiv:2112.13492, section 3), for small data sets. The temperature starts at
    the usual sqrt d.
    """

    def __init__(self, *, heads: int, head_width: int) -> None:
        super().__init__(heads=heads, head_width=head_width)
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), math.sqrt(head_width)))

    def products(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, float]:
        """Queries over the temperature."""
        return queries / self.temperature.to(queries.dtype), keys, 1.0

    def mask(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        """Minus infinity for a token and itself; nothing if there is but one token."""
        count, of = queries.shape[2], keys.shape[2]
        if of == 1:
            return None
        mask = torch.zeros(count, of, dtype=queries.dtype, device=queries.device)
        return mask.fill_diagonal_(-math.inf)[None, None]


class MultiHeadAttention(nn.Module):
    """Self-attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2).

    Args:
        layout: Of the tokens.
        width: Features D of a token.
        heads: Number of heads; must divide the width.
        score: How alike queries and keys are.
        position: What attention knows of positions, from `position`.

    Raises:
        ValueError: If `heads` does not divide `width`.
    """

    goes_with: ClassVar = dict.fromkeys(("score", "position"), ("query_key_value",))
    """What is learnt of each head."""

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
            divisors = [
                number for number in range(1, min(width, 1 << 16) + 1) if width % number == 0
            ]
            nearest = min(divisors, key=lambda number: abs(number - heads))
            raise ValueError(
                f"heads is {heads}, but must divide width ({width}). Use heads={nearest}, or a"
                f" width that is a multiple of {heads}."
            )
        self.heads = heads
        self.tied = score.tied
        # Tied queries and keys are one projection, which comes first.
        self.query_key_value = Dense(width, (2 if score.tied else 3) * width)
        self.score = score(heads=heads, head_width=width // heads)
        self.position = position(layout, heads=heads, head_width=width // heads)
        self.softmax = nn.Softmax(dim=-1)  # a module, so that a hook on it sees logits and weights
        self.output = Dense(width, width)

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
        # Split, not sliced: the gradient of a slice is a tensor of zeros around it, those of all parts are one.
        of_queries, of_others = zip(
            *(part.split((width, 2 * width)) for part in self.query_key_value.used()), strict=True
        )
        (queries,) = self._heads(F.linear(tokens[:, :read], *of_queries), 1)
        keys, values = self._heads(F.linear(tokens, *of_others), 2)
        return queries, keys, values

    def _heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Splits [B, T, parts D] into parts of [B, heads, T, d]."""
        # Heads and tokens change places behind the split: the gradients of the parts are then joined in one pass.
        split = projected.unflatten(2, (parts, self.heads, -1)).unbind(2)
        return tuple(part.transpose(1, 2) for part in split)


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
        twice_differentiable: Whether gradients of gradients will be taken: True for the exact form, which few tokens
            on a CPU go through too.

    Returns:
        Weighted values [B, heads, R, d].
    """
    bias = None if bias is None else bias.to(queries.dtype)
    if twice_differentiable or _is_exact_faster(queries, keys):
        return exact_attention(queries, keys, values, scale=scale, bias=bias, softmax=softmax)
    return fused_attention(queries, keys, values, scale=scale, bias=bias)


def _is_exact_faster(queries: Tensor, keys: Tensor) -> bool:
    """Whether the formula and its gradient take less time than the fused kernel and its own."""
    trained = torch.is_grad_enabled() and queries.requires_grad
    few = keys.shape[2] <= EXACT_UP_TO_TOKENS.get(queries.dtype, 0)
    return trained and few and queries.device.type == "cpu"


def exact_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    scale: float,
    bias: Tensor | None,
    softmax: nn.Module,
) -> Tensor:
    """`softmax_attention`, in its shapes, written out: any order of derivative, memory in proportion to R T."""
    # Scaling the queries touches T e numbers, scaling the product T^2.
    logits = (queries * scale) @ keys.transpose(-2, -1)
    weights = softmax(logits if bias is None else logits + bias)
    mixed: Tensor = weights @ values
    return mixed


def fused_attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, scale: float, bias: Tensor | None
) -> Tensor:
    """The same, in the same shapes, by PyTorch's kernel, which has a first derivative only."""
    wanted, width = values.shape[-1], queries.shape[-1]
    if width != wanted:  # the kernels want one width for all three, and multiples of 8
        wide = width + -width % 8
        queries, keys, values = (
            F.pad(part, (0, wide - part.shape[-1])) for part in (queries, keys, values)
        )
    mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=scale)
    return mixed[..., :wanted]
