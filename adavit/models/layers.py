"""Dense and convolutional layers with equalised learning rate, after StyleGAN2 (Karras et al. 2020, arXiv:1912.04958).

Weights are drawn from N(0, 1) and multiplied at run time by the constant of He's initialisation, so
that Adam moves all layers equally fast (Karras et al. 2018, arXiv:1710.10196, section 4.1). The
activation is a leaky ReLU of slope 0.2 whose output is multiplied by sqrt 2 to keep the variance.
Because it is positively homogeneous, a * lrelu(x) = lrelu(a * x) for a > 0, that factor goes into
the weight and bias: one pass over the feature map less, same result.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.convolution import convolve
from adavit.models.prepared_weights import Used, prepared
from adavit.models.resampling import downsample, smooth
from adavit.runtime.precision import full_precision, without_autocast

LEAKY_RELU_SLOPE = 0.2
LEAKY_RELU_GAIN = math.sqrt(2.0)

EPSILON = 1e-8
"""Added to the mean square of a vector, so that one of zeros stays finite."""


def normalise_second_moment(vectors: Tensor) -> Tensor:
    """Scales each vector to mean square 1, the input normalisation of StyleGAN's mapping network.

    Args:
        vectors: Vectors [B, F].

    Returns:
        x / sqrt(mean(x^2) + 1e-8), [B, F], float32.
    """
    vectors = full_precision(vectors)
    return vectors * (vectors.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


class EqualisedLinear(nn.Module):
    """Dense layer y = act(W x + b) with equalised learning rate.

    Args:
        in_features: Length of the input vectors.
        out_features: Length of the output vectors.
        activation: Whether a leaky ReLU (slope 0.2, gain sqrt 2) follows.
        bias_init: Initial value of every bias, as seen by the output.
        lr_multiplier: Factor on the learning rate of weight and bias; the initial function does not
            depend on it.
        output_gain: Constant > 0 on the output; folded into the weight, so it costs nothing.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: bool = False,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
        output_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.activation = activation
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.output_gain = output_gain * (LEAKY_RELU_GAIN if activation else 1.0)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.weight, self.weight_gain * self.output_gain, autocast=False)
        yield Used(self.bias, self.bias_gain * self.output_gain, autocast=False)

    def used(self) -> tuple[Tensor, Tensor]:
        """Weight [out_features, in_features] and bias [out_features] times their gains."""
        return (
            prepared(self.weight, self.weight_gain * self.output_gain),
            prepared(self.bias, self.bias_gain * self.output_gain),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Maps vectors [B, in_features] to [B, out_features], in float32 under autocast too.

        Styles and what a discriminator concludes need the precision, and a cast of each weight takes an
        accelerator longer than the product with so few vectors.
        """
        weight, bias = self.used()
        with without_autocast(vectors.device):
            output = F.linear(vectors.to(weight.dtype), weight, bias)
        return F.leaky_relu(output, LEAKY_RELU_SLOPE) if self.activation else output


class Dense(nn.Linear):
    """The layer of torch, whose weights autocast need not cast in each pass (`adavit.models.prepared_weights`)."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        return [Used(parameter, 1.0, autocast=True) for parameter in self.parameters(recurse=False)]

    def forward(self, vectors: Tensor) -> Tensor:
        """Maps vectors [..., in_features] to [..., out_features]."""
        return F.linear(vectors, *self.used())

    def used(self) -> tuple[Tensor, Tensor]:
        """Weight [out_features, in_features] and bias [out_features], each looked at once.

        Under a weight constraint every look at the weight computes it anew.
        """
        return prepared(self.weight), prepared(self.bias)


class EqualisedConv2d(nn.Module):
    """Convolution with equalised learning rate, zero padding, and optional activation and 2x downsampling.

    Downsampling smooths with the FIR filter (1, 3, 3, 1) first and then convolves with stride 2.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
        activation: Whether a leaky ReLU (slope 0.2, gain sqrt 2) follows.
        bias: Whether a bias, 0 at the start, is added.
        downsample: Whether the output has half the side of the input.
        output_gain: Constant > 0 on the output; folded into the weight, so it costs nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        activation: bool = False,
        bias: bool = True,
        downsample: bool = False,
        output_gain: float = 1.0,
    ) -> None:
        super().__init__()
        weight = torch.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.activation = activation
        self.downsample = downsample
        self.output_gain = output_gain * (LEAKY_RELU_GAIN if activation else 1.0)
        self.weight_gain = self.output_gain / math.sqrt(in_channels * kernel_size**2)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.weight, self.weight_gain, autocast=True)
        if self.bias is not None:
            yield Used(self.bias, self.output_gain, autocast=True)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, in_channels, H, W] to [B, out_channels, H, W], or half of H and W if downsampling."""
        bias = None if self.bias is None else prepared(self.bias, self.output_gain)
        weight = prepared(self.weight, self.weight_gain)
        return self.activate(self.convolve(features, weight, bias))

    def convolve(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution of `forward` with these weights, before the activation."""
        padding = weight.shape[-1] // 2
        if not self.downsample:
            return convolve(features, weight, bias, padding=padding)
        if padding == 0:
            # A 1x1 kernel reads every second pixel only, so the filter is evaluated only there.
            return convolve(downsample(features), weight, bias)
        return convolve(smooth(features, padding=1 + padding), weight, bias, stride=2)

    def activate(self, output: Tensor) -> Tensor:
        """The leaky ReLU, in place and without its gain; where there is none the output itself."""
        return F.leaky_relu_(output, LEAKY_RELU_SLOPE) if self.activation else output
