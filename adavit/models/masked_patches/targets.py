"""What is predicted of a patch: its mean colour in 3 bits per channel (arXiv:2010.11929, appendix B.1.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.runtime.patch import Patch

LEVELS = 8
"""Levels of a channel, 3 bits."""


def class_count(image_channels: int) -> int:
    """Number K of classes: 8 for grey, 512 for RGB as in the paper, 4,096 for RGBA.

    The alpha channel is predicted as the colours are; colour is not multiplied by it, as the images
    are not.

    Args:
        image_channels: Channels C of the images, >= 1.
    """
    return int(LEVELS**image_channels)


def mean_colour_classes(images: Tensor, patch: Patch) -> Tensor:
    """The class of each patch's mean colour: 64 r + 8 g + b, with each channel in 8 equal levels.

    Args:
        images: Images [B, C, H, W] in [-1, 1]; means beyond (augmented images) take the outermost
            level, and what is no number the middle one: such a step is skipped, and must not fail for a class
            that does not exist. Not modified.
        patch: Its sides divide H and W.

    Returns:
        Classes [B, N], int64 in [0, 8^C), row by row; the first channel is the most significant
        digit.
    """
    means = F.avg_pool2d(
        images.detach().float(), (patch.height, patch.width)
    ).nan_to_num()  # [B, C, rows, columns]
    levels = ((means + 1) * (LEVELS / 2)).floor().clamp(0, LEVELS - 1).long()
    channels = images.shape[1]
    digits = LEVELS ** torch.arange(channels - 1, -1, -1, device=images.device)
    return (levels * digits[:, None, None]).sum(dim=1).flatten(1)
