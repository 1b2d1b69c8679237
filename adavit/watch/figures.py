"""Figures of an encoder over a number of images, a few at a time."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from adavit.models import ViTDiscriminator
from adavit.models.vit.attention import MultiHeadAttention
from adavit.watch.attention_distance import attention_distance
from adavit.watch.axial_attention import whole_attention
from adavit.watch.capture import Attention, Tokens, observe
from adavit.watch.collapse import attention_entropy, largest_logit, token_similarity
from adavit.watch.rollout import rollout_maps, rollout_step

NUMBERS_AT_A_TIME = 2**25
"""Attention weights of one block that are looked at together: 128 MiB in float32."""


@dataclass(frozen=True)
class AttentionFigures:
    """One attention, over all images.

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
    """The tokens between two blocks, over all images.

    Attributes:
        name: "embedding" or "block 2".
        similarity: Mean cosine between different patches of an image.
        read: Whether the discriminator's logit depends on these tokens.
    """

    name: str
    similarity: float
    read: bool


class CollapseObserver:
    """Collects what tells of collapse."""

    def __init__(self) -> None:
        self._entropy = defaultdict[str, list[Tensor]](list)
        self._largest = defaultdict[str, list[Tensor]](list)
        self._similarity = defaultdict[str, list[Tensor]](list)
        self._read: dict[str, bool] = {}

    def attention(self, seen: Attention) -> None:
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
        self._patch = discriminator.encoder.image_size[0] // self._layout.rows
        self._readout = discriminator.readout
        self._distances = defaultdict[str, list[Tensor]](list)
        self._flow: Tensor | None = None

    def attention(self, seen: Attention) -> None:
        """Takes note of the distances, and takes the attention into the rollout."""
        weights = whole_attention(seen.weights.float(), seen.direction, self._layout)
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
    """What an encoder does with a number of images.

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
    """Looks at the encoder at work.

    In the last block the queries of a discriminator that reads the class token alone are computed for the
    distances, but count for neither entropy nor largest logit: no logit depends on them.

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
