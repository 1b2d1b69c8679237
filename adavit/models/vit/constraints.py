"""Bounds on the spectral norm of every dense and convolutional weight."""

from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from adavit.models.spectral_norm import spectral_norm


class SpectralNorm(nn.Module):
    """Weights of norm 1, W / sigma(W) (Miyato et al. 2018, arXiv:1802.05957, equation 8)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that is used, in place of the one that is trained."""
        return weight / spectral_norm(weight).to(weight.dtype)


class ImprovedSpectralNorm(nn.Module):
    """Weights of the norm they started with, sigma(W_0) W / sigma(W).

    Improved spectral normalisation of ViTGAN (Lee et al. 2022, arXiv:2107.04589): at norm 1 a
    transformer is too smooth to tell images apart.

    Args:
        weight: The weight at the start.
    """

    initial: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("initial", spectral_norm(weight.detach()))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that is used, in place of the one that is trained."""
        return weight * (self.initial / spectral_norm(weight)).to(weight.dtype)


def constrain(network: nn.Module, constraint: type[nn.Module]) -> None:
    """Puts a constraint on the weight of each dense and convolutional layer; their weights are drawn before.

    Args:
        network: Changed in place: `layer.weight` is the constrained one from here on, and
            `layer.parametrizations.weight.original` the trained one.
        constraint: Made from a weight.
    """
    layers: list[Any] = [
        part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)
    ]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", constraint(layer.weight))
        layer.parametrizations.weight.goes_with = {"0": ("original",)}
