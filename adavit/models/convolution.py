"""Convolutions whose second derivatives are convolutions as fast as the first ones.

A convolution is linear in the features and in the weight, so each of its derivatives is one of three operations: the
convolution, its transpose (the gradient at the features) and the gradient at the weight. Written as functions that
name each other, every order of derivative is one of them. PyTorch's own second derivative takes the gradient at the
weight as a convolution with kernels as large as the features: that was nine tenths of the time which R1 added to a
step on an H100 (`benchmarks/results/h100.md`), and a fifth of that of the convolutions on a CPU.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.runtime.precision import without_autocast


class _Geometry(NamedTuple):
    stride: int
    padding: int


def convolve(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """The convolution of `torch.nn.functional.conv2d`, in the type that autocast names where it is on.

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [O, C, K, K].
        bias: [O], or None.
        stride: Pixels from one result to the next.
        padding: Zeros on each side in pixels.

    Returns:
        Features [B, O, (H + 2 * padding - K) // stride + 1, ...].
    """
    if torch.compiler.is_compiling():  # see the head of `adavit.models.resampling`
        return F.conv2d(features, weight, bias, stride=stride, padding=padding)
    parts = [None if part is None else _as_autocast(part) for part in (features, weight, bias)]
    result: Tensor = _Convolution.apply(*parts, _Geometry(stride, padding))
    return result


def convolve_transposed(features: Tensor, weight: Tensor, *, stride: int) -> Tensor:
    """The convolution of `torch.nn.functional.conv_transpose2d` without padding, likewise.

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [C, O, K, K].
        stride: Pixels from one result to the next in the convolution that this is the transpose of.

    Returns:
        Features [B, O, (H - 1) * stride + K, ...].
    """
    if torch.compiler.is_compiling():
        return F.conv_transpose2d(features, weight, stride=stride)
    parts = (_as_autocast(features), _as_autocast(weight))
    result: Tensor = _FeaturesGradient.apply(*parts, None, _Geometry(stride, 0))
    return result


def _as_autocast(tensor: Tensor) -> Tensor:
    device = tensor.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return tensor
    return tensor.to(torch.get_autocast_dtype(device))


class _Convolution(torch.autograd.Function):
    """Of features and weight."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.geometry = geometry
        with without_autocast(features.device):
            return F.conv2d(
                features, weight, bias, stride=geometry.stride, padding=geometry.padding
            )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            _FeaturesGradient.apply(gradient, weight, features.detach(), ctx.geometry)
            if wanted[0]
            else None,
            _WeightGradient.apply(gradient, features, weight.detach(), ctx.geometry)
            if wanted[1]
            else None,
            gradient.sum(dim=(0, 2, 3)) if wanted[2] else None,
            None,
        )


class _FeaturesGradient(torch.autograd.Function):
    """Of the gradient at the result and the weight: the transposed convolution, to the shape of `like` if given."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, weight: Tensor, like: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        if like is not None:
            return _gradients(gradient, like, weight, geometry, [True, False, False])[0]
        with without_autocast(gradient.device):
            return F.conv_transpose2d(
                gradient, weight, stride=geometry.stride, padding=geometry.padding
            )

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            _Convolution.apply(upstream, weight, None, ctx.geometry) if wanted[0] else None,
            _WeightGradient.apply(gradient, upstream, weight.detach(), ctx.geometry)
            if wanted[1]
            else None,
            None,
            None,
        )


class _WeightGradient(torch.autograd.Function):
    """Of the gradient at the result and the features."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, features: Tensor, like: Tensor, geometry: _Geometry
    ) -> Tensor:
        ctx.save_for_backward(gradient, features)
        ctx.geometry = geometry
        return _gradients(gradient, features, like, geometry, [False, True, False])[1]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient, features = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            _Convolution.apply(features, upstream, None, ctx.geometry) if wanted[0] else None,
            _FeaturesGradient.apply(gradient, upstream, features.detach(), ctx.geometry)
            if wanted[1]
            else None,
            None,
            None,
        )


def _gradients(
    gradient: Tensor, features: Tensor, weight: Tensor, geometry: _Geometry, wanted: list[bool]
) -> tuple[Tensor, ...]:
    """PyTorch's first derivatives of the convolution, at features, weight and bias."""
    sides = 2 * [geometry.stride], 2 * [geometry.padding], [1, 1]
    with without_autocast(gradient.device):
        found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            gradient, features, weight, None, *sides, False, [0, 0], 1, wanted
        )
    return found
