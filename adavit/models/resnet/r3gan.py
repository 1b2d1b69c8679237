"""The blocks of R3GAN's discriminator (Huang et al. 2024, arXiv:2501.05441, section 4, configuration E).

Grouped convolutions in an inverted bottleneck, no normalisation, and an initialisation under which
every block starts as the identity. Written from the paper's description; the weights are trained as
they are, without equalised learning rate.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from adavit.models.convolution import Convolution
from adavit.models.resampling import downsample
from adavit.runtime.precision import full_precision
from adavit.runtime.resolution import Resolution

LEAKY_RELU_SLOPE = 0.2
# Channels between the 1x1 convolutions over those outside, blocks at each resolution, and channels
# that a 3x3 convolution sees together, all of the paper.
EXPANSION = 2
BLOCKS_A_STAGE = 2
GROUP_CHANNELS = 16


class R3GANBlock(nn.Module):
    """1x1 to twice the channels, grouped 3x3, and 1x1 back, added to the input.

    The initialisation is Fixup's (Zhang et al. 2019, arXiv:1901.09321, section 3): the last
    convolution starts at zero, the others are scaled by L^(-1/4) for L blocks of three layers.

    Args:
        channels: Channels of input and output.
        blocks: Number L of blocks in the network.
    """

    def __init__(self, channels: int, *, blocks: int) -> None:
        super().__init__()
        inner = EXPANSION * channels
        groups = inner // math.gcd(inner, GROUP_CHANNELS)
        gain = blocks**-0.25
        self.layers = nn.Sequential(
            convolution(channels, inner, 1, gain=gain),
            nn.LeakyReLU(LEAKY_RELU_SLOPE),
            convolution(inner, inner, 3, gain=gain, groups=groups),
            nn.LeakyReLU(LEAKY_RELU_SLOPE),
            convolution(inner, channels, 1, gain=0.0, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to features of the same shape."""
        output: Tensor = features + self.layers(features)
        return output


class Transition(nn.Module):
    """Halves the side by filtering (bilinear, without aliases), then changes the channels where they differ.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = (
            linear_convolution(in_channels, out_channels) if in_channels != out_channels else None
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / 2, W / 2]."""
        features = downsample(features)
        return features if self.convolution is None else self.convolution(features)


class BasisEpilogue(nn.Module):
    """One learned pattern a channel, against which its map is measured.

    A depthwise convolution that covers the whole map, written as a product: the second derivative
    of PyTorch's runs over the channels one by one.

    Args:
        width: Channels of the features.
        further: Further channels beside these, such as the minibatch standard deviation.
        grid: Of the features.
    """

    def __init__(self, width: int, further: int, grid: Resolution) -> None:
        super().__init__()
        self.features = width + further
        self.weight = nn.Parameter(torch.randn(self.features, *grid) / math.sqrt(grid.area))

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, width + further, *grid] to vectors [B, width + further], float32."""
        return (full_precision(features) * self.weight).sum(dim=(2, 3))


class R3GANForm:
    """Layers without equalised learning rate around R3GAN's blocks."""

    def from_image(self, image_channels: int, width: int) -> nn.Module:
        """The first layer."""
        return linear_convolution(image_channels, width)

    def blocks(self, widths: list[int]) -> nn.Sequential:
        """Blocks at the first width and, each at half the side, at the further ones."""
        total = BLOCKS_A_STAGE * len(widths)
        layers = nn.Sequential()
        for before, after in pairwise([widths[0], *widths]):
            if len(layers):
                layers.append(Transition(before, after))
            layers.extend(R3GANBlock(after, blocks=total) for _ in range(BLOCKS_A_STAGE))
        return layers

    def epilogue(self, width: int, further: int, grid: Resolution) -> nn.Module:
        """Features of the smallest grid to vectors."""
        return BasisEpilogue(width, further, grid)

    def readout(self, features: int, outputs: int) -> nn.Module:
        """The last layer."""
        layer = nn.Linear(features, outputs)
        nn.init.normal_(layer.weight, std=features**-0.5)
        nn.init.zeros_(layer.bias)
        return layer


def convolution(
    in_channels: int,
    out_channels: int,
    side: int,
    *,
    gain: float,
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """A convolution with He's weights (arXiv:1502.01852, section 2.2) times a gain, and a bias of zeros."""
    layer = Convolution(
        in_channels, out_channels, side, padding=side // 2, groups=groups, bias=bias
    )
    nn.init.kaiming_normal_(layer.weight, a=LEAKY_RELU_SLOPE)
    with torch.no_grad():
        layer.weight.mul_(gain)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def linear_convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1x1 convolution that keeps the variance, without a bias."""
    layer = Convolution(in_channels, out_channels, 1, bias=False)
    nn.init.normal_(layer.weight, std=in_channels**-0.5)
    return layer
