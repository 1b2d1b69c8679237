"""Diffusion noise: images fade towards noise, the further the larger p is.

Wang et al. 2022, "Diffusion-GAN: Training GANs with Diffusion" (arXiv:2206.02262), section 3. After t of T steps

    x_t = sqrt(abar_t) x + sqrt(1 - abar_t) sigma n,  abar_t = (1 - beta_1) ... (1 - beta_t),  T = 10 + round(990 p)

where images x lie in [-1, 1], sigma is 0.05, n is standard normal and beta_1 .. beta_T are evenly spaced from 1e-4 to
2e-2. Half of the images keep t = 0; of the rest, t is in 1 .. T with probability proportional to t. So p makes this
operation stronger, and not more frequent.

What differs here: the discriminator is not told t. Every image draws a t of its own; in the published code images
share a table of 64 for an interval of p, and the weight of t is t - 1. And p = 0, where T is 10 in the paper, leaves
images as they are, as it does with every operation of the pipe.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adavit.augment.draws import Draws, Parameters
from adavit.augment.group import Group, per_image
from adavit.augment.settings import MAGNITUDES

LEAST_STEPS, MOST_STEPS = 10, 1000
"""T as p leaves 0, and at p = 1."""

BETA_FIRST, BETA_LAST = 1e-4, 2e-2
"""Share of the variance that the first and the last of the T steps replace by noise."""


class Diffusion(Group):
    """A number of steps of diffusion, drawn for each image.

    All channels take part, alpha too: by one that stayed clean the discriminator could know its images all the same.

    Args:
        diffusion: Multiplier; T is that of multiplier times p, and 0 switches off.
        diffusion_std: Standard deviation sigma of what images fade to, in pixel values.
    """

    def __init__(
        self, *, diffusion: float = 0, diffusion_std: float = MAGNITUDES["diffusion_std"]
    ) -> None:
        super().__init__({"diffusion": diffusion}, {"diffusion_std": diffusion_std})
        self.diffusion_std = diffusion_std

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the step, and the noise. See `Group.sample`.

        The step appears as `signal` [B], sqrt(abar_t), and `sigma` [B], sqrt(1 - abar_t) sigma, in pixel values; they
        are 1 and 0 for no step. `field` [B, C, H, W] is standard normal.
        """
        total = total_steps(draws.strengths(self.multipliers)[0])
        kept = log_kept(step_at(draws.uniform(1)[0], total), total)
        sigma = self.diffusion_std * (-torch.expm1(kept)).sqrt()
        return {"signal": (kept / 2).exp(), "sigma": sigma, "field": draws.field(shape)}

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Fade the images. See `Group.transform`."""
        value = {name: tensor.to(images.dtype) for name, tensor in parameters.items()}
        faded = images * per_image(value["signal"])
        return torch.addcmul(faded, value["field"], per_image(value["sigma"]))


def total_steps(p: Tensor) -> Tensor:
    """T, a whole number, for p in [0, 1] of any shape; 0 for p = 0."""
    return torch.where(p > 0, LEAST_STEPS + ((MOST_STEPS - LEAST_STEPS) * p).round(), 0)


def step_at(uniform: Tensor, total: Tensor) -> Tensor:
    """The step t [B] at a quantile of its distribution.

    Args:
        uniform: Quantiles [B], in [0, 1). The lower half belongs to t = 0.
        total: T, 0-d.

    Returns:
        Whole numbers in [0, T]; in the upper half, t <= k up to its fraction k (k + 1) / (T (T + 1)).
    """
    beyond = (2 * uniform - 1).clamp(min=0) * total * (total + 1)
    step = (((1 + 4 * beyond).sqrt() - 1) / 2).floor() + 1
    # Rounding may lead to T + 1.
    return torch.where(uniform < 0.5, 0, step.minimum(total))


def log_kept(step: Tensor, total: Tensor) -> Tensor:
    """Logarithm of abar_t [B], at steps t [B] of T, 0-d; it keeps the digits of 1 - abar_t where that is small."""
    number = torch.arange(1, MOST_STEPS + 1, device=step.device, dtype=step.dtype)
    done = ((number - 1) / (total - 1).clamp(min=1)).clamp(max=1)
    beta = BETA_FIRST + (BETA_LAST - BETA_FIRST) * done
    # No cumulative sum: torch does not promise the same bits twice for it on CUDA.
    return torch.where(number <= step[:, None], torch.log1p(-beta), 0).sum(1)
