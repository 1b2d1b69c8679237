"""What images with alpha are laid on before a network sees them that knows red, green and blue only."""

import torch
from torch import Tensor

CAUTION_WITH_ALPHA = (
    "with alpha a critic on pretrained features did harm: of emoji it left one motif, where many shapes were drawn"
    " without it (benchmarks/results/feature_critic.md). Train without --features too, and compare."
)
"""Said of a run with such a critic on images of four channels."""


def draw_background(batch: int, stream: torch.Generator) -> Tensor:
    """A colour for each image [B, 3, 1, 1], uniform in [-1, 1], on the device of the stream."""
    return 2 * torch.rand((batch, 3, 1, 1), generator=stream, device=stream.device) - 1


def on_background(images: Tensor, background: Tensor | None) -> Tensor:
    """Images with alpha laid on a plain background; others as they are.

    Args:
        images: [B, C, H, W] in [-1, 1]; with C = 4 the last channel is straight alpha. Not modified.
        background: Colours [B, 3, 1, 1], or None for a grey one.

    Returns:
        [B, C, H, W], C in 1, 3.
    """
    if images.shape[1] != 4:
        return images
    colours = images[:, :3]
    background = torch.zeros_like(colours) if background is None else background.to(images.dtype)
    return torch.lerp(background.expand_as(colours), colours, (images[:, 3:] + 1) / 2)


def on_random_background(images: Tensor, stream: torch.Generator) -> Tensor:
    """Images laid on backgrounds drawn for each, if they have alpha; nothing is drawn for others."""
    return (
        on_background(images, draw_background(len(images), stream))
        if images.shape[1] == 4
        else images
    )
