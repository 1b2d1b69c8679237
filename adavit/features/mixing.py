"""Frozen random mixing of maps across channels and scales (Sauer et al. 2021, arXiv:2111.01007, section 3.2).

A critic on the maps as they are looks at what their network found easy; mixed at random, no part of them can be
passed over.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelMixing(nn.Module):
    """A random 1x1 convolution of each map, never trained: 64 channels for the finest, then twice as many for each.

    Args:
        channels: Of the maps, from fine to coarse.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(64 * 2**index for index in range(len(channels)))
        self.mixed = nn.ModuleList(
            nn.Conv2d(before, after, 1)
            for before, after in zip(channels, self.channels, strict=True)
        )
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, c, h, w], as many and as large as before."""
        return [mix(features) for mix, features in zip(self.mixed, maps, strict=True)]


class ScaleMixing(nn.Module):
    """The same, then each map is added to the coarser ones, brought to its size, through random 1x1 convolutions.

    y_n = c_n(f_n) and y_i = c_i(up(y_{i+1}) + f_i): maps keep their sizes, and halve their channels towards the
    finer one. up is bilinear between the centres of pixels; the authors' code aligns the corners of the maps.

    Args:
        channels: Of the maps, from fine to coarse.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.within = ChannelMixing(channels)
        widths = self.within.channels
        self.channels = (widths[0], *widths[:-1])
        self.across = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in zip(widths, self.channels, strict=True)
        )
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, c, h, w], as many and as large as before."""
        mixed = self.within(maps)
        results = [self.across[-1](mixed[-1])]
        for fine, convolution in zip(mixed[-2::-1], list(self.across)[-2::-1], strict=True):
            size = fine.shape[-2:]
            above = F.interpolate(results[0], size=size, mode="bilinear", align_corners=False)
            results.insert(0, convolution(above + fine))
        return results


MIXINGS = {"none": None, "channels": ChannelMixing, "scales": ScaleMixing}
"""What is done to the maps before the heads, by the value of `features.mixing`."""
