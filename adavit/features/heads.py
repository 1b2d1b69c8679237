"""Small trained networks on the maps of a frozen one: each judges places of an image, not the whole."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.architectures import LOGIT_KERNEL
from adavit.models.epilogue import minibatch_std
from adavit.models.last_layer import LastLayer, Projection
from adavit.models.names import part
from adavit.models.vit.constraints import SpectralNorm, constrain

LEAK = 0.2
TOKEN_WIDTH = 256
"""Channels between the two layers of a head on the class token."""
_LARGEST_JUDGED = 12
_INITIAL_STD = 0.25
"""Of the weights below their spectral norm: it takes the scale off them and leaves how fast they turn."""

_NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "batch": partial(nn.BatchNorm2d, track_running_stats=False),
}
"""Of the channels within a head, by the value of `features.normalization`."""


class PlacesJudged(NamedTuple):
    """What a head says of images.

    Attributes:
        logits: Of their places [B, places], float32.
        vectors: What its last layer has read them of.
    """

    logits: Tensor
    vectors: tuple[Tensor]


class Head(nn.Module):
    """A network on one map of features: layers, which `within` goes through, and a last one."""

    readout: LastLayer

    def within(self, features: Tensor) -> Tensor:
        """What the last layer is given, of maps [B, C, h, w]."""
        raise NotImplementedError

    def judge(self, features: Tensor, labels: Tensor | None) -> PlacesJudged:
        """What it says of images with maps [B, C, h, w] and classes [B]."""
        vectors = self.readout.prepare(self.within(features))
        logits: Tensor = self.readout.read(vectors, labels)
        return PlacesJudged(logits.reshape(len(logits), -1).float(), (vectors,))

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Logits [B, places], float32, of maps [B, C, h, w] and their classes [B]."""
        return self.judge(features, labels).logits


class PatchHead(Head):
    """Convolutions from a map of features to logits of overlapping places (Sauer et al. 2021, arXiv:2111.01007).

    A 1x1 convolution to `width` channels, 4x4 ones of stride 2 while the map has 12 or more pixels a side, a 3x3
    one, and a 4x4 one without padding; all with spectral norm 1 and leaky ReLU between them. With `normalization`
    "batch", as published, each channel is brought to mean 0 and variance 1 over the images and places of a pass
    before its leaky ReLU, but after the first layer, in training as in evaluation. The last one is also given how
    much the maps differ within a group of images (Karras et al. 2018, arXiv:1710.10196, section 3): by what is
    plausible at each place alone, one motif for all images passes.

    Args:
        channels: Of the map.
        side: Of the map, >= `LOGIT_KERNEL`.
        width: Channels within.
        normalization: none or batch.
        minibatch_std_group: Images of a group; 0 for no such statistics.
        num_classes: Number of classes, seen by projection; 0 for none.

    Raises:
        ValueError: If there is no such normalisation.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        *,
        width: int,
        normalization: str,
        minibatch_std_group: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.minibatch_std_group = minibatch_std_group
        layers = [_convolution(channels, width, 1)]
        while side >= _LARGEST_JUDGED:
            layers.append(_convolution(width, width, 4, stride=2, padding=1))
            side //= 2
        layers.append(_convolution(width, width, 3, padding=1))
        self.layers = nn.ModuleList(layers)
        norm = part(_NORMALIZATIONS, "normalization", normalization)
        self.norms = nn.ModuleList(
            norm(width) if index > 0 else nn.Identity() for index in range(len(layers))
        )
        self.readout = LastLayer(
            _convolution(
                width + int(minibatch_std_group > 0), width if num_classes else 1, LOGIT_KERNEL
            ),
            Projection(num_classes, width) if num_classes else None,
        )

    def within(self, features: Tensor) -> Tensor:
        """Maps [B, width (+ 1), h, w], smaller."""
        given = features
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = F.leaky_relu(norm(layer(features)), LEAK)
        if not self.minibatch_std_group:
            return features
        deviation = minibatch_std(given, self.minibatch_std_group).to(features.dtype)
        plane = deviation[:, None, None, None].expand(-1, 1, *features.shape[2:])
        return torch.cat([features, plane], dim=1)


class TokenHead(Head):
    """Two dense layers from a vector of the whole image to its logit (Kumari et al. 2022, arXiv:2112.09130).

    Args:
        channels: Of the vector.
        num_classes: Number of classes, seen by projection; 0 for none.
    """

    def __init__(self, channels: int, *, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, TOKEN_WIDTH)
        self.readout = LastLayer(
            nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH if num_classes else 1),
            Projection(num_classes, TOKEN_WIDTH) if num_classes else None,
        )

    def within(self, features: Tensor) -> Tensor:
        """Vectors [B, `TOKEN_WIDTH`] of vectors [B, C, 1, 1]."""
        return F.leaky_relu(self.hidden(features.flatten(1)), LEAK)


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)
    with torch.no_grad():
        layer.weight.normal_(0.0, _INITIAL_STD)
        assert layer.bias is not None
        layer.bias.zero_()
    # Of the weight alone: steps of a power iteration in each pass would depend on how many passes there were.
    constrain(layer, SpectralNorm)
    return layer
