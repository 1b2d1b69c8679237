"""Input saliency: how much a logit depends on each pixel."""

import torch
from torch import Tensor, nn


def input_gradients(discriminator: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    """Gradients of the logits with respect to the images.

    With a minibatch standard deviation the gradient at an image contains what it does to the logits of its
    group, as in R1.

    Args:
        discriminator: On the device of the images.
        images: Images [B, C, H, W] in [-1, 1]. Not modified.
        labels: Class numbers [B], or None without classes.

    Returns:
        Gradients [B, C, H, W] in logits over pixel value.
    """
    images = images.detach().clone().requires_grad_()
    (gradients,) = torch.autograd.grad(discriminator(images, labels).sum(), images)
    return gradients


def saliency_maps(gradients: Tensor) -> Tensor:
    """Largest absolute gradient over the channels (Simonyan et al. 2014, arXiv:1312.6034, section 3.1).

    Args:
        gradients: Gradients [B, C, H, W].

    Returns:
        Maps [B, H, W], >= 0.
    """
    return gradients.abs().amax(dim=1)


def gradient_norms(gradients: Tensor) -> Tensor:
    """Length of each image's gradient [B], float64, in which no square of float32 overflows; its mean square is R1."""
    return gradients.flatten(1).double().norm(dim=1)
