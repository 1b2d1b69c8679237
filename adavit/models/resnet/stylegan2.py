"""The residual and the plain form of StyleGAN2's discriminator (Karras et al. 2020, arXiv:1912.04958, figure 7)."""

import math
from itertools import pairwise

from torch import Tensor, nn

from adavit.models.fitting import resized_grid
from adavit.models.layers import EqualisedConv2d, EqualisedLinear
from adavit.runtime.resolution import Resolution

Convolution = type[EqualisedConv2d]
"""A layer, made from the arguments of this one."""


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection, at half the side; (main + skip) / sqrt 2.

    The factor 1 / sqrt 2 is folded into the weights of both branches.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        convolution: Its layers.
    """

    def __init__(
        self, in_channels: int, out_channels: int, convolution: Convolution = EqualisedConv2d
    ) -> None:
        super().__init__()
        half = math.sqrt(0.5)
        self.first = convolution(in_channels, in_channels, 3, activation=True)
        self.second = convolution(
            in_channels, out_channels, 3, activation=True, downsample=True, output_gain=half
        )
        self.skip = convolution(
            in_channels, out_channels, 1, bias=False, downsample=True, output_gain=half
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / 2, W / 2]."""
        output: Tensor = self.second(self.first(features)) + self.skip(features)
        return output


class PlainBlock(nn.Module):
    """Two convolutions at half the side, without a skip connection (`orig` in StyleGAN2-ADA's settings for CIFAR-10).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        convolution: Its layers.
    """

    def __init__(
        self, in_channels: int, out_channels: int, convolution: Convolution = EqualisedConv2d
    ) -> None:
        super().__init__()
        self.first = convolution(in_channels, in_channels, 3, activation=True)
        self.second = convolution(in_channels, out_channels, 3, activation=True, downsample=True)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H / 2, W / 2]."""
        output: Tensor = self.second(self.first(features))
        return output


class DenseEpilogue(nn.Module):
    """The end of StyleGAN2's discriminator: a 3x3 convolution and a dense layer.

    Args:
        width: Channels of the features.
        further: Further channels beside these, such as the minibatch standard deviation.
        grid: Of the features.
        convolution: Its first layer.
    """

    def __init__(
        self, width: int, further: int, grid: Resolution, convolution: Convolution
    ) -> None:
        super().__init__()
        self.features = width
        self.grid = grid
        self.convolution = convolution(width + further, width, 3, activation=True)
        self.dense = EqualisedLinear(width * grid.area, width, activation=True)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, width + further, *grid] to vectors [B, width], float32."""
        output: Tensor = self.dense(self.convolution(features).flatten(1))
        return output

    def resized(self, weight: Tensor, grid: Resolution) -> Tensor:
        """The weight of `dense` of another grid, interpolated to this one's.

        Args:
            weight: Of an epilogue of as many channels [width, width * grid.area]. Not changed.
            grid: Of that epilogue.

        Returns:
            [width, width * self.grid.area]; of one that takes means over places, one that takes the same.

        Raises:
            RuntimeError: If it has another number of channels.
        """
        patterns = weight.unflatten(1, (self.features, *grid)).flatten(0, 1)[None]
        patterns = resized_grid(patterns, self.grid).unflatten(1, (-1, self.features))
        # Weights are used over the root of their number, and that many are summed.
        return patterns[0].flatten(1) * (grid.area / self.grid.area) ** 0.5


class StyleGAN2Form:
    """Layers with equalised learning rate around a kind of block.

    Args:
        block: Maps channels to channels at half the side.
        convolution: All convolutions of the network.
    """

    def __init__(
        self,
        block: type[ResidualBlock | PlainBlock],
        convolution: Convolution = EqualisedConv2d,
    ) -> None:
        self.block = block
        self.convolution = convolution

    def from_image(self, image_channels: int, width: int) -> nn.Module:
        """The first layer."""
        return self.convolution(image_channels, width, 1, activation=True)

    def blocks(self, widths: list[int]) -> nn.Sequential:
        """Blocks from the first width to the last, each at half the side of the one before."""
        return nn.Sequential(*(self.block(*pair, self.convolution) for pair in pairwise(widths)))

    def epilogue(self, width: int, further: int, grid: Resolution) -> nn.Module:
        """Features of the smallest grid to vectors."""
        return DenseEpilogue(width, further, grid, self.convolution)

    def readout(self, features: int, outputs: int) -> nn.Module:
        """The last layer."""
        return EqualisedLinear(features, outputs)
