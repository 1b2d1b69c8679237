"""Convolutions whose second derivatives are convolutions as fast as the first ones.

A convolution is linear in the features and in the weight, so each of its derivatives is one of three operations: the
convolution, its transpose (the gradient at the features) and the gradient at the weight. Written as functions that
name each other, every order of derivative is one of them. PyTorch's own second derivative takes the gradient at the
weight as a convolution with kernels as large as the features: that was nine tenths of the time which R1 added to a
step on an H100 (`benchmarks/results/h100.md`), and a fifth of that of the convolutions on a CPU. Where no second
derivative is taken PyTorch's own functions cost less of the host.
"""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.models.prepared_weights import Used, prepared
from adavit.runtime.precision import autocast_dtype, without_autocast

_TWICE = contextvars.ContextVar("twice differentiable", default=False)


@contextlib.contextmanager
def fast_second_derivatives() -> Iterator[None]:
    """While entered, convolutions and layer norms are such that their gradients' gradients are fast."""
    token = _TWICE.set(True)
    try:
        yield
    finally:
        _TWICE.reset(token)


class _Weights:
    """Whether gradients at them are wanted; of the process, as a device has threads of its own for backward passes."""

    wanted = True


@contextlib.contextmanager
def without_weight_gradients() -> Iterator[None]:
    """While entered, those layers have no gradients at weights and biases, as if these were constants.

    For gradients at images only: PyTorch does not tell a function of ours which of its gradients nobody asks for.
    """
    before, _Weights.wanted = _Weights.wanted, False
    try:
        yield
    finally:
        _Weights.wanted = before


def weight_gradients_wanted() -> bool:
    """Whether they are, outside of `without_weight_gradients`."""
    return _Weights.wanted


def _asked(needed: Sequence[bool]) -> list[bool]:
    """Of the inputs of a convolution, of which the first are features, those whose gradient is asked for."""
    return [need and (place == 0 or _Weights.wanted) for place, need in enumerate(needed)]


class _Geometry(NamedTuple):
    stride: int | tuple[int, int]
    padding: int
    groups: int


def convolve(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int = 0,
    groups: int = 1,
) -> Tensor:
    """The convolution of `torch.nn.functional.conv2d`, in the type that autocast names where it is on.

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [O, C / groups, K, L].
        bias: [O], or None.
        stride: Pixels from one result to the next; or rows and columns.
        padding: Zeros on each side in pixels.
        groups: Of channels, each convolved alone.

    Returns:
        Features [B, O, (H + 2 * padding - K) // stride + 1, ...], and so for the columns.
    """
    if not is_differentiated_twice():
        return F.conv2d(features, weight, bias, stride=stride, padding=padding, groups=groups)
    parts = [None if part is None else _as_autocast(part) for part in (features, weight, bias)]
    result: Tensor = _Convolution.apply(*parts, _Geometry(stride, padding, groups))
    return result


class Convolution(nn.Conv2d):
    """The layer of torch, as `convolve`; padded with zeros alike on all sides."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        return [Used(parameter, 1.0, autocast=True) for parameter in self.parameters(recurse=False)]

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, C, H, W] to [B, O, H', W']."""
        return convolve(
            features,
            prepared(self.weight),
            None if self.bias is None else prepared(self.bias),
            stride=(self.stride[0], self.stride[1]),
            padding=int(self.padding[0]),
            groups=self.groups,
        )


def convolve_transposed(features: Tensor, weight: Tensor, *, stride: int) -> Tensor:
    """The convolution of `torch.nn.functional.conv_transpose2d` without padding, likewise.

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [C, O, K, K].
        stride: Pixels from one result to the next in the convolution that this is the transpose of.

    Returns:
        Features [B, O, (H - 1) * stride + K, ...].
    """
    if not is_differentiated_twice():
        return F.conv_transpose2d(features, weight, stride=stride)
    parts = (_as_autocast(features), _as_autocast(weight))
    result: Tensor = _FeaturesGradient.apply(*parts, None, _Geometry(stride, 0, 1))
    return result


def is_differentiated_twice() -> bool:
    """Whether layers take functions of ours, within `fast_second_derivatives`."""
    # Compiled, such functions are not differentiated rightly: see the head of `adavit.models.resampling`.
    return not torch.compiler.is_compiling() and _TWICE.get()


def _as_autocast(tensor: Tensor) -> Tensor:
    return tensor.to(autocast_dtype(tensor.device) or tensor.dtype)


class _Convolution(torch.autograd.Function):
    """Of features and weight."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.geometry = geometry
        with without_autocast(features.device):
            return F.conv2d(features, weight, bias, **geometry._asdict())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        wanted = _asked(ctx.needs_input_grad)
        if not torch.is_grad_enabled():  # in one call, if none of them is differentiated
            return *_gradients(gradient, features, weight, ctx.geometry, wanted[:3]), None
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
        ctx.geometry, ctx.smallest = geometry, like is None
        if like is not None:
            found = _gradients(gradient, like, weight, geometry, (True, False, False))[0]
            assert found is not None
            return found
        with without_autocast(gradient.device):
            return F.conv_transpose2d(gradient, weight, **geometry._asdict())

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        wanted = _asked(ctx.needs_input_grad)
        if ctx.smallest and not torch.is_grad_enabled():
            flags = (*wanted[:2], False)
            found = _gradients(upstream, gradient, weight, ctx.geometry, flags, transposed=True)
            return *found[:2], None, None
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
        found = _gradients(gradient, features, like, geometry, (False, True, False))[1]
        assert found is not None
        return found

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
    upstream: Tensor,
    features: Tensor,
    weight: Tensor,
    geometry: _Geometry,
    wanted: Sequence[bool],
    *,
    transposed: bool = False,
) -> tuple[Tensor | None, ...]:
    """PyTorch's first derivatives of the convolution or its transpose, at features, weight and bias."""
    outputs = weight.shape[1] if transposed else weight.shape[0]  # transposed only in one group
    stride = geometry.stride
    strides = [stride, stride] if isinstance(stride, int) else [*stride]
    sides = strides, 2 * [geometry.padding], [1, 1]
    with without_autocast(upstream.device):
        found: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward(
            upstream,
            features,
            weight,
            [outputs],
            *sides,
            transposed,
            [0, 0],
            geometry.groups,
            list(wanted),
        )
    return found
