"""Additive noise of a random strength.

Karras et al. 2020 (arXiv:2006.06676), appendix B.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adavit.augment.draws import Draws, Parameters
from adavit.augment.group import Group, per_image
from adavit.augment.settings import MAGNITUDES


class Noise(Group):
    """Gaussian noise, independent for every pixel and channel.

    Args:
        noise: Multiplier.
        noise_std: Scale of the half normal distribution of the noise's standard deviation, in pixel values.
    """

    def __init__(self, *, noise: float = 0, noise_std: float = MAGNITUDES["noise_std"]) -> None:
        super().__init__({"noise": noise}, {"noise_std": noise_std})
        self.noise_std = noise_std

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw `sigma` [B], in pixel values, and `field` [B, C, H, W], standard normal. See `Group.sample`."""
        gate = self._gates(draws)["noise"]
        sigma = draws.half_normal() * self.noise_std * gate
        return {"sigma": sigma, "field": draws.field(shape)}

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Add the noise. See `Group.transform`."""
        field, sigma = (parameters[name].to(images.dtype) for name in ("field", "sigma"))
        return torch.addcmul(images, field, per_image(sigma))
