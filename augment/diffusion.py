"""Diffusion noise: images fade towards noise, the further the larger p is.

Wang et al. 2022, "Diffusion-GAN: Training GANs with Diffusion" (arXiv:2206.02262), section 3. After t of T steps

    x_t = sqrt(abar_t) x + sqrt(1 - abar_t) sigma n,  abar_t = (1 - beta_1) ... (1 - beta_t),  T = 10 + round(990 p)

with images in [-1, 1], sigma .05, n standard normal and beta_1 .. beta_T evenly spaced from 1e-4 to 2e-2. Half of the images
keep t = 0, for the rest t is in 1 .. T with probability proportional to t. Here p makes an operation stronger, not more
frequent.

Not taken over: there the discriminator is told t, and a table of 64 drawn t is shared by all images until p moves, here each
image draws its own. At p = 0, where T is 10 there, images are left as they are, as by every other operation.
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
        diffusion: Multiplier; T is that of multiplier times p.
        diffusion_std: Standard deviation sigma of what images fade to, in pixel values.
    """

    def __init__(
        self, *, diffusion: float = 0, diffusion_std: float = MAGNITUDES["diffusion_std"]
    ) -> None:
        super().__init__({"diffusion": diffusion}, {"diffusion_std": diffusion_std})
        self.diffusion_std = diffusion_std

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the step, and the noise. See `Group.sample`.

        The step is given by `signal` [B], sqrt(abar_t), and `sigma` [B], sqrt(1 - abar_t) sigma in pixel values: 1 and 0
        for no step. `field` [B, C, H, W] is standard normal.
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
    """T, a whole number, of p in [0, 1]; 0 for p = 0. Both have any one shape."""
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
    """log abar_t [B] of steps t [B] among T steps, 0-d.

    The logarithm keeps the digits of 1 - abar_t where abar_t is near 1. A masked sum, because cumulative sums differ from
    run to run on CUDA.
    """
    number = torch.arange(1, MOST_STEPS + 1, device=step.device, dtype=step.dtype)
    done = ((number - 1) / (total - 1).clamp(min=1)).clamp(max=1)
    beta = BETA_FIRST + (BETA_LAST - BETA_FIRST) * done
    return torch.where(number <= step[:, None], torch.log1p(-beta), 0).sum(1)
