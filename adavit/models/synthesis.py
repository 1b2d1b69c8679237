"""The synthesis network of StyleGAN2: styles to images (arXiv:1912.04958, figure 2c, skip form of section 4.1)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.convolution import convolve
from adavit.models.layers import LEAKY_RELU_GAIN, LEAKY_RELU_SLOPE, EqualisedLinear
from adavit.models.modulated_convolution import (
    ModulatedLayer,
    Modulation,
    modulated_convolution,
    modulations,
    scale_and_shift,
)
from adavit.models.names import part
from adavit.models.pixel_noise import (
    NOISES,
    LearnedNoise,
    PixelNoise,
    added_noise,
    drawn_noise,
)
from adavit.models.prepared_weights import Used, prepared
from adavit.models.resampling import upsample
from adavit.models.sizes import check_at_least, widths_of
from adavit.runtime.precision import autocast_dtype, full_precision
from adavit.runtime.resolution import Resolution


class SynthesisLayer(ModulatedLayer):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style_dim: Length W of the styles.
        resolution: Of the output.
        noise: What is added at each pixel, of `pixel_noise.NOISES`.
        upsample: Whether the input has half that side.
    """

    goes_with: ClassVar = {"noise.strength": ("weight",)}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        style_dim: int,
        resolution: Resolution,
        noise: str,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.demodulated = True
        self.affine = _affine(style_dim, in_channels, taps=9)
        weight = torch.randn(out_channels, in_channels, 3, 3)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        kind = part(NOISES, "noise", noise)
        self.noise = None if kind is None else kind(resolution, LEAKY_RELU_GAIN)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.weight, 1.0, autocast=True)
        yield Used(self.bias, LEAKY_RELU_GAIN, autocast=True)

    def forward(
        self, features: Tensor, modulation: Modulation, noise: Tensor | None = None
    ) -> Tensor:
        """Maps features [B, C, H, W] and what their styles make of the layer to [B, O, *resolution].

        The gain sqrt 2 of the activation is folded into its argument (see `layers`).
        """
        factors = modulation.factors
        assert factors is not None
        output = modulated_convolution(
            features, prepared(self.weight), modulation.styles, upsample=self.upsample
        )
        shifts = prepared(self.bias, LEAKY_RELU_GAIN).to(output.dtype)
        output = scale_and_shift(output, factors, shifts)
        if noise is not None:
            output.add_(noise.to(output.dtype))
        return F.leaky_relu_(output, LEAKY_RELU_SLOPE)


class ToImage(ModulatedLayer):
    """Modulated 1x1 convolution to image channels, without demodulation.

    Args:
        in_channels: Channels of the features.
        image_channels: Channels of the images.
        style_dim: Length W of the styles.
    """

    def __init__(self, in_channels: int, image_channels: int, *, style_dim: int) -> None:
        super().__init__()
        self.demodulated = False
        self.affine = _affine(style_dim, in_channels, taps=1)
        self.weight = nn.Parameter(torch.randn(image_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(image_channels))

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.weight, 1.0, autocast=True)
        yield Used(self.bias, 1.0, autocast=True)

    def forward(self, features: Tensor, modulation: Modulation) -> Tensor:
        """Maps features [B, C, H, W] to image channels [B, image_channels, H, W], float32."""
        scaled = features * modulation.styles[:, :, None, None]
        kernel = prepared(self.weight)[:, :, None, None]
        return full_precision(convolve(scaled, kernel, prepared(self.bias)))


def _affine(style_dim: int, channels: int, *, taps: int) -> EqualisedLinear:
    """From w to the scales of channels, 1 at first, times the gain of kernels of so many taps."""
    gain = 1.0 / math.sqrt(channels * taps)
    return EqualisedLinear(style_dim, channels, bias_init=1.0, output_gain=gain)


