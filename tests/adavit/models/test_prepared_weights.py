"""Weights that are scaled and cast once for all passes."""

import contextlib
import copy

import pytest
import torch
from torch import Tensor, nn

from adavit.models.layers import Dense, EqualisedConv2d, EqualisedLinear
from adavit.models.prepared_weights import prepared, weights_prepared
from adavit.models.vit.constraints import SpectralNorm, constrain
from benchmarks.work import WorkCount

CPU = torch.device("cpu")


def within(network: nn.Module) -> contextlib.AbstractContextManager[None]:
    """The only pass of a network."""
    (weights,) = weights_prepared(network, CPU)
    return weights


def autocast(enabled: bool) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(
        EqualisedConv2d(3, 4, 3, activation=True),
        nn.Flatten(),
        EqualisedLinear(4 * 5 * 5, 6, activation=True),
        Dense(6, 2),
    )
    for layer in layers:
        if not isinstance(layer, nn.Flatten):
            nn.init.normal_(layer.bias)
    return layers


def test_a_parameter_is_multiplied_and_cast_as_it_would_be_in_the_pass() -> None:
    for enabled in (False, True):
        layers = network()
        convolution, _, dense, last = layers
        with autocast(enabled), within(layers):
            found = [
                prepared(convolution.weight, 7.0),  # what its layer says holds
                prepared(dense.weight),
                prepared(last.bias),
            ]
        expected = [
            convolution.weight * convolution.weight_gain,
            dense.weight * (dense.weight_gain * dense.output_gain),
            last.bias,
        ]
        types = [torch.bfloat16 if enabled and index != 1 else torch.float32 for index in range(3)]
        for one, other, dtype in zip(found, expected, types, strict=True):
            assert torch.equal(one, other.to(dtype))
            assert one.dtype == dtype
    assert torch.equal(prepared(dense.weight, 0.5), dense.weight * 0.5)  # outside
    assert prepared(dense.weight) is dense.weight


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("enabled", [False, True])
def test_passes_have_the_gradients_that_they_have_without(enabled: bool, passes: int) -> None:
    layers, images = network(), torch.randn(passes, 3, 3, 5, 5)
    plain = copy.deepcopy(layers)
    with autocast(enabled):
        outputs = []
        for image, weights in zip(
            images, weights_prepared(layers, CPU, passes=passes), strict=True
        ):
            with weights:
                outputs.append(layers(image))
    with autocast(enabled):
        expected = [plain(image) for image in images]
    for one, other in zip(outputs, expected, strict=True):
        assert torch.equal(one, other)
    torch.stack(outputs).float().square().sum().backward()
    torch.stack(expected).float().square().sum().backward()
    tolerance = 2**-7 if enabled else 1e-6  # of bfloat16, in which the two are added
    for ours, theirs in zip(layers.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        largest = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=tolerance * largest)


def test_gradients_can_be_differentiated() -> None:
    layers = network().double()
    inputs = list(layers.parameters())
    images = torch.randn(2, 2, 3, 5, 5, dtype=torch.float64)
    results = []
    for image, weights in zip(images, weights_prepared(layers, CPU, passes=2), strict=True):
        with weights:
            results.append(layers(image).square().sum())
    found = torch.autograd.grad(sum(results), inputs, create_graph=True)
    plain = sum(layers(image).square().sum() for image in images)
    expected = torch.autograd.grad(plain, inputs, create_graph=True)
    second = [
        torch.autograd.grad(sum(slope.square().sum() for slope in slopes), inputs)
        for slopes in (found, expected)
    ]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*second)


def test_what_is_frozen_has_no_gradient_and_is_used_all_the_same() -> None:
    layers, images = network(), torch.randn(2, 3, 5, 5)
    layers[0].requires_grad_(False)
    expected = layers(images)
    with within(layers):
        assert not prepared(layers[0].weight).requires_grad
        found = layers(images)
    assert torch.equal(found, expected)
    found.sum().backward()
    assert layers[0].weight.grad is None
    assert layers[2].weight.grad is not None


def test_the_gradient_of_one_network_costs_nothing_in_the_other() -> None:
    first, second = network(), nn.Sequential(Dense(2, 3), EqualisedLinear(3, 1))
    images = torch.randn(2, 3, 5, 5)

    def operations_back(apart: bool) -> int:
        second.zero_grad()
        with within(first), within(second):
            made = first(images)
            result = second(made.detach() if apart else made)
        with WorkCount() as work:
            result.sum().backward(inputs=list(second.parameters()))
        return work.operations

    assert operations_back(apart=False) == operations_back(apart=True)


def test_a_weight_under_a_constraint_is_computed_by_its_layer() -> None:
    layer, vectors = Dense(4, 3), torch.randn(2, 4)
    constrain(layer, SpectralNorm)
    expected = layer(vectors)
    with within(layer):
        assert torch.equal(layer(vectors), expected)
    with autocast(True):
        expected = layer(vectors)
        with within(layer):
            assert torch.equal(layer(vectors), expected)


def test_one_kernel_multiplies_and_one_casts_whatever_there_is() -> None:
    layers = nn.ModuleList(EqualisedConv2d(2, 2, 3) for _ in range(5))
    with WorkCount() as work, autocast(True), within(layers):
        counts: Tensor | int = work.operations
    assert counts == 2


def test_what_two_passes_say_of_all_weights_is_added_by_one_kernel() -> None:
    layers = nn.ModuleList(Dense(3, 3) for _ in range(5))
    passes = weights_prepared(layers, CPU, passes=2)
    vectors, total = torch.randn(2, 4, 3), torch.zeros(())
    for given, weights in zip(vectors, passes, strict=True):
        with weights:
            for layer in layers:
                total = total + layer(given).sum()
    with WorkCount() as work:
        total.backward()
    assert work.parts["everything else"].operations["_foreach_add"] == 1
    assert work.parts["everything else"].operations["add"] == 0


def test_a_weight_that_one_pass_alone_uses_has_its_gradient() -> None:
    layers, vectors = nn.ModuleList(Dense(3, 3) for _ in range(3)), torch.randn(4, 3)
    both, second = weights_prepared(layers, CPU, passes=2)
    with both:
        outputs = [layers[0](vectors)]
    with second:
        outputs += [layers[0](vectors), layers[1](vectors)]
    torch.stack(outputs).sum().backward()
    once = vectors.sum(dim=0).expand(3, 3)
    torch.testing.assert_close(layers[0].weight.grad, 2 * once)
    torch.testing.assert_close(layers[1].weight.grad, once)
    assert layers[2].weight.grad is None
