import contextlib
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.models.convolution import (
    Convolution,
    convolve,
    convolve_transposed,
    fast_second_derivatives,
    without_weight_gradients,
)
from benchmarks.work import WorkCount
from tests.kernel_sides import KernelSides


@pytest.fixture(autouse=True)
def differentiated_twice() -> Iterator[None]:
    with fast_second_derivatives():
        yield


def drawn(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=stream).requires_grad_()


CASES = [(1, 0, 1), (1, 1, 3), (2, 0, 3), (2, 1, 3)]
"""Stride, padding and kernel size; the sides below leave a remainder at stride 2 and padding 1."""


@pytest.mark.parametrize(("stride", "padding", "kernel"), CASES)
@pytest.mark.parametrize("biased", [False, True])
def test_values_and_gradients_are_those_of_torch(
    stride: int, padding: int, kernel: int, biased: bool
) -> None:
    parts = [drawn(2, 3, 6, 7), drawn(4, 3, kernel, kernel, seed=1)]
    bias = drawn(4, seed=2) if biased else None
    inputs = parts if bias is None else [*parts, bias]
    found = convolve(*parts, bias, stride=stride, padding=padding)
    expected = F.conv2d(*parts, bias, stride=stride, padding=padding)
    torch.testing.assert_close(found, expected)
    upstream = drawn(*found.shape, seed=3).detach()
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("stride", "padding", "kernel"), CASES)
def test_second_derivatives_are_right(stride: int, padding: int, kernel: int) -> None:
    def squared(*parts: Tensor) -> Tensor:
        return convolve(*parts, stride=stride, padding=padding).square()

    parts = drawn(1, 2, 4, 5), drawn(2, 2, kernel, kernel, seed=1), drawn(2, seed=2)
    assert torch.autograd.gradgradcheck(squared, parts)


def test_the_transpose_and_its_derivatives() -> None:
    parts = drawn(2, 3, 4, 5), drawn(3, 2, 3, 3, seed=1)
    expected = F.conv_transpose2d(*parts, stride=2)
    torch.testing.assert_close(convolve_transposed(*parts, stride=2), expected)
    small = drawn(1, 2, 2, 3), drawn(2, 1, 3, 3, seed=1)

    def squared(*parts: Tensor) -> Tensor:
        return convolve_transposed(*parts, stride=2).square()

    assert torch.autograd.gradcheck(squared, small)
    assert torch.autograd.gradgradcheck(squared, small)


@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_in_groups_and_its_second_derivatives(bias: bool) -> None:
    layer = Convolution(4, 6, 3, stride=2, padding=1, groups=2, bias=bias).double()
    features = drawn(2, 4, 5, 6)
    expected = F.conv2d(features, layer.weight, layer.bias, stride=2, padding=1, groups=2)
    torch.testing.assert_close(layer(features), expected)

    def squared(features: Tensor, weight: Tensor) -> Tensor:
        return convolve(features, weight, stride=2, padding=1, groups=2).square()

    small = drawn(1, 4, 4, 3), drawn(2, 2, 3, 3, seed=1)
    assert torch.autograd.gradcheck(squared, small)
    assert torch.autograd.gradgradcheck(squared, small)


def test_gradients_at_images_only_cost_none_at_weights_and_have_the_same_derivatives() -> None:
    found, costs = [], []
    for context in (without_weight_gradients(), contextlib.nullcontext()):
        features, weight, bias = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3, seed=1), drawn(4, seed=2)
        result = convolve(features, weight, bias, padding=1)
        with WorkCount() as work, context:
            (gradient,) = torch.autograd.grad(result.square().sum(), features, create_graph=True)
        gradient.square().sum().backward()
        found.append((gradient, features.grad, weight.grad, bias.grad))
        costs.append(work.flops)
    assert costs[0] == costs[1] / 2
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("ours", "sides"), [(True, {3}), (False, {3, 8})])
def test_no_kernel_of_a_second_derivative_is_as_large_as_the_features(
    ours: bool, sides: set[int]
) -> None:
    features, weight = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3, seed=1)
    with KernelSides() as kernels:
        result = (convolve if ours else F.conv2d)(features, weight, padding=1)
        (gradient,) = torch.autograd.grad(result.square().sum(), features, create_graph=True)
        gradient.square().sum().backward()
    assert kernels.seen == sides


def test_autocast_names_the_type_of_the_result_and_of_both_derivatives() -> None:
    features, weight, bias = (
        part.float().detach()
        for part in (drawn(2, 3, 6, 6), drawn(4, 3, 3, 3, seed=1), drawn(4, seed=2))
    )
    features.requires_grad_()
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = convolve(features, weight, bias, padding=1)
        expected = F.conv2d(features, weight, bias, padding=1)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    (gradient,) = torch.autograd.grad(found.float().square().sum(), features, create_graph=True)
    gradient.square().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_without_autocast_float32_stays() -> None:
    features, weight = drawn(1, 2, 4, 4).detach().float(), drawn(2, 2, 3, 3).detach().float()
    assert convolve(features, weight).dtype == torch.float32
