"""Penalties on the gradient of the discriminator with respect to its input."""

import torch
from torch import Tensor


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Squared gradient norm of the discriminator at real images.

    R1 of Mescheder et al. 2018 (arXiv:1801.04406, section 4.1, equation 9), without the factor
    gamma / 2. It takes logits that are there already, so that the penalty costs no second forward
    pass; the path from images to logits includes the augmentation and must be twice differentiable.

    Args:
        real_logits: D at `real` [B], with the graph that leads back to `real`.
        real: Images [B, C, H, W] that require a gradient.

    Returns:
        Penalty per image [B], >= 0, in (logit / pixel value) squared, itself differentiable.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))
