"""How far attention and tokens are from collapse: entropy, largest logit, similarity of the tokens."""

import math

import torch
from torch import Tensor

from adavit.runtime.precision import full_precision


def attention_entropy(weights: Tensor, logits: Tensor) -> Tensor:
    """Entropy of attention over its largest possible value.

    -sum_j A_ij log A_ij / log K, the entropy of Zhai et al. 2023 (arXiv:2303.06296) over that
    of K equal weights. K is the number of tokens that a query may look at: a masked token counts for none.

    Args:
        weights: Attention [..., R, K], rows sum to 1.
        logits: What softmax was given, of the same shape; -inf where a token is masked.

    Returns:
        Entropy [..., R] in [0, 1]: 0 for one-hot, 1 for uniform attention. Also 1 where a query may look at
        one token only: it has not collapsed, it has no choice.
    """
    visible = (logits > -math.inf).sum(dim=-1)
    most = visible.clamp(min=2).to(weights.dtype).log()
    return torch.where(visible > 1, torch.special.entr(weights).sum(dim=-1) / most, 1.0)


def largest_logit(logits: Tensor) -> Tensor:
    """Largest absolute logit of each head; attention l2 leaves out what is the same for all keys.

    Args:
        logits: Logits [B, L, heads, R, K]; -inf is a mask and does not count.

    Returns:
        Largest |logit| [heads], >= 0.
    """
    return logits.masked_fill(logits == -math.inf, 0.0).abs().amax(dim=(0, 1, 3, 4))


def token_similarity(tokens: Tensor) -> Tensor:
    """Mean cosine between different tokens of an image.

    At 1 all tokens point the same way: the rank collapse of Dong et al. 2021 (arXiv:2103.03404). With
    unit vectors u_i the mean over pairs is (|sum_i u_i|^2 - N) / (N^2 - N).

    Args:
        tokens: Tokens [B, N, D].

    Returns:
        Mean cosine of each image [B] in [-1 / (N - 1), 1]; nan with a single token.
    """
    count = tokens.shape[1]
    units = torch.nn.functional.normalize(full_precision(tokens), dim=2)
    own = units.square().sum(dim=(1, 2))  # N, but for tokens that are all zero
    together = units.sum(dim=1).square().sum(dim=1)
    pairs = count * (count - 1)
    return (together - own) / pairs if pairs else torch.full_like(together, math.nan)
