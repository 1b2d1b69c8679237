"""The one place where bytes become numbers for networks, and numbers bytes."""

import torch
from torch import Tensor


def images_to_float(images: Tensor) -> Tensor:
    """Map bytes to the range of the networks.

    Args:
        images: uint8, any shape. Not modified.

    Returns:
        float32 in [-1, 1], x / 127.5 - 1.
    """
    return images.to(torch.float32) / 127.5 - 1.0


def images_to_uint8(images: Tensor) -> Tensor:
    """The inverse of `images_to_float`, rounded to the nearest byte.

    Args:
        images: Floating point, any shape; values outside [-1, 1] are clamped. Not modified.

    Returns:
        uint8. `images_to_uint8(images_to_float(x))` is x for every byte.
    """
    return ((images.to(torch.float32) + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
