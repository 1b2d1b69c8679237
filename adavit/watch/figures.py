"""Figures of an encoder over a number of images, a few at a time: how far attention and tokens are from collapse."""

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from adavit.models import ViTDiscriminator
from adavit.models.vit.attention import MultiHeadAttention
from adavit.runtime.precision import full_precision
from adavit.watch.attention_flow import (
    attention_between_all_tokens,
    attention_distance,
    rollout_maps,
    rollout_step,
)
from adavit.watch.capture import SeenAttention, Tokens, observe


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


NUMBERS_AT_A_TIME = 2**25
"""Attention weights of one block that are looked at together: 128 MiB in float32."""


@dataclass(frozen=True)
class AttentionFigures:
    """Figures of one attention over all images.

    Attributes:
        name: "block 2", or "block 2 rows".
        entropy: Mean entropy of each head over its largest value, in [0, 1], of the queries that count.
        largest_logit: Largest |logit| of each head, of the queries that count.
    """

    name: str
    entropy: list[float]
    largest_logit: list[float]


@dataclass(frozen=True)
class TokenFigures:
    """Figures of the tokens between two blocks over all images.

    Attributes:
        name: "embedding" or "block 2".
        similarity: Mean cosine between different patches of an image.
        read: Whether the discriminator's logit depends on these tokens.
    """

    name: str
    similarity: float
    read: bool


class CollapseObserver:
    """Collects the figures that tell of collapse: entropy, largest logit, similarity of tokens."""

    def __init__(self) -> None:
        self._entropy = defaultdict[str, list[Tensor]](list)
        self._largest = defaultdict[str, list[Tensor]](list)
        self._similarity = defaultdict[str, list[Tensor]](list)
        self._read: dict[str, bool] = {}

    def attention(self, seen: SeenAttention) -> None:
        """Takes note of entropy and largest logit."""
        logits = seen.logits[..., : seen.read, :].float()
        weights = seen.weights[..., : seen.read, :].float()
        entropy = attention_entropy(weights, logits).mean(dim=(1, 3))  # [B, heads]
        self._entropy[seen.name].append(entropy)
        self._largest[seen.name].append(largest_logit(logits)[None])

    def tokens(self, seen: Tokens) -> None:
        """Takes note of the similarity."""
        self._similarity[seen.name].append(token_similarity(seen.patches))
        self._read[seen.name] = seen.read

    def attention_figures(self) -> list[AttentionFigures]:
        """One for each attention, in order."""
        return [
            AttentionFigures(
                name,
                torch.cat(entropy).mean(dim=0).tolist(),
                torch.cat(self._largest[name]).amax(dim=0).tolist(),
            )
            for name, entropy in self._entropy.items()
        ]

    def token_figures(self) -> list[TokenFigures]:
        """Embedding first, then one for each block."""
        return [
            TokenFigures(name, float(torch.cat(values).mean()), self._read[name])
            for name, values in self._similarity.items()
        ]


class GeometryObserver:
    """Collects where attention goes: distances and rollout.

    Args:
        discriminator: Whose passes it is told of.
    """

    def __init__(self, discriminator: ViTDiscriminator) -> None:
        self._layout = discriminator.encoder.layout
        self._patch = discriminator.encoder.patch
        self._readout = discriminator.readout
        self._distances = defaultdict[str, list[Tensor]](list)
        self._flow: Tensor | None = None

    def attention(self, seen: SeenAttention) -> None:
        """Takes note of the distances, and takes the attention into the rollout."""
        weights = attention_between_all_tokens(seen.weights.float(), seen.direction, self._layout)
        distances = attention_distance(weights, self._layout, patch=self._patch)
        self._distances[seen.name].append(distances)
        self._flow = rollout_step(self._flow, weights)

    def tokens(self, seen: Tokens) -> None:
        """Nothing to note."""

    def finish_pass(self) -> Tensor:
        """Rollout of the images of the last pass [B, rows, columns]; the next one starts anew."""
        assert self._flow is not None
        maps = rollout_maps(self._flow, self._layout, self._readout)
        self._flow = None
        return maps

    def distances_px(self) -> dict[str, list[float]]:
        """Mean attention distance of each head in pixels, by attention."""
        return {
            name: torch.cat(seen).nanmean(dim=0).tolist() for name, seen in self._distances.items()
        }


@dataclass(frozen=True)
class EncoderFigures:
    """Figures and rollout maps of an encoder over a number of images.

    Attributes:
        attention: One for each attention, in order.
        tokens: Embedding first, then one for each block.
        distance_px: Mean attention distance of each head in pixels, by the attention's name.
        maps: Rollout of each image [B, rows, columns], on the CPU.
    """

    attention: list[AttentionFigures]
    tokens: list[TokenFigures]
    distance_px: dict[str, list[float]]
    maps: Tensor

    def as_record(self) -> dict[str, Any]:
        """All but the maps, as plain values."""
        return {
            "attention": [
                {**asdict(item), "distance_px": self.distance_px[item.name]}
                for item in self.attention
            ],
            "tokens": [asdict(item) for item in self.tokens],
        }


def measure_encoder(discriminator: ViTDiscriminator, images: Tensor) -> EncoderFigures:
    """Measures an encoder's attention and tokens over images.

    In the last attention the queries of registers, and of patches where the class token alone is read, are computed
    for the distances, but count for neither entropy nor largest logit: no logit depends on them.

    Args:
        discriminator: In float32, on the device of the images.
        images: Images [B, C, H, W] in [-1, 1].
    """
    collapse, geometry = CollapseObserver(), GeometryObserver(discriminator)
    maps = []
    for part in images.split(images_at_a_time(discriminator)):
        observe(discriminator, part, collapse, geometry)
        maps.append(geometry.finish_pass().cpu())
    return EncoderFigures(
        attention=collapse.attention_figures(),
        tokens=collapse.token_figures(),
        distance_px=geometry.distances_px(),
        maps=torch.cat(maps),
    )


def images_at_a_time(discriminator: ViTDiscriminator) -> int:
    """So many images that the attention of one block fits into `NUMBERS_AT_A_TIME`, at least 1."""
    heads = max(
        module.heads for module in discriminator.modules() if isinstance(module, MultiHeadAttention)
    )
    return max(1, NUMBERS_AT_A_TIME // (heads * discriminator.encoder.layout.count**2))
