"""Small trained networks on the maps of a frozen one: each judges places of an image, not the whole."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from adavit.models.mapping import LabelEmbedding

LEAK = 0.2
LOGIT_KERNEL = 4
"""Side of the convolution that gives the logits; the smallest map that a head can judge."""
TOKEN_WIDTH = 256
"""Channels between the two layers of a head on the class token."""
_LARGEST_JUDGED = 12
_INITIAL_STD = 0.25
"""Of the weights below their spectral norm: it takes the scale off them and leaves how fast they turn."""


class PatchHead(nn.Module):
    """Convolutions from a map of features to logits of overlapping places (Sauer et al. 2021, arXiv:2111.01007).

    A 1x1 convolution to `width` channels, 4x4 ones of stride 2 while the map has 12 or more pixels a side, a 3x3
    one, and a 4x4 one without padding; all with spectral norm 1, leaky ReLU between them, and no statistics of the
    batch.

    Args:
        channels: Of the map.
        side: Of the map, >= `LOGIT_KERNEL`.
        width: Channels within.
        num_classes: Number of classes, seen by projection (Miyato and Koyama 2018); 0 for none.
    """

    def __init__(self, channels: int, side: int, *, width: int, num_classes: int) -> None:
        super().__init__()
        layers = [_convolution(channels, width, 1)]
        while side >= _LARGEST_JUDGED:
            layers.append(_convolution(width, width, 4, stride=2, padding=1))
            side //= 2
        layers.append(_convolution(width, width, 3, padding=1))
        self.layers = nn.ModuleList(layers)
        self.readout = _convolution(width, width if num_classes else 1, LOGIT_KERNEL)
        self.embedding = LabelEmbedding(num_classes, width) if num_classes else None
        self.gain = 1.0 / math.sqrt(width)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Logits [B, places], float32, of maps [B, C, h, w] and their classes [B]."""
        for layer in self.layers:
            features = nn.functional.leaky_relu(layer(features), LEAK)
        judged: Tensor = self.readout(features)
        if self.embedding is not None:
            assert labels is not None
            vectors = self.embedding(labels).to(judged.dtype)[:, :, None, None]
            judged = (judged * vectors).sum(dim=1, keepdim=True) * self.gain
        return judged.flatten(1).float()


class TokenHead(nn.Module):
    """Two dense layers from a vector of the whole image to its logit (Kumari et al. 2022, arXiv:2112.09130).

    Args:
        channels: Of the vector.
        num_classes: Number of classes, seen by projection (Miyato and Koyama 2018); 0 for none.
    """

    def __init__(self, channels: int, *, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, TOKEN_WIDTH)
        self.readout = nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH if num_classes else 1)
        self.embedding = LabelEmbedding(num_classes, TOKEN_WIDTH) if num_classes else None
        self.gain = 1.0 / math.sqrt(TOKEN_WIDTH)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Logits [B, 1], float32, of vectors [B, C, 1, 1] and the classes [B] of their images."""
        judged: Tensor = self.readout(F.leaky_relu(self.hidden(features.flatten(1)), LEAK))
        if self.embedding is not None:
            assert labels is not None
            vectors = self.embedding(labels).to(judged.dtype)
            judged = (judged * vectors).sum(dim=1, keepdim=True) * self.gain
        return judged.float()


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)
    with torch.no_grad():
        layer.weight.normal_(0.0, _INITIAL_STD)
        assert layer.bias is not None
        layer.bias.zero_()
    normed: nn.Module = spectral_norm(layer)
    return normed
