"""What a symmetry test compares a set with: itself, mirrored, turned, or with its colours moved.

Each transformation gives two versions of the images that have gone through the same arithmetic, so that nothing but
the transformation tells them apart: small turns are told from larger ones, not from images that were never resampled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_TURN, SMALL_TURNS = 3.0, (10.0, 30.0)
"""Degrees to either side: of the images as they are, and of the turned ones."""

HUE_TURNS = (0.1, 0.9)
"""Turns around the axis of greys."""

# Blurred first, so that the bicubic filter leaves its mark on neither side.
_BLUR = (0.05, 0.25, 0.40, 0.25, 0.05)
_DISC = 0.92

Versions = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Transformation:
    """One that an augmentation draws.

    Attributes:
        key: Of the augmentation, as in `augment.KEY`.
        words: What it does to images, as in "images ...".
        needs_colour: Whether it leaves grey images as they are.
        versions: Maps images float32 [B, 3, S, S] in [-1, 1] to themselves and the transformed ones, [B, 3, S, S].
    """

    key: str
    words: str
    needs_colour: bool
    versions: Versions


def _xflip(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    return images, images.flip(-1)


def _rotate90(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    quarters = torch.randint(1, 4, (len(images),), generator=stream)
    turned = images.clone()
    for count in (1, 2, 3):
        turned[quarters == count] = torch.rot90(images[quarters == count], count, (2, 3))
    return images, turned


def _rotate(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    low, high = SMALL_TURNS
    little = LEAST_TURN * (2 * torch.rand(len(images), generator=stream) - 1)
    more = low + (high - low) * torch.rand(len(images), generator=stream)
    more *= 2 * torch.randint(0, 2, (len(images),), generator=stream) - 1
    return turned_by(images, little), turned_by(images, more)


def _hue(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    low, high = HUE_TURNS
    angles = 2 * math.pi * (low + (high - low) * torch.rand(len(images), generator=stream))
    # Rodrigues' rotation about the axis of greys, (1, 1, 1) / sqrt(3).
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    rotations = cosine * torch.eye(3) + sine * cross + (1 - cosine) * torch.outer(axis, axis)
    return images, torch.einsum("bij,bjhw->bihw", rotations, images)


def _lumaflip(images: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    return images, images - 2 * images.mean(dim=1, keepdim=True)


def turned_by(images: Tensor, degrees: Tensor) -> Tensor:
    """Images [B, C, S, S], blurred a little, turned by [B] degrees, and black outside a disc that no corner enters."""
    channels, side = images.shape[1], images.shape[-1]
    line = torch.tensor(_BLUR)
    kernel = torch.outer(line, line).expand(channels, 1, -1, -1)
    reach = len(_BLUR) // 2
    smooth = F.conv2d(F.pad(images, (reach,) * 4, mode="reflect"), kernel, groups=channels)
    angles = torch.deg2rad(degrees)
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    rows = [torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(smooth.shape), align_corners=False)
    turned = F.grid_sample(
        smooth, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    axis = (torch.arange(side) + 0.5) * 2 / side - 1
    return turned * ((axis[:, None].square() + axis.square()) < _DISC).float()


TRANSFORMATIONS = (
    Transformation("xflip", "mirrored left to right", False, _xflip),
    Transformation("rotate90", "turned by quarters", False, _rotate90),
    Transformation("rotate", "turned by 10 to 30 degrees", False, _rotate),
    Transformation("hue", "with their hues rotated", True, _hue),
    Transformation("lumaflip", "with dark and light swapped", False, _lumaflip),
)
