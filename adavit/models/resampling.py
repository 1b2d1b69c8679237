"""Resampling of feature maps and images by 2 with the FIR filter (1, 3, 3, 1) of StyleGAN2 (arXiv:1912.04958).

On an accelerator everything is two products with matrices, and in a graph that is to be compiled a sum of
shifted pixels (`sums_of_shifts`). On a CPU it is one depthwise convolution (in channels_last 4 times faster
than the products, 6 times than adding shifted copies, and faster compiled too). The gradient of
the filter is the filter again, because it is symmetric: with the complementary padding at stride 1, and
down- for upsampling at stride 2. Written so, every order of derivative is one fast forward kernel;
PyTorch's own second derivative of a depthwise convolution runs over the channels one by one, which took
a tenth of an R1 step. What `torch.compile` or `torch.export` traces takes the plain convolution:
torch 2.15 traces second derivatives of such a function through `torch.func` to other numbers, without a word.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.augment.devices import is_accelerator
from adavit.models.filter_products import filter_matrix, multiply_sides
from adavit.models.shifted_sums import filter_by_shifts, filter_by_shifts_transposed
from adavit.runtime.precision import full_precision, without_autocast

# Binomial filter, normalised to sum 1 in each direction.
FIR_TAPS = (0.125, 0.375, 0.375, 0.125)


def fir_kernel(channels: int, *, gain: float, like: Tensor) -> Tensor:
    """The separable filter as depthwise convolution kernels.

    Args:
        channels: Number of channels C, each filtered alone.
        gain: Sum of the kernel's entries.
        like: Tensor whose dtype and device the kernels take, which are kept there for the next call.

    Returns:
        Kernels [C, 1, 4, 4]. Not to be modified.
    """
    # What has no content is made anew, so that the memory of a step is counted alike each time.
    anew = torch.compiler.is_compiling() or like.is_meta
    make = _kernel if anew else _kept_kernel
    return make(channels, gain, like.dtype, like.device)


def _kernel(channels: int, gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    taps = torch.tensor(FIR_TAPS, dtype=dtype, device=device)
    return (gain * torch.outer(taps, taps)).expand(channels, 1, 4, 4).contiguous()


@functools.lru_cache(maxsize=256)
def _kept_kernel(*of: Any) -> Tensor:
    with torch.inference_mode(False):  # a tensor of that mode could not be trained with afterwards
        return _kernel(*of)


_as_sums = ContextVar("filters are sums of shifts", default=False)


@contextmanager
def sums_of_shifts() -> Iterator[None]:
    """While entered, an accelerator's filters are sums of shifted pixels: for a graph that is to be compiled."""
    outer = _as_sums.set(True)
    try:
        yield
    finally:
        _as_sums.reset(outer)


def _are_products(device: torch.device) -> bool:
    return is_accelerator(device) and not _as_sums.get()


def _multiplied(
    features: Tensor, *, padding: int, stride: int, gain: float, transposed: bool = False
) -> Tensor:
    """The filter, or its transpose, as a product on each side."""
    sides = []
    for size, part in zip(features.shape[2:], (gain, 1.0), strict=True):
        matrix = filter_matrix(
            tuple(part * tap for tap in FIR_TAPS),
            size * stride if transposed else size,
            padding=padding,
            stride=stride,
            dtype=features.dtype,
            device=features.device,
        )
        sides.append(matrix.T if transposed else matrix)
    return multiply_sides(features, *sides)


def _smooth(features: Tensor, padding: int, gain: float) -> Tensor:
    if is_accelerator(features.device):
        return filter_by_shifts(features, FIR_TAPS, padding=padding, stride=1, gain=gain)
    channels = features.shape[1]
    # Autocast would round the taps and the features again; the caller's dtype is the one
    # wanted.
    with without_autocast(features.device):
        kernel = fir_kernel(channels, gain=gain, like=features)
        return F.conv2d(features, kernel, padding=padding, groups=channels)


def _downsample(features: Tensor, gain: float) -> Tensor:
    if is_accelerator(features.device):
        return filter_by_shifts(features, FIR_TAPS, padding=1, stride=2, gain=gain)
    channels = features.shape[1]
    with without_autocast(features.device):
        kernel = fir_kernel(channels, gain=gain, like=features)
        return F.conv2d(features, kernel, stride=2, padding=1, groups=channels)


def _upsample(features: Tensor, gain: float) -> Tensor:
    if is_accelerator(features.device):
        return filter_by_shifts_transposed(features, FIR_TAPS, padding=1, stride=2, gain=gain)
    # On a CPU a transposed depthwise convolution in bfloat16 takes 17 times as long as in float32.
    wide = full_precision(features)
    channels = features.shape[1]
    with without_autocast(features.device):
        kernel = fir_kernel(channels, gain=gain, like=wide)
        result = F.conv_transpose2d(wide, kernel, stride=2, padding=1, groups=channels)
    return result.to(features.dtype)


class _Smooth(torch.autograd.Function):
    """The filter at stride 1, whose derivative is itself with padding 3 - p."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, padding: int, gain: float) -> Tensor:
        ctx.padding, ctx.gain = padding, gain
        return _smooth(features, padding, gain)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Smooth.apply(gradient, 3 - ctx.padding, ctx.gain), None, None


def smooth(features: Tensor, *, padding: int, gain: float = 1.0) -> Tensor:
    """Filters with (1, 3, 3, 1) x (1, 3, 3, 1) at stride 1.

    Args:
        features: Features [B, C, H, W].
        padding: Zeros on each side in pixels, 0 to 3.
        gain: Sum of the filter's taps.

    Returns:
        Features [B, C, H + 2 * padding - 3, W + 2 * padding - 3].
    """
    if _are_products(features.device):
        return _multiplied(features, padding=padding, stride=1, gain=gain)
    if torch.compiler.is_compiling():  # see the head of this file
        return _smooth(features, padding, gain)
    result: Tensor = _Smooth.apply(features, padding, gain)
    return result


class _Downsample(torch.autograd.Function):
    """The filter at stride 2; its derivative is upsampling with the same gain."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        return _downsample(features, gain)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Upsample.apply(gradient, ctx.gain), None


class _Upsample(torch.autograd.Function):
    """The transpose of `_Downsample`, which is its derivative in turn."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        return _upsample(features, gain)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Downsample.apply(gradient, ctx.gain), None


def downsample(features: Tensor) -> Tensor:
    """Filters and keeps every second pixel; a constant keeps its value away from the border.

    Args:
        features: Features [B, C, H, W], H and W even.

    Returns:
        Features [B, C, H / 2, W / 2], in the same dtype.
    """
    if _are_products(features.device):
        return _multiplied(features, padding=1, stride=2, gain=1.0)
    if torch.compiler.is_compiling():  # see the head of this file
        return _downsample(features, 1.0)
    result: Tensor = _Downsample.apply(features, 1.0)
    return result


def upsample(features: Tensor) -> Tensor:
    """Puts a zero after every pixel and filters with gain 4.

    A constant keeps its value away from the border.

    Args:
        features: Features [B, C, H, W].

    Returns:
        Features [B, C, 2 H, 2 W], in the same dtype.
    """
    if _are_products(features.device):
        return _multiplied(features, padding=1, stride=2, gain=4.0, transposed=True)
    result: Tensor = _Upsample.apply(features, 4.0)
    return result
