"""How alike a query and a key are: the variants of attention that differ in its logits only.

Each turns its logits into scaled products of queries and keys, so that all of them go through the
same kernels: `normalise` before positions are rotated in, `products` and `mask` after.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from adavit.runtime.precision import full_precision


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
        self.query_norm = nn.RMSNorm(head_width, eps=1e-6)
        self.key_norm = nn.RMSNorm(head_width, eps=1e-6)

    def normalise(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys of mean square 1, times the gains."""
        return (
            self.query_norm(full_precision(queries)).to(queries.dtype),
            self.key_norm(full_precision(keys)).to(keys.dtype),
        )


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
