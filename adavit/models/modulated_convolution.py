"""The modulated convolution of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, section 2.2).

Equations 1 and 3 of the paper scale the kernels of each sample, w'_ijk = s_i w_ijk and
w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps), which makes a grouped convolution with B sets of
kernels. Convolution is linear in its input channels i and its output channels j, so scaling the
input by s_i and the output by the demodulation factor is exactly the same function with one shared
set of kernels: an ordinary, fast convolution.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.convolution import convolve, convolve_transposed
from adavit.models.layers import LEAKY_RELU_GAIN, EqualisedLinear
from adavit.models.resampling import smooth
from adavit.runtime.precision import autocast_dtype, without_autocast

EPSILON = 1e-8
"""Of equation 3; keeps the factors of demodulation finite where all styles are zero."""


class ModulatedLayer(nn.Module):
    """A convolution whose input channels are scaled by a style.

    Attributes:
        affine: From w to the scales of the channels. They hold the gain of the kernels too: the convolution is linear
            in them, and there are fewer of them.
        weight: The kernels, without their gain.
        demodulated: Whether its output channels are brought back to unit standard deviation.
    """

    affine: EqualisedLinear
    weight: nn.Parameter
    demodulated: bool


class Modulation(NamedTuple):
    """What a style makes of a layer, in the type of its features.

    Attributes:
        styles: Scale of each input channel [B, C].
        factors: Factor on each output channel [B, O], with the gain of the activation; None without demodulation.
    """

    styles: Tensor
    factors: Tensor | None


def modulations(layers: Sequence[ModulatedLayer], w: Tensor | Sequence[Tensor]) -> list[Modulation]:
    """What styles make of layers, of all of them at once: of each by itself it is two dozen small kernels.

    Args:
        layers: In the order of their styles.
        w: Styles [B, W] of all layers, or of each.

    Returns:
        For each layer. Computed in float32 or better, autocast or not: the squares need the precision.
    """
    first = [layer for layer in layers if layer.demodulated]
    ordered = [*first, *(layer for layer in layers if not layer.demodulated)]
    one = w if isinstance(w, Tensor) else w[0]
    with without_autocast(one.device):
        if isinstance(w, Tensor):
            weights, biases = zip(*(layer.affine.used() for layer in ordered), strict=True)
            styles = F.linear(w, torch.cat(weights), torch.cat(biases))  # [B, all C]
        else:
            own = dict(zip(layers, w, strict=True))
            styles = torch.cat([layer.affine(own[layer]) for layer in ordered], dim=1)
        factors = None
        if first:
            channels = sum(layer.weight.shape[1] for layer in first)
            kernels = [layer.weight for layer in first]
            factors = demodulation(kernels, styles[:, :channels]) * LEAKY_RELU_GAIN
    dtype = autocast_dtype(one.device) or one.dtype
    scales = styles.to(dtype).split([layer.weight.shape[1] for layer in ordered], dim=1)
    found = [Modulation(scale, None) for scale in scales]
    if factors is not None:
        parts = factors.to(dtype).split([layer.weight.shape[0] for layer in first], dim=1)
        found[: len(first)] = map(Modulation, scales, parts)
    of = dict(zip(ordered, found, strict=True))
    return [of[layer] for layer in layers]


def demodulation(weights: Sequence[Tensor], styles: Tensor) -> Tensor:
    """Factors that bring each output channel of layers back to unit standard deviation.

    Karras et al. 2020 (arXiv:1912.04958), equation 3: d_j = 1 / sqrt(sum_ik (s_i w_ijk)^2 + eps).

    Args:
        weights: Kernels [O, C, K, K] of each layer.
        styles: Scales of the input channels of all of them, side by side [B, all C].

    Returns:
        Factors side by side [B, all O], > 0.
    """
    squares = styles.square().split([weight.shape[1] for weight in weights], dim=1)
    energies = _SquaredNorms.apply(*weights)
    sums = [square @ energy.T for square, energy in zip(squares, energies, strict=True)]
    return (torch.cat(sums, dim=1) + EPSILON).rsqrt()


class _SquaredNorms(torch.autograd.Function):
    """Sums of squares [O, C] of kernels [O, C, K, K]; PyTorch's gradient of the square is four passes over them."""

    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*weights)
        # Not by the norm of each kernel, whose reduction takes a CPU thirty times as long.
        squares = torch._foreach_mul(weights, weights)
        return tuple(square.sum(dim=(2, 3)) for square in squares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        twice = torch._foreach_mul(gradients, 2.0)
        pairs = zip(twice, ctx.saved_tensors, strict=True)
        return tuple(gradient[:, :, None, None] * weight for gradient, weight in pairs)


def scale_and_shift(features: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
    """Features [B, C, H, W] times factors [B, C] plus shifts [C], all of one type: one pass, and so is its gradient."""
    # See `adavit.models.resampling`; and a compiler makes one pass by itself.
    if torch.compiler.is_compiling():
        return _scaled_and_shifted(features, factors, shifts)
    result: Tensor = _ScaleAndShift.apply(features, factors, shifts)
    return result


def _scaled_and_shifted(features: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
    return torch.addcmul(shifts[:, None, None], features, factors[:, :, None, None])


class _ScaleAndShift(torch.autograd.Function):
    """PyTorch's own gradient of `addcmul` multiplies the features by 1 first."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
        ctx.save_for_backward(features, factors)
        return _scaled_and_shifted(features, factors, shifts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, factors = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            gradient * factors[:, :, None, None] if wanted[0] else None,
            (gradient * features).sum(dim=(2, 3)) if wanted[1] else None,
            gradient.sum(dim=(0, 2, 3)) if wanted[2] else None,
        )


def modulated_convolution(
    features: Tensor, weight: Tensor, styles: Tensor, *, upsample: bool = False
) -> Tensor:
    """Convolution whose kernels are scaled by a style, equation 1: before demodulation.

    The caller multiplies the result by `demodulation`, together with what else it does to each
    pixel (noise, bias, activation).

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [O, C, 3, 3], shared by the samples.
        styles: Scale of each input channel [B, C].
        upsample: Whether to double the side: a transposed convolution of stride 2, which inserts
            the zeros, and the FIR filter (1, 3, 3, 1) with gain 4.

    Returns:
        Features [B, O, H, W], or [B, O, 2 H, 2 W] when upsampling.
    """
    scaled = features * styles[:, :, None, None]
    if not upsample:
        return convolve(scaled, weight, padding=1)
    # Side 2 H + 1; the filter trims it to 2 H. One 6x6 kernel would do both at four times the work.
    spread = convolve_transposed(scaled, weight.transpose(0, 1), stride=2)
    return smooth(spread, padding=1, gain=4.0)
