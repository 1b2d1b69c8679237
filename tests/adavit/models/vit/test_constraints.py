import copy

import pytest
import torch
from torch import nn

from adavit.models import ViTDiscriminator
from adavit.models.vit.constraints import (
    ImprovedSpectralNorm,
    SpectralNorm,
    constrain,
)
from tests.adavit.models.test_spectral_norm import norm_by_svd
from tests.networks import make_vit


def constrained(name: str, seed: int = 0) -> ViTDiscriminator:
    torch.manual_seed(seed)
    return make_vit(
        resolution=16, width=24, stem="hybrid", weight_constraint=name, minibatch_std_group=2
    )


def layers(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)]


def test_constrained_layers_have_their_norm_whatever_the_weights() -> None:
    for name in ("sn", "isn"):
        network = constrained(name)
        plain = constrained("none")
        before = [norm_by_svd(layer.weight) for layer in layers(plain)]
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(5)
        for layer, initial in zip(layers(network), before, strict=True):
            expected = torch.ones(()) if name == "sn" else initial
            torch.testing.assert_close(norm_by_svd(layer.weight), expected, rtol=5e-3, atol=0)


def test_improved_norm_leaves_the_weights_of_the_start() -> None:
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(
        constrained("isn")(images), constrained("none")(images), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["sn", "isn"])
def test_passes_repeat_to_the_bit_and_leave_the_state(name: str) -> None:
    network, images = constrained(name), torch.randn(2, 3, 16, 16)
    state = copy.deepcopy(network.state_dict())
    first, second = network(images), network(images)
    assert torch.equal(first, second)
    first.sum().backward()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["sn", "isn"])
def test_a_loaded_state_gives_the_same_bits(name: str) -> None:
    first, second, images = constrained(name, 0), constrained(name, 1), torch.randn(2, 3, 16, 16)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(images), second(images))
    assert torch.equal(copy.deepcopy(first)(images), first(images))


def test_the_gradient_along_a_weight_vanishes_under_a_constraint() -> None:
    # W / sigma(W) does not change with the length of W.
    for constraint in (SpectralNorm, ImprovedSpectralNorm):
        layer = nn.Linear(5, 4).double()
        constrain(layer, constraint)
        layer(torch.randn(3, 5, dtype=torch.float64)).square().sum().backward()
        original = layer.parametrizations.weight.original
        along = (original.grad * original).sum() / (original.grad.norm() * original.norm())
        assert original.grad.norm() > 0
        assert along.abs() < 1e-6
