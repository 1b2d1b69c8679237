"""Penalties on gradients, as pure functions: of the discriminator by its input, of the generator by its styles."""

import math

import torch
from torch import Tensor

from adavit.models.convolution import without_weight_gradients


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Squared gradient norm of the discriminator at real images.

    R1 of Mescheder et al. 2018 (arXiv:1801.04406, section 4.1, equation 9), without the factor
    gamma / 2; R2 (equation 10) is the same at generated images. It takes logits that are there
    already, so that the penalty costs no second forward pass; the path from images to logits
    includes the augmentation and must be twice differentiable.

    Args:
        real_logits: D at `real` [B], with the graph that leads back to `real`.
        real: Images [B, C, H, W] that require a gradient.

    Returns:
        Penalty per image [B], >= 0, in (logit / pixel value) squared, itself differentiable.
    """
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))


def unit_gradient_penalty(squared_gradient_norms: Tensor) -> Tensor:
    """(|gradient of D| - 1)^2, the penalty of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028, equation 3).

    Args:
        squared_gradient_norms: What `r1_penalty` says of points between real and generated images [B].

    Returns:
        Penalty per image [B], >= 0, without the factor lambda, itself differentiable.
    """
    # The square root has no derivative at 0, where an untrained discriminator may well be.
    return ((squared_gradient_norms + 1e-12).sqrt() - 1).square()


def finite_difference_penalty(first: Tensor, second: Tensor, distance: float) -> Tensor:
    """((D(a) - D(b)) / distance)^2, whose mean is the squared gradient norm: first derivatives are enough.

    The approximate R1 of Lin et al. 2025 (APT, arXiv:2501.08316, section 3), normalised by the
    distance so that it is weighted by gamma / 2 as R1 is. With a = x + sigma n, n ~ N(0, I), and
    b = x (distance sigma) or b = x - sigma n (distance 2 sigma) its expectation over n is |grad
    D(x)|^2, plus terms in sigma^2 (D'')^2 in the first case.

    Args:
        first: D at images moved along a random direction [B].
        second: D at the images, or at those moved the other way [B].
        distance: How many standard deviations of noise lie between the two, > 0, in pixel values.

    Returns:
        Penalty per image [B], >= 0, in (logit / pixel value) squared.
    """
    return ((first - second) / distance).square()


def path_lengths(images: Tensor, styles: Tensor, noise: Tensor) -> Tensor:
    """|J_w^T y|, how far an image moves when its style does.

    Karras et al. 2020 (arXiv:1912.04958, section 3.2, equation 4), with y scaled by 1 / sqrt(H W),
    which keeps the lengths comparable between resolutions. Where each layer has a style of its own
    the squared lengths are averaged over the layers.

    Args:
        images: G(w) [B, C, H, W], with the graph that leads back to `styles`.
        styles: w of each layer [B, L, W], which requires a gradient.
        noise: y, N(0, 1), [B, C, H, W].

    Returns:
        Length per image [B], >= 0, itself differentiable.
    """
    height, width = images.shape[2:]
    moved = (images * (noise / math.sqrt(height * width))).sum()
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad(moved, styles, create_graph=True)
    # The square root has no derivative at 0.
    return (gradient.float().square().sum(dim=2).mean(dim=1) + 1e-12).sqrt()