class SynthesisBlock(nn.Module):
    """The layers of one resolution: two convolutions (one at the smallest) and the image branch.

    Args:
        in_channels: Channels of the features of half the side; None for the first block, which
            starts from a learned constant.
        out_channels: Channels of the features.
        style_dim: Length W of the styles.
        resolution: Of the output.
        image_channels: Channels of the images.
        noise: Of the convolutions, one of `pixel_noise.NOISES`.
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        *,
        style_dim: int,
        resolution: Resolution,
        image_channels: int,
        noise: str,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        if in_channels is not None:
            self.convolutions.append(
                SynthesisLayer(
                    in_channels,
                    out_channels,
                    style_dim=style_dim,
                    resolution=resolution,
                    noise=noise,
                    upsample=True,
                )
            )
        self.convolutions.append(
            SynthesisLayer(
                out_channels,
                out_channels,
                style_dim=style_dim,
                resolution=resolution,
                noise=noise,
            )
        )
        self.to_image = ToImage(out_channels, image_channels, style_dim=style_dim)

    @property
    def layers(self) -> list[ModulatedLayer]:
        """Those that take a style, in their order."""
        return [*self.convolutions, self.to_image]

    def forward(
        self,
        features: Tensor,
        images: Tensor | None,
        modulations: Sequence[Modulation],
        noise: Sequence[Tensor | None],
    ) -> tuple[Tensor, Tensor]:
        """Runs the block.

        Args:
            features: Features of the block before [B, C, H, W].
            images: Sum of the image branches before [B, image_channels, H, W], or None in the first
                block.
            modulations: What the styles make of each of `layers`.
            noise: What is added in each of the convolutions, or None.

        Returns:
            Features [B, O, *resolution] and images [B, image_channels, *resolution], float32.
        """
        for convolution, modulation, own in zip(
            self.convolutions, modulations, noise, strict=False
        ):
            features = convolution(features, modulation, own)
        branch: Tensor = self.to_image(features, modulations[-1])
        return features, branch if images is None else branch + upsample(images)


class SynthesisNetwork(nn.Module):
    """Styles to images.

    A learned constant of the smallest grid (4x4 for squares of 4 * 2^k) is doubled k times. The image branch of a
    block and the first convolution of the next take the same style, so there are 2 (k + 1) styles: `style_count`.

    Args:
        resolution: Of the images.
        image_channels: Channels of the images.
        style_dim: Length W of the styles.
        channel_base: Channels at side r are min(channel_base // r, channel_max); see `widths_of`.
        channel_max: See `channel_base`.
        noise: What the convolutions add at each pixel, of `pixel_noise.NOISES`.

    Raises:
        ValueError: If a size is out of range.
    """

    def __init__(
        self,
        *,
        resolution: Resolution,
        image_channels: int,
        style_dim: int,
        channel_base: int,
        channel_max: int,
        noise: str,
    ) -> None:
        super().__init__()
        check_at_least("image_channels", image_channels, 1)
        self.style_dim = style_dim
        widths = widths_of(resolution, channel_base=channel_base, channel_max=channel_max)
        self.style_count = 2 * len(widths)
        constant = torch.randn(1, widths[0], *resolution.smallest)
        self.constant = nn.Parameter(constant.contiguous(memory_format=torch.channels_last))
        self.blocks = nn.ModuleList(
            SynthesisBlock(
                before,
                width,
                style_dim=style_dim,
                resolution=grid,
                image_channels=image_channels,
                noise=noise,
            )
            for before, width, grid in zip(
                [None, *widths[:-1]], widths, resolution.grids, strict=True
            )
        )

    def styled_layers(self) -> list[tuple[int, ModulatedLayer]]:
        """The layers in their order, each with the number of the style that it takes, below `style_count`."""
        blocks = [cast(SynthesisBlock, block) for block in self.blocks]
        # Blocks start at styles 0, 1, 3, 5, ...: the first has one convolution, the others two.
        starts = [max(0, 2 * index - 1) for index in range(len(blocks))]
        return [
            (start + k, layer)
            for start, block in zip(starts, blocks, strict=True)
            for k, layer in enumerate(block.layers)
        ]

    def silence(self) -> None:
        """Takes the noise away for good; a network that learnt to work with it draws worse without."""
        for layer in self.modules():
            if isinstance(layer, SynthesisLayer):
                layer.noise = None

    def draw_noise(self, batch: int, stream: torch.Generator) -> Tensor:
        """What `forward` would draw for a batch [B, pixels of all layers], so that it can be divided."""
        return drawn_noise(self._noises(), batch, stream)

    def _noises(self) -> list[LearnedNoise]:
        return [each for each in self.modules() if isinstance(each, LearnedNoise)]

    def forward(self, w: Tensor, noise: PixelNoise | None = None) -> Tensor:
        """Draws images from styles.

        Args:
            w: Styles [B, W], the same for all layers, or [B, style_count, W].
            noise: Where the noise of each pixel comes from; None for the fixed noise, with which the same
                styles give the same images.

        Returns:
            Images [B, image_channels, *resolution], float32, about [-1, 1] once trained.

        Raises:
            ValueError: If `w` has another shape.
        """
        shapes = (self.style_dim,), (self.style_count, self.style_dim)
        if w.ndim not in (2, 3) or tuple(w.shape[1:]) not in shapes:
            raise ValueError(
                f"w has the shape {list(w.shape)}, but must be [B, {self.style_dim}] or [B,"
                f" {self.style_count}, {self.style_dim}]. Pass the result of the mapping network."
            )
        blocks = [cast(SynthesisBlock, block) for block in self.blocks]
        layers = [layer for block in blocks for layer in block.layers]
        styles: Tensor | list[Tensor] = w
        if w.ndim == 3:
            each = w.unbind(dim=1)
            styles = [each[number] for number, _ in self.styled_layers()]
        found = iter(modulations(layers, styles))
        features = self.constant.expand(w.shape[0], -1, -1, -1).contiguous(
            memory_format=torch.channels_last
        )
        noises = self._noises()
        added: Iterator[Tensor | None] = repeat(None)
        if noises:
            dtype = autocast_dtype(w.device) or features.dtype
            added = iter(added_noise(noises, len(w), noise, dtype))
        images: Tensor | None = None
        for block in blocks:
            own = list(islice(found, len(block.layers)))
            pixels = list(islice(added, len(block.convolutions)))
            features, images = block(features, images, own, pixels)
        assert images is not None
        return images
