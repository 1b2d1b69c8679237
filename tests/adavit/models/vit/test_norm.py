"""The norms that are differentiated twice."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.models.convolution import fast_second_derivatives, without_weight_gradients
from adavit.models.vit.norm import LayerNorm, over_root_mean_square
from benchmarks.work import WorkCount

Norm = Callable[..., Tensor]


def layer_norm(tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    norm = LayerNorm(5, eps=0.01).double()
    del norm.weight, norm.bias
    norm.weight, norm.bias = weight, bias  # type: ignore[assignment]
    with fast_second_derivatives():
        return norm(tokens)


def torchs_layer_norm(tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(tokens, (5,), weight, bias, eps=0.01)


def rms_norm(tokens: Tensor) -> Tensor:
    return over_root_mean_square(tokens, eps=0.01)


def torchs_rms_norm(tokens: Tensor) -> Tensor:
    return F.rms_norm(tokens, (5,), eps=0.01)


NORMS = pytest.mark.parametrize(
    ("ours", "theirs", "weights"),
    [(layer_norm, torchs_layer_norm, 2), (rms_norm, torchs_rms_norm, 0)],
    ids=["layer", "rms"],
)


def drawn(weights: int) -> list[Tensor]:
    """Tokens, and what they are multiplied by and moved by."""
    torch.manual_seed(0)
    shapes = [(2, 3, 5), (5,), (5,)][: 1 + weights]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@NORMS
def test_values_and_both_orders_of_derivatives_are_those_of_torch(
    ours: Norm, theirs: Norm, weights: int
) -> None:
    inputs, found = drawn(weights), []
    upstream = torch.randn_like(inputs[0])
    for norm in (ours, theirs):
        result = norm(*inputs)
        first = torch.autograd.grad(result, inputs, upstream, retain_graph=True)
        slopes = torch.autograd.grad(result.square(), inputs, upstream, create_graph=True)
        second = torch.autograd.grad(sum(slope.square().sum() for slope in slopes), inputs)
        found.append((result, *first, *slopes, *second))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@NORMS
def test_both_orders_of_derivatives_are_those_of_differences(
    ours: Norm, theirs: Norm, weights: int
) -> None:
    assert torch.autograd.gradcheck(ours, drawn(weights))
    assert torch.autograd.gradgradcheck(ours, drawn(weights))


@NORMS
def test_gradients_at_images_only_have_the_same_derivatives(
    ours: Norm, theirs: Norm, weights: int
) -> None:
    inputs = drawn(weights)
    with without_weight_gradients():
        loss = ours(*inputs).pow(3).sum()
        (slope,) = torch.autograd.grad(loss, inputs[0], create_graph=True)
    loss = theirs(*inputs).pow(3).sum()
    (expected,) = torch.autograd.grad(loss, inputs[0], create_graph=True)
    torch.testing.assert_close(
        torch.autograd.grad(slope.square().sum(), inputs, allow_unused=True),
        torch.autograd.grad(expected.square().sum(), inputs, allow_unused=True),
    )


def test_half_precision_comes_out_in_float32() -> None:
    norm = LayerNorm(5)
    tokens = torch.randn(2, 5, dtype=torch.bfloat16)
    with fast_second_derivatives():
        found = norm(tokens)
    torch.testing.assert_close(found, norm(tokens.float()))


@pytest.mark.parametrize("twice", [False, True])
def test_no_zeros_are_made_for_what_has_no_gradient(twice: bool) -> None:
    (vectors,) = drawn(0)
    result, upstream = rms_norm(vectors), torch.ones(2, 3, 5, dtype=torch.float64)
    with WorkCount() as work:
        (slope,) = torch.autograd.grad(result, vectors, upstream, create_graph=twice)
        if twice:
            slope.square().sum().backward()
    (part,) = work.parts.values()
    assert "addcmul" in part.operations
    assert "zeros" not in part.operations


def test_what_is_given_no_gradient_has_none() -> None:
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, vectors: Tensor) -> Tensor:
            return vectors.clone()

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> None:
            return None

    (vectors,) = drawn(0)
    result = Nothing.apply(rms_norm(vectors)).sum()
    assert torch.autograd.grad(result, vectors, allow_unused=True) == (None,)
