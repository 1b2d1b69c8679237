"""Class labels in a discriminator by projection (Miyato and Koyama 2018, arXiv:1802.05637, in StyleGAN2-ADA's form)."""

import math

import torch
from torch import Tensor, nn

from adavit.models.layers import EqualisedLinear
from adavit.models.mapping import LabelEmbedding
from adavit.runtime.precision import full_precision


class LabelProjection(nn.Module):
    """Scores feature vectors against a learned vector of each class.

    D(x, c) = <h(x), m(c)> / sqrt(M), where m is an embedding normalised to mean square 1 and two
    dense layers whose learning rate is a hundredth (arXiv:2006.06676, appendix D).

    Args:
        num_classes: Number of classes, >= 1.
        features: Length M of the vectors.
    """

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__()
        self.embedding = LabelEmbedding(num_classes, features)
        self.layers = nn.Sequential(
            EqualisedLinear(features, features, activation=True, lr_multiplier=0.01),
            EqualisedLinear(features, features, activation=True, lr_multiplier=0.01),
        )
        self.gain = 1.0 / math.sqrt(features)

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Scores vectors [B, M] of samples with labels [B]: logits [B], float32."""
        with torch.autocast(vectors.device.type, enabled=False):
            return (full_precision(vectors) * self.layers(self.embedding(labels))).sum(
                dim=1
            ) * self.gain
