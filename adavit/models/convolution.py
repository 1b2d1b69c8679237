"""The stride-1 convolution of both networks: the one place where its algorithm is chosen."""

import torch.nn.functional as F
from torch import Tensor


def convolve(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: int
) -> Tensor:
    """Convolution with stride 1 and zero padding.

    Args:
        features: Features [B, C, H, W].
        weight: Kernels [O, C, K, K].
        bias: Bias [O], or None.
        padding: Zeros on each side, in pixels.

    Returns:
        Features [B, O, H', W'].
    """
    return F.conv2d(features, weight, bias, padding=padding)
